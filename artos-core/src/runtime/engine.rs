//! What the loops of a runtime share: the store, the registry, what runs, and how to call and stop.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::OutageBackoff,
    ends::Ends,
    health::{Board, Duty},
    options::Options,
    registry::Registry,
    running::Running,
};
use crate::{
    Client,
    commit::{Commit, Committer},
    model::Settlement,
    store::{self, Settled, StoreError, StoreResult, TaskStore},
    submission::Ids,
};

/// What the loops of a runtime share.
pub(crate) struct Engine {
    pub(super) client: Client,
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) registry: Registry,
    pub(super) ends: Ends,
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) running: Arc<Running>,
    pub(super) reports_arrived: Arc<Notify>,
    pub(super) board: Arc<Board>,
    pub(super) settles: Committer<Settles>,
    /// No further claims.
    pub(super) stop: CancellationToken,
    /// Everything ends now, wherever it is.
    pub(super) kill: CancellationToken,
    pub(super) workers: TaskTracker,
    pub(super) duties: TaskTracker,
}

impl Engine {
    /// Runs a loop beside the others. Should it panic, in a store for instance, it starts again.
    pub(super) fn start_duty<F, Fut>(self: &Arc<Self>, name: &str, tracker: &TaskTracker, duty: F)
    where
        F: Fn(Arc<Self>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let engine = Arc::clone(self);
        let name = String::from(name);
        tracker.spawn(async move {
            let kill = engine.kill.clone();
            let supervised = async {
                let mut backoff = OutageBackoff::new();
                while let Err(panic) =
                    std::panic::AssertUnwindSafe(duty(Arc::clone(&engine))).catch_unwind().await
                {
                    drop(panic);
                    tracing::error!(duty = name, "a loop of the runtime panicked; it starts again");
                    tokio::time::sleep(backoff.next(&engine.ids.random)).await;
                }
            };
            kill.run_until_cancelled(supervised).await;
        });
    }

    /// Runs an execution beside the others, until it is over or the runtime is dropped.
    pub(super) fn start_execution<Fut>(self: &Arc<Self>, execution: impl FnOnce(Arc<Self>) -> Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let kill = self.kill.clone();
        // It is some kilobytes large, and would be moved about ten times on its way into tokio.
        let execution = Box::pin(execution(Arc::clone(self)));
        self.duties.spawn(async move {
            kill.run_until_cancelled(execution).await;
        });
    }

    /// Calls the store with patience, and notes how it went.
    pub(super) async fn call<T>(
        &self,
        duty: &Duty,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        call_store(&self.options, duty, call).await
    }

    /// Reports the end of an attempt, together with whatever else ended meanwhile.
    ///
    /// Waits out an unavailable store while `worth_it` says so. Each settlement repeats by itself,
    /// so that one the store cannot take now does not hold up the others.
    pub(super) async fn settle(
        &self,
        settlement: &Settlement,
        worth_it: impl Fn() -> bool + Send,
    ) -> StoreResult<Settled> {
        let gone = || StoreError::unavailable("the runtime was dropped");
        let mut backoff = OutageBackoff::new();
        loop {
            // Safe to repeat: a settlement that was applied is answered with the task's state.
            let replies = self.settles.commit(vec![settlement.clone()]).await;
            match replies.map_err(|_| gone())? {
                Ok(replies) => return replies.into_iter().next().ok_or_else(gone),
                Err(error) if error.is_transient() && worth_it() => {
                    let outcome = settlement.outcome.kind();
                    let task_id = settlement.lease.task_id;
                    tracing::warn!(%error, %task_id, %outcome, "settling failed; trying again");
                    tokio::time::sleep(backoff.next(&self.ids.random)).await;
                }
                Err(error) => {
                    return Err(Arc::into_inner(error).unwrap_or_else(gone));
                }
            }
        }
    }
}

async fn call_store<T>(
    options: &Options,
    duty: &Duty,
    call: impl Future<Output = StoreResult<T>> + Send,
) -> StoreResult<T> {
    duty.calling();
    let result = store::call(options.patience, call).await;
    match &result {
        // A store that refuses a request is there and works.
        Ok(_) | Err(StoreError::Invalid { .. }) => duty.answered(),
        Err(error) => duty.failed(error),
    }
    result
}

/// The group commit of settlements.
pub(crate) struct Settles {
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) options: Options,
    pub(super) duty: Arc<Duty>,
}

impl Commit for Settles {
    type Item = Settlement;
    type Reply = Settled;

    // Thousands of tasks that end during an outage knock together, not one by one.
    const PAUSE: Duration = Duration::from_millis(100);

    fn commit<'a>(&'a self, group: &'a [Settlement]) -> BoxFuture<'a, StoreResult<Vec<Settled>>> {
        Box::pin(async move {
            let result = call_store(&self.options, &self.duty, self.store.settle(group)).await;
            if result.as_ref().is_err_and(|error| !error.is_transient()) {
                // It will not be tried again, so nothing is waiting for the store any more.
                self.duty.idle();
            }
            result
        })
    }

    fn bytes(item: &Settlement) -> usize {
        item.outcome.payload().map_or(0, bytes::Bytes::len)
            + item.follow_ups.iter().map(|task| task.input.len()).sum::<usize>()
    }
}
