//! The tasks of one resource.

use std::{fmt, marker::PhantomData, time::Duration};

use artos_core::TaskId;
use axum::http::{HeaderValue, Method, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::stream::BoxStream;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use super::{
    Status, TaskEvent, TaskStatus,
    backoff::retry_after,
    builder::HttpClient,
    call::{Answer, Call, is_too_many_waiters},
    download::Download,
    error::ClientError,
    events,
};
use crate::{
    idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED},
    prefer::{PREFER, PREFERENCE_APPLIED},
    wire::{Accepted, Document, Retried},
};

/// A wait that brings nothing new sooner than this was none, whatever the answer says: an instance
/// that shuts down lets go of those who wait.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A client of one resource, whose requests are `R` and whose documents are `D`; cheap to clone.
pub struct RemoteResource<R, D> {
    client: HttpClient,
    path: String,
    types: PhantomData<fn(R) -> D>,
}

/// A task that the service has taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submitted {
    /// The task, and the document once it is complete.
    pub task_id: TaskId,
    /// Whether an earlier request with the same key made the task. A request that is repeated
    /// because its answer got lost counts as one.
    pub is_replayed: bool,
}

/// How a task is, and how the service came to say so.
struct Look {
    /// `None` if it is as before.
    status: Option<TaskStatus>,
    etag: Option<HeaderValue>,
    is_wait_granted: bool,
    retry_after: Option<Duration>,
}

impl<R, D> RemoteResource<R, D> {
    pub(super) fn new(client: HttpClient, path: &str) -> Self {
        Self { client, path: path.to_owned(), types: PhantomData }
    }

    /// Returns how a task is.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again.
    pub async fn status(&self, id: TaskId) -> Result<TaskStatus, ClientError> {
        self.send(Method::GET, &["status", &id.to_string()]).await?.json()
    }

    /// Waits until a task is over.
    ///
    /// It lets the service wait for each change; where the service or a proxy does not, it asks
    /// again and again, less and less often. It has no deadline: put it into
    /// [`tokio::time::timeout`], which leaves the task alone.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again. A task that failed is no error.
    pub async fn wait(&self, id: TaskId) -> Result<TaskStatus, ClientError> {
        self.follow(id, |_| {}).await
    }

    /// Waits as [`wait`](Self::wait) does, and tells how the task is at first and after each change
    /// that is seen, the last one included.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn follow(
        &self,
        id: TaskId,
        mut seen: impl FnMut(&TaskStatus) + Send,
    ) -> Result<TaskStatus, ClientError> {
        let (mut last, mut etag, mut idle_looks) = (None, None, 0u32);
        let mut wait = Duration::ZERO;
        loop {
            let asked = Instant::now();
            let look = self.look(id, etag.as_ref(), wait).await?;
            let is_first = last.is_none();
            let is_new = look.status.is_some() && look.status != last;
            if let Some(status) = look.status {
                if is_new {
                    seen(&status);
                }
                if status.status != Status::Generating {
                    return Ok(status);
                }
                last = Some(status);
            }
            etag = look.etag.or(etag);
            idle_looks = if is_new { 0 } else { idle_looks.saturating_add(1) };
            let has_waited = is_new || asked.elapsed() >= SHORTEST_WAIT;
            if !(is_first || look.is_wait_granted && has_waited) {
                let pause = idle_looks.saturating_add(1);
                sleep(self.client.shared.backoff.delay(pause, look.retry_after)).await;
            }
            wait = self.client.shared.wait;
        }
    }

    /// Follows a task by the events of the service, until the task is over.
    ///
    /// A connection that breaks is made again, and what came after the last event follows; no event
    /// comes twice. After an error, the stream ends.
    pub fn events(&self, id: TaskId) -> BoxStream<'static, Result<TaskEvent, ClientError>> {
        self.events_after(id, None)
    }

    /// Follows a task as [`events`](Self::events) does, after the event with this id, which another
    /// stream has brought. It ends at once if that was the last one.
    pub fn events_after(
        &self,
        id: TaskId,
        last_event_id: Option<String>,
    ) -> BoxStream<'static, Result<TaskEvent, ClientError>> {
        let url = self.client.shared.url(&[&self.path, "status", &id.to_string(), "events"]);
        events::follow(self.client.clone(), url, last_event_id)
    }

    /// Starts to download what the resource offers besides the document, by its name there, such as
    /// `file`.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again.
    pub async fn download(&self, id: TaskId, name: &str) -> Result<Download, ClientError> {
        let shared = &self.client.shared;
        let url = shared.url(&[&self.path, &id.to_string(), name]);
        let response = shared.open(&Call::new(Method::GET, url)).await?;
        Ok(Download::new(response, shared.timeout))
    }

    /// Asks for a task to be cancelled; returns how it is now. It may still be running, and even
    /// complete.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again.
    pub async fn cancel(&self, id: TaskId) -> Result<TaskStatus, ClientError> {
        self.send(Method::POST, &[&id.to_string(), "cancel"]).await?.json()
    }

    /// Runs a failed task again, as a new task. However often that has to be tried, it is one.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again.
    pub async fn retry(&self, id: TaskId) -> Result<Submitted, ClientError> {
        let mut call = self.call(Method::POST, &[&id.to_string(), "retry"]);
        call.headers.insert(IDEMPOTENCY_KEY, key(&draw_key()?)?);
        let answer = self.client.shared.send(&call).await?;
        submitted(&answer, &answer.json::<Retried>()?.task_id)
    }

    async fn look(
        &self,
        id: TaskId,
        etag: Option<&HeaderValue>,
        wait: Duration,
    ) -> Result<Look, ClientError> {
        let mut call = self.call(Method::GET, &["status", &id.to_string()]);
        if let Some(etag) = etag {
            call.headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        if let Ok(prefer) = HeaderValue::try_from(format!("wait={}", wait.as_secs()))
            && !wait.is_zero()
        {
            call.headers.insert(PREFER, prefer);
            call.wait = wait;
        }
        let shared = &self.client.shared;
        let answer = match shared.send(&call).await {
            Err(ClientError::Refused(refusal)) if is_too_many_waiters(&refusal) => {
                call.headers.remove(PREFER);
                call.wait = Duration::ZERO;
                shared.send(&call).await?
            }
            other => other?,
        };
        let is_same = answer.status.as_u16() == 304;
        Ok(Look {
            status: if is_same { None } else { Some(answer.json()?) },
            etag: answer.headers.get(header::ETAG).cloned(),
            is_wait_granted: answer.headers.contains_key(PREFERENCE_APPLIED),
            retry_after: retry_after(&answer.headers),
        })
    }

    fn call(&self, method: Method, parts: &[&str]) -> Call {
        let parts = [&[self.path.as_str()], parts].concat();
        Call::new(method, self.client.shared.url(&parts))
    }

    async fn send(&self, method: Method, parts: &[&str]) -> Result<Answer, ClientError> {
        self.client.shared.send(&self.call(method, parts)).await
    }
}

impl<R: Serialize + Sync, D> RemoteResource<R, D> {
    /// Submits a task; returns as soon as the service has stored it. However often that has to be
    /// tried, it is one task.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again. After [`ClientError::GaveUp`] the
    /// task may have been stored all the same.
    ///
    /// # Cancel safety
    ///
    /// A task may have been stored when the future is dropped.
    pub async fn submit(&self, request: &R) -> Result<Submitted, ClientError> {
        self.submit_with_key(request, &draw_key()?).await
    }

    /// Submits a task under an idempotency key of your own, such as the id of an order. To submit
    /// the same request again with the same key, also from another process, makes no second task.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), and [`ClientError::IdempotencyKey`].
    pub async fn submit_with_key(
        &self,
        request: &R,
        idempotency_key: &str,
    ) -> Result<Submitted, ClientError> {
        let mut call = self.call(Method::POST, &["generate"]);
        call.headers.insert(IDEMPOTENCY_KEY, key(idempotency_key)?);
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call.body = serde_json::to_vec(request).map_err(ClientError::Encode)?.into();
        let answer = self.client.shared.send(&call).await?;
        submitted(&answer, &answer.json::<Accepted>()?.task_id)
    }
}

impl<R, D: DeserializeOwned> RemoteResource<R, D> {
    /// Returns a document.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; what failed in passing was tried again. The code of the refusal is
    /// `not_ready` if the task is not over, and `generation_failed` if there will be no document.
    pub async fn document(&self, id: TaskId) -> Result<D, ClientError> {
        let answer = self.send(Method::GET, &[&id.to_string()]).await?;
        Ok(answer.json::<Document<D>>()?.document)
    }
}

// Derived, they would ask the same of both types.
impl<R, D> Clone for RemoteResource<R, D> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), path: self.path.clone(), types: PhantomData }
    }
}

impl<R, D> fmt::Debug for RemoteResource<R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RemoteResource");
        debug.field("client", &self.client).field("path", &self.path).finish()
    }
}

/// Draws an idempotency key that nobody else has.
fn draw_key() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    let drawn = getrandom::fill(&mut bytes);
    drawn.map_err(|error| ClientError::NoRandomness(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Writes a key as it is, or quoted if it would be read as something else.
fn key(text: &str) -> Result<HeaderValue, ClientError> {
    let is_good =
        (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_good {
        return Err(ClientError::IdempotencyKey);
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("\"{escaped}\"")).map_err(|_| ClientError::IdempotencyKey)
}

fn submitted(answer: &Answer, task_id: &str) -> Result<Submitted, ClientError> {
    let task_id = task_id.parse();
    let task_id = task_id.map_err(|_| ClientError::Unexpected("task_id is not a task id"))?;
    let is_replayed = answer.headers.get(IDEMPOTENCY_REPLAYED).is_some_and(|is| is == "true");
    Ok(Submitted { task_id, is_replayed })
}
