//! Knowing when a connection does nothing, or waits for a client that does not read.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::Version,
};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

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
    has_written: AtomicBool,
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
    bodies: Vec<Arc<Reading>>,
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
            bodies: Vec::new(),
        };
        let has_written = AtomicBool::new(false);
        Self(Arc::new(Shared { since, state: Mutex::new(state), has_written }))
    }

    /// Counts one more until the returned guard is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.state().busy += 1;
        Busy(Arc::clone(&self.0))
    }

    /// Notes that something waits to be written, or no longer does.
    pub(super) fn set_writing(&self, is_writing: bool) {
        let now = Instant::now();
        let mut state = self.0.state();
        state.is_writing = is_writing;
        state.written = now;
        state.idle_since = now;
    }

    /// Notes that something is written.
    pub(super) fn writes(&self) {
        self.0.has_written.store(true, Ordering::Relaxed);
    }

    /// Returns whether something was written since this was asked last.
    pub(super) fn take_written(&self) -> bool {
        self.0.has_written.swap(false, Ordering::Relaxed)
    }

    /// Returns whether there are requests whose answers are not complete.
    pub(super) fn is_busy(&self) -> bool {
        self.0.state().busy > 0
    }

    /// Waits until there was no request for so long, or an answer that nobody read on.
    ///
    /// Nobody has to tell of what happens meanwhile: a wait for the client that begins after a look
    /// is not over before the next one.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            let now = Instant::now();
            let since = self.0.waits_since();
            if since.is_some_and(|since| since + time <= now) {
                return;
            }
            sleep_until(since.unwrap_or(now) + time).await;
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
        let waits = state.bodies.iter().filter_map(|body| {
            let micros = body.0.load(Ordering::Relaxed).checked_sub(1)?;
            Some((self.since + Duration::from_micros(micros)).max(state.written))
        });
        waits.min()
    }
}

impl Reading {
    /// A body that waits for its reader, from now on among those of its connection.
    fn begin(shared: &Shared) -> Arc<Self> {
        let reading = Arc::new(Self::default());
        reading.waits(shared);
        shared.state().bodies.push(Arc::clone(&reading));
        reading
    }

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
    ///
    /// Only of HTTP/2 one has to follow whether a body is read: a body of HTTP/1 waits behind
    /// writes, which have a timer of their own.
    pub(super) fn until_end_of(self, body: Body, version: Version) -> Answer {
        let reading = (version >= Version::HTTP_2).then(|| Reading::begin(&self.0));
        Answer { body, rest: Bytes::new(), reading, busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy = state.busy.saturating_sub(1);
        if state.busy == 0 {
            state.idle_since = Instant::now();
        }
    }
}

/// A body that keeps its connection busy, and notes whether it is read.
pub(super) struct Answer {
    body: Body,
    /// What is left of the last piece of the body.
    rest: Bytes,
    reading: Option<Arc<Reading>>,
    busy: Busy,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(reading) = &this.reading else {
            return Pin::new(&mut this.body).poll_frame(context);
        };
        // There is room for more: whoever reads has taken what was there before.
        reading.is_served();
        if this.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let length = this.rest.len().min(PIECE_BYTES_MAX);
        let piece = this.rest.split_to(length);
        reading.waits(&this.busy.0);
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

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            self.busy.0.state().bodies.retain(|body| !Arc::ptr_eq(body, reading));
        }
    }
}
