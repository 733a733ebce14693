//! A task's events, over as many connections as it takes.

use std::{collections::VecDeque, time::Duration};

use axum::http::{HeaderValue, Method, StatusCode, header};
use futures::{StreamExt, stream, stream::BoxStream};
use reqwest::{Response, Url};
use tokio::time::{sleep, timeout};

use super::{
    TaskStatus,
    builder::HttpClient,
    call::Call,
    error::ClientError,
    sse::{EventTooLarge, RawEvent, Reader},
};
use crate::routes::LAST_EVENT_ID;

/// A connection that brings nothing for so long is dead: the service sends something every 15
/// seconds.
const IDLE_MAX: Duration = Duration::from_secs(45);

/// Longest time that the service can ask a client to stay away.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskEvent {
    /// What happened: `snapshot`, `state`, `stage`, `progress` or `end`.
    pub name: String,
    /// The event's id, for
    /// [`RemoteResource::events_after`](super::RemoteResource::events_after).
    pub id: String,
    /// How the task was after it.
    pub status: TaskStatus,
}

/// A stream of events.
struct Following {
    client: HttpClient,
    url: Url,
    last_event_id: Option<String>,
    connection: Option<(Response, Reader)>,
    ready: VecDeque<RawEvent>,
    /// How long to stay away when a connection ended.
    pause: Duration,
    /// How many connections in a row brought nothing.
    fruitless: u32,
    is_over: bool,
}

pub(super) fn follow(
    client: HttpClient,
    url: Url,
    last_event_id: Option<String>,
) -> BoxStream<'static, Result<TaskEvent, ClientError>> {
    let following = Following {
        client,
        url,
        last_event_id,
        connection: None,
        ready: VecDeque::new(),
        pause: Duration::ZERO,
        fruitless: 0,
        is_over: false,
    };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        following.is_over |= event.as_ref().map_or(true, |event| event.name == "end");
        Some((event, following))
    });
    events.boxed()
}

impl Following {
    async fn next(&mut self) -> Option<Result<TaskEvent, ClientError>> {
        while !self.is_over {
            if let Some(raw) = self.ready.pop_front() {
                match self.take(raw).transpose() {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let went_on = match self.connection {
                Some(_) => self.read().await,
                None => self.connect().await,
            };
            if let Err(error) = went_on {
                return Some(Err(error));
            }
        }
        None
    }

    /// Makes an event of what came; `None` if it came before or is unknown.
    fn take(&mut self, raw: RawEvent) -> Result<Option<TaskEvent>, ClientError> {
        let RawEvent { name, data, id } = raw;
        let is_known = ["snapshot", "state", "stage", "progress", "end"].contains(&name.as_str());
        if !is_known || self.last_event_id.as_ref() == Some(&id) {
            return Ok(None);
        }
        let status = serde_json::from_str(&data).map_err(ClientError::Decode)?;
        self.last_event_id = Some(id.clone()).filter(|id| !id.is_empty());
        Ok(Some(TaskEvent { name, id, status }))
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let shared = &self.client.shared;
        if self.fruitless > 0 {
            if self.fruitless >= shared.attempts_max {
                let last = Box::new(ClientError::Unexpected("streams that end at once"));
                return Err(ClientError::GaveUp { attempts: self.fruitless, last });
            }
            let pause = shared.backoff.delay(self.fruitless, None);
            sleep(pause.max(self.pause)).await;
        } else {
            sleep(self.pause).await;
        }
        let mut call = Call::new(Method::GET, self.url.clone());
        call.headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        let last = self.last_event_id.as_deref().map(HeaderValue::try_from);
        if let Some(last) = last {
            let last = last.map_err(|_| ClientError::Unexpected("an id that cannot be sent"))?;
            call.headers.insert(LAST_EVENT_ID, last);
        }
        let response = shared.open(&call).await?;
        if response.status() == StatusCode::NO_CONTENT {
            self.is_over = true;
            return Ok(());
        }
        let media = response.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
        if !media.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            return Err(ClientError::Unexpected("no stream of events"));
        }
        self.fruitless = self.fruitless.saturating_add(1);
        self.connection = Some((response, Reader::new(shared.event_bytes_max)));
        Ok(())
    }

    /// Reads on. Where the connection ends, the next one goes on.
    async fn read(&mut self) -> Result<(), ClientError> {
        let Some((response, reader)) = &mut self.connection else { return Ok(()) };
        match timeout(IDLE_MAX, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                self.fruitless = 0;
                let read = reader.read(&bytes, &mut self.ready);
                if let Some(retry) = reader.retry() {
                    self.pause = Duration::from_millis(retry).min(RETRY_MAX);
                }
                let limit = self.client.shared.event_bytes_max;
                read.map_err(|EventTooLarge| ClientError::TooLarge { limit })
            }
            Ok(Ok(None) | Err(_)) | Err(_) => {
                self.connection = None;
                Ok(())
            }
        }
    }
}
