//! Knowing when a caller may no longer call: a stream goes on for longer than its credentials may
//! be good.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use artos_core::{Client, TaskId, TaskRecord, Timestamp};
use axum::{extract::FromRequestParts, http::request::Parts};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until};

/// How often credentials are looked at again that nobody tells about.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long to go without a hint from the store before looking at a key anyway.
const KEY_LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long to wait when the store cannot say how a key is.
const PAUSE: Duration = Duration::from_secs(10);

/// When the credentials of a request stop to be good.
#[derive(Clone, Default)]
pub(crate) struct Lapse {
    at: Option<Instant>,
    watched: Option<Watched>,
}

#[derive(Clone)]
enum Watched {
    Key { client: Client, id: TaskId, revision: u64, is_good: fn(&TaskRecord) -> bool },
    Asked(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>),
}

impl Lapse {
    /// Credentials that end at a time on somebody's clock, on which it is `now`.
    pub(crate) fn at(end: Timestamp, now: Timestamp) -> Self {
        Self { at: Instant::now().checked_add(end.since(now)), watched: None }
    }

    /// A key that is a task, good as long as `is_good` says so.
    pub(crate) fn of_key(
        self,
        client: Client,
        record: &TaskRecord,
        is_good: fn(&TaskRecord) -> bool,
    ) -> Self {
        let (id, revision) = (record.id, record.revision);
        Self { watched: Some(Watched::Key { client, id, revision, is_good }), ..self }
    }

    /// Credentials that only a function of the host knows about.
    pub(crate) fn asked(
        is_good: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static,
    ) -> Self {
        Self { at: None, watched: Some(Watched::Asked(Arc::new(is_good))) }
    }

    /// Returns whether they may stop to be good at all.
    pub(crate) const fn may_come(&self) -> bool {
        self.at.is_some() || self.watched.is_some()
    }

    /// Waits until they are no longer good; `None` if they always are.
    pub(crate) fn lapsed(self) -> Option<BoxFuture<'static, ()>> {
        let Self { at, watched } = self;
        match (at, watched) {
            (None, None) => None,
            (Some(at), None) => Some(Box::pin(sleep_until(at))),
            (None, Some(watched)) => Some(Box::pin(watched.lapsed())),
            (Some(at), Some(watched)) => Some(Box::pin(async move {
                tokio::select! {
                    () = sleep_until(at) => {}
                    () = watched.lapsed() => {}
                }
            })),
        }
    }
}

impl Watched {
    async fn lapsed(self) {
        match self {
            Self::Key { client, id, revision, is_good } => {
                let mut watch = client.watch(id).since(revision).poll_interval(KEY_LOOK_EVERY);
                loop {
                    match watch.changed().await {
                        Ok(Some(record)) if is_good(&record) => {}
                        Ok(_) => return,
                        Err(_) => sleep(PAUSE).await,
                    }
                }
            }
            Self::Asked(is_good) => {
                let mut is_good_now = true;
                while is_good_now {
                    sleep(LOOK_EVERY).await;
                    is_good_now = is_good().await;
                }
            }
        }
    }
}

impl fmt::Debug for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lapse").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for Lapse {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
