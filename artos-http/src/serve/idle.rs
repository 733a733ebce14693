//! Knowing when a connection does nothing.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;

/// Counts the requests of a connection whose answers are not yet complete.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<watch::Sender<usize>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Counts one more until the returned guard is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.send_modify(|requests| *requests += 1);
        Busy(Arc::clone(&self.0))
    }

    /// Waits until there was no request for so long.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut requests = self.0.subscribe();
        // The sender lives as long as `self`, so neither wait can fail.
        while requests.wait_for(|requests| *requests == 0).await.is_ok() {
            if tokio::time::timeout(time, requests.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// A request whose answer is not yet complete.
#[derive(Debug)]
pub(super) struct Busy(Arc<watch::Sender<usize>>);

impl Busy {
    /// Stays until the last byte of the body is taken, or nobody wants it any more.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        Body::new(Counted { body, _busy: self })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests = requests.saturating_sub(1));
    }
}

/// A body that keeps its connection busy.
struct Counted {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
