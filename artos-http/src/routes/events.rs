//! `GET {base}/status/{task_id}/events`: a task's changes as server-sent events.
//!
//! The id of an event is the task's revision, which counts changes. Each event carries the whole
//! status, so that one that was missed is made good by the next; after a gap it is called
//! `snapshot`, so that nobody takes it for the next step.

use std::{convert::Infallible, str::FromStr, time::Duration};

use artos_core::{TaskRecord, Watch};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, future::BoxFuture, stream};
use serde::Deserialize;

use crate::{
    Caller, Drain, Problem,
    access::Action,
    app::{Mount, PathId},
    lapse::Lapse,
    waiters::Waiting,
    wire::{TaskEvent, TaskStatus},
};

pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How often something is sent when nothing happens, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long to sleep without a hint from the store before looking anyway. Hints get lost only with
/// a connection to a store, and then all are given again.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long a client waits before it connects again.
pub(super) const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// The query, for clients that cannot set headers.
#[derive(Debug, Deserialize)]
pub(crate) struct EventsParams {
    after: Option<String>,
}

/// Follows a task as server-sent events.
///
/// The events are `snapshot` (how the task is, at first and after a gap), `state`, `stage` and
/// `progress` (what changed last), and `end` (the task is over, and so is the stream). Each has the
/// status of the task as its data, and its revision as its id.
#[utoipa::path(
    get,
    path = "/status/{task_id}/events",
    params(
        ("task_id" = String, Path, description = "The id that the submission returned."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that \
            was received; those after it follow."),
        ("after" = Option<String>, Query, description = "The same, for clients that cannot set \
            headers."),
    ),
    responses(
        (status = 200, description = "The events, one after the other; the schema is that of \
            each.", content_type = "text/event-stream", body = TaskEvent),
        (status = 204, description = "The task is over and its last event was received: do not \
            connect again."),
        (status = 404, description = "There is no such task, or it belongs to another \
            organization."),
        (status = 429, description = "Too many streams of the organization are open."),
        (status = 503, description = "The store is unavailable, or this instance is shutting \
            down."),
    )
)]
pub(crate) async fn events(
    State(mount): State<Mount>,
    caller: Caller,
    PathId(id): PathId,
    lapse: Lapse,
    params: Result<Query<EventsParams>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last: Option<u64> = last_event_id(&headers, params);
    let record = mount.record(&caller, Action::Read, id).await?;
    let last = last.filter(|last| *last <= record.revision);
    if record.is_terminal() && last == Some(record.revision) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    mount.take_work()?;
    let waiting = mount.app.streams.enter(caller.organization())?;
    let watch = mount.app.client.watch(id).since(record.revision).poll_interval(LOOK_EVERY);
    let follow = Follow {
        watch,
        end: End::new(mount.app.drain.clone(), lapse),
        last,
        shown: None,
        next: Some(record),
        ended: false,
        _waiting: waiting,
    };
    Ok(streamed(follow.stream()))
}

/// Returns the id of the last event that the client has. What cannot be read is as if it were not
/// there.
pub(super) fn last_event_id<T: FromStr>(
    headers: &HeaderMap,
    params: Result<Query<EventsParams>, QueryRejection>,
) -> Option<T> {
    let after = params.ok().and_then(|Query(params)| params.after);
    let header = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    header.or(after.as_deref()).and_then(|text| text.trim().parse().ok())
}

/// Answers with events.
pub(super) fn streamed(
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> Response {
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// What ends a stream from outside: the instance goes away, or its caller may no longer call.
pub(super) struct End {
    drain: Drain,
    lapsed: Option<BoxFuture<'static, ()>>,
}

impl End {
    pub(super) fn new(drain: Drain, lapse: Lapse) -> Self {
        Self { drain, lapsed: lapse.lapsed() }
    }

    pub(super) async fn came(&mut self) {
        match &mut self.lapsed {
            None => self.drain.started().await,
            Some(lapsed) => tokio::select! {
                () = self.drain.started() => {}
                () = lapsed => {}
            },
        }
    }
}

/// One stream of events.
struct Follow {
    watch: Watch,
    end: End,
    /// The id of the last event the client has.
    last: Option<u64>,
    /// What matters of the last event that was sent here.
    shown: Option<Shown>,
    /// What is known and not yet sent.
    next: Option<TaskRecord>,
    ended: bool,
    _waiting: Waiting,
}

/// What tells one event from the next.
#[derive(PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) state: &'static str,
    pub(super) stage: Option<u32>,
}

impl Shown {
    pub(super) fn of(record: &TaskRecord) -> Self {
        let stage = record.progress.as_ref().map(|progress| progress.stage_number);
        Self { state: record.state.as_str(), stage }
    }
}

impl Follow {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(Box::new(self), |mut follow| async move {
            let event = follow.event().await?;
            Some((Ok(event), follow))
        })
    }

    /// Returns the next event; `None` when the stream is over.
    async fn event(&mut self) -> Option<Event> {
        loop {
            if self.ended {
                return None;
            }
            let record = match self.next.take() {
                Some(record) => record,
                None => tokio::select! {
                    biased;
                    () = self.end.came() => return None,
                    // A store that cannot be read any more ends the stream: the client comes back.
                    changed = self.watch.changed() => changed.ok()??,
                },
            };
            self.ended = record.is_terminal();
            let shown = Shown::of(&record);
            if self.last == Some(record.revision) {
                self.shown = Some(shown);
                continue;
            }
            let name = self.name(&record, &shown);
            self.last = Some(record.revision);
            self.shown = Some(shown);
            let event = Event::default().event(name).id(record.revision.to_string());
            let event = event.retry(RECONNECT_AFTER);
            return event.json_data(TaskStatus::from(&record)).ok();
        }
    }

    fn name(&self, record: &TaskRecord, shown: &Shown) -> &'static str {
        let is_next = self.last.is_some_and(|last| last.saturating_add(1) == record.revision);
        match &self.shown {
            _ if record.is_terminal() => "end",
            Some(before) if is_next && before.state != shown.state => "state",
            Some(before) if is_next && before.stage != shown.stage => "stage",
            Some(_) if is_next => "progress",
            _ => "snapshot",
        }
    }
}
