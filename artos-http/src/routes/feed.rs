//! `GET {base}/events`: the changes of all of an organization's tasks as server-sent events.
//!
//! All streams of an organization share one look at the store. What it finds at a time comes as a
//! batch, and only the last event of a batch has an id: whoever is cut off in the middle comes back
//! with the id of the batch before, and misses nothing.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use artos_core::TaskId;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{Response, sse::Event},
};
use futures::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    events::{self, End, EventsParams, RECONNECT_AFTER},
    look::{Batch, News},
    looks::{self, Joined},
};
use crate::{
    Caller, Problem, access::Action, app::Mount, lapse::Lapse, waiters::Waiting, wire::TaskEvent,
};

/// Follows all tasks of the organization as server-sent events.
///
/// At first there is a `snapshot` of each task that is not over. Then come `state`, `stage` and
/// `progress` (what changed since the last look at the task), and `end` (the task is over); `gap`
/// says that more happened than could be told: list the tasks to make it good. Each has the status
/// of a task as its data, but for `gap`. Of events that come together only the last has an id.
/// The stream ends when its caller may no longer call, and not by itself. Whoever comes back with
/// the last id gets what happened since to the last 1,000 tasks, and a `gap` if an older one may
/// have ended; some of it may come twice.
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
    lapse: Lapse,
    params: Result<Query<EventsParams>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    mount.admit(&caller, Action::List)?;
    mount.take_work()?;
    let waiting = mount.app.streams.enter(caller.organization())?;
    let since = events::last_event_id(&headers, params);
    let Joined { first, later, told } = looks::join(&mount, caller.organization(), since).await?;
    let feed = Feed {
        batch: Arc::new(first),
        next: 0,
        later,
        told,
        end: End::new(mount.app.drain.clone(), lapse),
        _waiting: waiting,
    };
    Ok(events::streamed(feed.stream()))
}

/// One stream of an organization.
struct Feed {
    /// What is being told, and how far it is told: the gap first, if there is one.
    batch: Arc<Batch>,
    next: usize,
    later: broadcast::Receiver<Arc<Batch>>,
    /// What the first batch told that a later one may tell again.
    told: HashMap<TaskId, u64>,
    end: End,
    _waiting: Waiting,
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
            if let Some(event) = self.rest_of_batch() {
                return Some(event);
            }
            let received = tokio::select! {
                biased;
                () = self.end.came() => return None,
                received = self.later.recv() => received,
            };
            self.batch = match received {
                Ok(batch) if self.told.is_empty() => batch,
                Ok(batch) => Arc::new(self.without_told(&batch)),
                // A client that reads so slowly has to look for itself.
                Err(RecvError::Lagged(_)) => Arc::new(Batch::gap()),
                Err(RecvError::Closed) => return None,
            };
            self.next = 0;
        }
    }

    fn rest_of_batch(&mut self) -> Option<Event> {
        let gaps = usize::from(self.batch.is_gap);
        let event = Event::default();
        let event = match self.next.checked_sub(gaps) {
            None => event.event("gap").data("{}"),
            Some(at) => {
                let news = self.batch.news.get(at)?;
                event.event(news.name).retry(RECONNECT_AFTER).data(&*news.data)
            }
        };
        self.next += 1;
        let is_last = self.next == gaps + self.batch.news.len();
        Some(match self.batch.mark.filter(|_| is_last) {
            Some(mark) => event.id(mark.to_string()),
            None => event,
        })
    }

    /// Takes away what is no news to this stream.
    fn without_told(&mut self, batch: &Batch) -> Batch {
        let is_news = |news: &&News| match self.told.remove(&news.id) {
            Some(revision) => revision < news.revision,
            None => true,
        };
        Batch { news: batch.news.iter().filter(is_news).cloned().collect(), ..*batch }
    }
}
