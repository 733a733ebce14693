//! Knowing when a connection does nothing, or waits for a client that does not read.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Longest piece of an answer that is handed out at a time. Whoever takes a piece has read those
/// before it, so a short one says more about what is read.
const PIECE_BYTES_MAX: usize = 16 * 1_024;

/// What a connection is busy with.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    since: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Requests whose answers are not yet complete.
    busy: usize,
    /// Since when there is none, and nothing waits to be written.
    idle_since: Instant,
    /// Whether something waits to be written, which has a timer of its own; and when the last such
    /// wait ended: then the client read something, whatever that was part of.
    is_writing: bool,
    written: Instant,
    /// Bodies that may wait for their reader.
    bodies: HashMap<u64, Arc<Reading>>,
    next: u64,
}

/// Since when a body waits to be read, in microseconds of the connection, plus one; zero while it
/// is the service that has to go on.
#[derive(Debug, Default)]
struct Reading(AtomicU64);

impl Activity {
    pub(super) fn new() -> Self {
        let since = Instant::now();
        let state = State {
            busy: 0,
            idle_since: since,
            is_writing: false,
            written: since,
            bodies: HashMap::new(),
            next: 0,
        };
        Self(Arc::new(Shared { since, state: Mutex::new(state), changed: Notify::new() }))
    }

    /// Counts one more until the returned guard is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.state().busy += 1;
        self.0.changed.notify_one();
        Busy(Arc::clone(&self.0))
    }

    /// Notes that something waits to be written, or no longer does.
    pub(super) fn set_writing(&self, is_writing: bool) {
        let now = Instant::now();
        let mut state = self.0.state();
        state.is_writing = is_writing;
        state.written = now;
        state.idle_since = now;
        drop(state);
        self.0.changed.notify_one();
    }

    /// Waits until there was no request for so long, or an answer that nobody read on.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            let now = Instant::now();
            let until = self.0.waits_since().map(|since| since + time);
            if until.is_some_and(|until| until <= now) {
                return;
            }
            tokio::select! {
                () = self.0.changed.notified() => {}
                // While the service has to go on, nothing tells when that ends.
                () = sleep_until(until.unwrap_or(now + time)) => {}
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Counts are right between any two statements, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns since when the connection waits for its client; `None` if it does not.
    fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        if state.is_writing {
            return None;
        }
        if state.busy == 0 {
            return Some(state.idle_since);
        }
        let waits = state.bodies.values().filter_map(|body| {
            let micros = body.0.load(Ordering::Relaxed).checked_sub(1)?;
            Some((self.since + Duration::from_micros(micros)).max(state.written))
        });
        waits.min()
    }
}

impl Reading {
    fn waits(&self, shared: &Shared) {
        let micros = u64::try_from(shared.since.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.0.store(micros + 1, Ordering::Relaxed);
    }

    fn is_served(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Something that keeps a connection from being idle.
#[derive(Debug)]
pub(super) struct Busy(Arc<Shared>);

impl Busy {
    /// Stays until the last byte of the body is taken, or nobody wants it any more.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        let reading = Arc::new(Reading::default());
        reading.waits(&self.0);
        let number = {
            let mut state = self.0.state();
            let number = state.next;
            state.next += 1;
            state.bodies.insert(number, Arc::clone(&reading));
            number
        };
        self.0.changed.notify_one();
        Body::new(Followed { body, rest: Bytes::new(), reading, number, busy: self })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy = state.busy.saturating_sub(1);
        if state.busy == 0 {
            state.idle_since = Instant::now();
        }
        drop(state);
        self.0.changed.notify_one();
    }
}

/// A body that keeps its connection busy, and notes whether it is read.
struct Followed {
    body: Body,
    /// What is left of the last piece of the body.
    rest: Bytes,
    reading: Arc<Reading>,
    number: u64,
    busy: Busy,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // There is room for more: whoever reads has taken what was there before.
        self.reading.is_served();
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES_MAX);
        let piece = self.rest.split_to(length);
        self.reading.waits(&self.busy.0);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or_default();
        let hint = self.body.size_hint();
        let mut with_rest = SizeHint::new();
        with_rest.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            with_rest.set_upper(upper.saturating_add(rest));
        }
        with_rest
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.busy.0.state().bodies.remove(&self.number);
    }
}
