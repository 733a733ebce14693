//! `GET {base}/events`: the changes of all of an organization's tasks as server-sent events.
//!
//! A hint of the store says only that something changed somewhere. So a stream looks, not too
//! often, at the tasks that are not over and at the youngest ones, and tells what differs from its
//! last look; and it looks now and then without a hint, because hints may get lost.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    time::Duration,
};

use artos_core::{
    Filter, ListQuery, Name, TaskId, TaskRecord, TaskState, Timestamp,
    model::{Cursor, ListOrder},
    notify::Changes,
    store::StoreResult,
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{Response, sse::Event},
};
use futures::{Stream, stream};
use tokio::time::Instant;
use uuid::Uuid;

use super::events::{self, EventsParams, RECONNECT_AFTER, Shown};
use crate::{
    Caller, Problem,
    access::Action,
    app::Mount,
    waiters::Waiting,
    wire::{TaskEvent, TaskStatus},
};

/// Shortest time between two looks: in a busy store there are hints all the time.
const LOOK_APART: Duration = Duration::from_millis(500);

/// How long to go without a hint before looking anyway.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How much younger than the last look a task may seem, because machines' clocks differ and an
/// insert takes its time.
const MARGIN: Duration = Duration::from_secs(5);

/// Longest page of one look at the store, and most pages.
const PAGE: usize = 100;
const PAGES_MAX: usize = 10;

/// Follows all tasks of the organization as server-sent events.
///
/// At first there is a `snapshot` of each task that is not over. Then come `state`, `stage` and
/// `progress` (what changed since the last look at the task), and `end` (the task is over); `gap`
/// says that more happened than could be told: list the tasks to make it good. Each has the status
/// of a task as its data, but for `gap`. The stream does not end by itself. Whoever comes back with
/// the id of the last event gets what happened since to the last 1,000 tasks; some of it may come
/// twice.
#[utoipa::path(
    get,
    path = "/events",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that \
            was received."),
        ("after" = Option<String>, Query, description = "The same, for clients that cannot set \
            headers."),
    ),
    responses(
        (status = 200, description = "The events, one after the other; the schema is that of \
            each.", content_type = "text/event-stream", body = TaskEvent),
        (status = 429, description = "Too many streams of the organization are open."),
        (status = 503, description = "The store is unavailable, or this instance is shutting \
            down."),
    )
)]
pub(crate) async fn feed(
    State(mount): State<Mount>,
    caller: Caller,
    params: Result<Query<EventsParams>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    mount.admit(&caller, Action::List)?;
    mount.take_work()?;
    let waiting = mount.app.streams.enter(caller.organization())?;
    let since = events::last_event_id(&headers, params).and_then(|micros| micros.try_into().ok());
    let mut feed = Feed {
        // Subscribed before the first look, so that no change falls in between.
        changes: mount.app.client.changes(),
        organization: caller.organization().cloned(),
        looked: Instant::now(),
        mark: mount.app.client.now(),
        known: BTreeMap::new(),
        events: VecDeque::new(),
        mount,
        _waiting: waiting,
    };
    feed.begin(since.map(Timestamp::from_micros)).await?;
    Ok(events::streamed(feed.stream()))
}

/// One stream of an organization.
struct Feed {
    mount: Mount,
    organization: Option<Name>,
    changes: Changes,
    /// When the last look began.
    looked: Instant,
    /// The same on the clock that the ids of tasks are made with.
    mark: Timestamp,
    /// The tasks that may still change, or that the next look may find again.
    known: BTreeMap<TaskId, Known>,
    events: VecDeque<Event>,
    _waiting: Waiting,
}

/// What was told of a task.
struct Known {
    revision: u64,
    shown: Shown,
    is_over: bool,
}

impl Feed {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(Box::new(self), |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok(event), feed))
        })
    }

    /// Returns the next event; `None` when the stream is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let drain = self.mount.app.drain.clone();
            tokio::select! {
                biased;
                () = drain.started() => return None,
                // Either leads to a look.
                _ = tokio::time::timeout(LOOK_EVERY, self.changes.changed()) => {}
            }
            tokio::select! {
                biased;
                () = drain.started() => return None,
                () = tokio::time::sleep_until(self.looked + LOOK_APART) => {}
            }
            match self.look().await {
                Ok(()) => {}
                // The next look finds what this one missed.
                Err(error) if error.is_transient() => {}
                Err(_) => return None,
            }
        }
    }

    /// Takes the first look: at what is not over, and at what happened since an earlier stream.
    async fn begin(&mut self, since: Option<Timestamp>) -> StoreResult<()> {
        let (now, since) = (self.start_look(), since.map(|since| before(since, MARGIN)));
        let mut found = self.open_tasks().await?.0;
        // What was over before is noted, not told: the next look finds it again.
        let young = Cursor { after: first_id(before(now, 2 * MARGIN)) };
        found.extend(self.list(Vec::new(), ListOrder::OldestFirst, Some(young)).await?.0);
        if since.is_some() {
            found.extend(self.list(Vec::new(), ListOrder::NewestFirst, None).await?.0);
        }
        for record in in_order(found) {
            let is_news = since.map_or(!record.is_terminal(), |since| record.updated_at > since);
            if self.note(&record).is_some() && is_news {
                self.tell("snapshot", now, &record);
            }
        }
        Ok(())
    }

    async fn look(&mut self) -> StoreResult<()> {
        let last = self.mark;
        let now = self.start_look();
        // What ends between the two listings is in the second.
        let (open, is_all_open) = self.open_tasks().await?;
        let after = Cursor { after: first_id(before(last, MARGIN)) };
        let (young, is_all_young) =
            self.list(Vec::new(), ListOrder::OldestFirst, Some(after)).await?;
        let seen: BTreeSet<_> = open.iter().chain(&young).map(|record| record.id).collect();
        let is_gone = |(id, known): &(&TaskId, &Known)| !known.is_over && !seen.contains(id);
        let gone: Vec<_> = self.known.iter().filter(is_gone).map(|(id, _)| *id).collect();
        let mut found = open;
        found.extend(young);
        for id in gone {
            match self.mount.app.client.get(id).await? {
                Some(record) => found.push(record),
                None => {
                    self.known.remove(&id);
                }
            }
        }
        if !is_all_open || !is_all_young {
            let gap = Event::default().event("gap").id(now.as_micros().to_string()).data("{}");
            self.events.push_back(gap);
        }
        for record in in_order(found) {
            if let Some(name) = self.note(&record) {
                self.tell(name, now, &record);
            }
        }
        let oldest = first_id(before(now, 2 * MARGIN));
        self.known.retain(|id, known| !known.is_over || *id > oldest);
        Ok(())
    }

    fn start_look(&mut self) -> Timestamp {
        self.looked = Instant::now();
        self.mark = self.mount.app.client.now();
        self.mark
    }

    /// Notes how a task is; returns what is new about it, if anything is.
    fn note(&mut self, record: &TaskRecord) -> Option<&'static str> {
        let (shown, is_over) = (Shown::of(record), record.is_terminal());
        let name =
            match self.known.get(&record.id) {
                Some(known) if known.revision >= record.revision => return None,
                _ if is_over => "end",
                Some(known) if known.shown.state == shown.state => {
                    if known.shown.stage == shown.stage { "progress" } else { "stage" }
                }
                Some(_) | None => "state",
            };
        let known = Known { revision: record.revision, shown, is_over };
        self.known.insert(record.id, known);
        Some(name)
    }

    fn tell(&mut self, name: &str, now: Timestamp, record: &TaskRecord) {
        let event = Event::default().event(name).id(now.as_micros().to_string());
        let event = event.retry(RECONNECT_AFTER).json_data(TaskStatus::from(record));
        self.events.extend(event.ok());
    }

    async fn open_tasks(&self) -> StoreResult<(Vec<TaskRecord>, bool)> {
        let states = vec![TaskState::Pending, TaskState::Running];
        self.list(states, ListOrder::NewestFirst, None).await
    }

    /// Lists tasks up to the most pages; also returns whether these are all.
    async fn list(
        &self,
        states: Vec<TaskState>,
        order: ListOrder,
        cursor: Option<Cursor>,
    ) -> StoreResult<(Vec<TaskRecord>, bool)> {
        let kinds = vec![self.mount.endpoint.kind.clone()];
        let tenant = self.organization.clone();
        let filter = Filter { states, kinds, tenant, ..Filter::default() };
        let mut query = ListQuery { filter, order, limit: PAGE, cursor, ..ListQuery::default() };
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.mount.app.client.list(&query).await?;
            found.extend(page.tasks);
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }
}

/// Returns the smallest id that a task of this time can have: ids begin with it, in milliseconds.
fn first_id(time: Timestamp) -> TaskId {
    let millis = u128::try_from(time.as_micros() / 1_000).unwrap_or_default();
    TaskId::from_uuid(Uuid::from_u128(millis << 80))
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_sub(micros))
}

/// Sorts what happened earlier to the front; of several looks at a task the last one stays.
fn in_order(found: Vec<TaskRecord>) -> Vec<TaskRecord> {
    let mut latest: BTreeMap<TaskId, TaskRecord> = BTreeMap::new();
    for record in found {
        let is_older =
            latest.get(&record.id).is_some_and(|known| known.revision >= record.revision);
        if !is_older {
            latest.insert(record.id, record);
        }
    }
    let mut records: Vec<_> = latest.into_values().collect();
    records.sort_by_key(|record| (record.updated_at, record.id));
    records
}
