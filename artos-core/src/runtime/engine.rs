//! What the loops of a runtime share: the store, the registry, what runs, and how to call and stop.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::OutageBackoff,
    ends::Ends,
    executor::Ending,
    health::{Board, Duty},
    options::Options,
    pool::Pool,
    registry::Registry,
    running::Running,
};
use crate::{
    Client,
    commit::{Commit, Committer, Entry},
    model::Settlement,
    signals::SignalHub,
    spawn,
    store::{self, Settled, StoreError, StoreResult, TaskStore},
    submission::Ids,
};

/// What the loops of a runtime share.
pub(crate) struct Engine {
    pub(super) client: Client,
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) registry: Registry,
    /// A payload was met that no stage here reads.
    pub(super) unreadable: AtomicBool,
    pub(super) ends: Ends,
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) running: Arc<Running>,
    pub(super) pool: Pool,
    pub(super) signals: Arc<SignalHub>,
    pub(super) board: Arc<Board>,
    pub(super) settles: Committer<Settles>,
    pub(super) repeats: Repeats,
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
                while let Err(spawn::Panicked) = spawn::guarded(duty(Arc::clone(&engine))).await {
                    tracing::error!(duty = name, "a loop of the runtime panicked; it starts again");
                    tokio::time::sleep(backoff.next(&engine.ids.random)).await;
                }
            };
            kill.run_until_cancelled(supervised).await;
        });
    }

    /// Runs what an execution left to do, until it is over or the runtime is dropped.
    pub(super) fn start_beside<Fut>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let kill = self.kill.clone();
        let work = work(Arc::clone(self));
        self.duties.spawn(async move {
            kill.run_until_cancelled(work).await;
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

    /// Reports how an attempt ended, together with whatever else ended meanwhile.
    ///
    /// Waits out an unavailable store while `worth_it` says so. Each settlement repeats by itself,
    /// so that one the store cannot take now does not hold up the others.
    pub(super) async fn settle(
        &self,
        settlement: &Settlement,
        worth_it: impl Fn() -> bool + Send,
    ) -> Answered {
        match self.try_settle(settlement).await? {
            Ok(settled) => Ok(settled),
            Err(error) => self.settle_again(settlement, error, worth_it).await,
        }
    }

    /// Reports how an attempt ended, once; the inner error is the store's.
    async fn try_settle(&self, settlement: &Settlement) -> StoreResult<Answered> {
        if let Some(alone) = self.settles.alone() {
            let replies = alone.commit(std::slice::from_ref(settlement)).await;
            let first = replies.and_then(|replies| replies.into_iter().next().ok_or_else(dropped));
            return Ok(first.map_err(Arc::new));
        }
        let (waiter, answer) = oneshot::channel();
        // A copy, whose payloads are shared: it may outlive whoever waits here.
        let sent = self.settles.commit([settlement.clone()], Settling::Asked(waiter));
        sent.map_err(|_| dropped())?;
        answer.await.map_err(|_| dropped())
    }

    /// Repeats a settlement that was refused, if that is of use.
    pub(super) async fn settle_again(
        &self,
        settlement: &Settlement,
        mut error: Arc<StoreError>,
        worth_it: impl Fn() -> bool + Send,
    ) -> Answered {
        let repeat = self.repeats.begin();
        let mut backoff = OutageBackoff::new();
        loop {
            if !error.is_transient() || !worth_it() {
                repeat.give_up();
                return Err(error);
            }
            let outcome = settlement.outcome.kind();
            let task_id = settlement.lease.task_id;
            tracing::warn!(%error, %task_id, %outcome, "settling failed; trying again");
            drop(error);
            tokio::time::sleep(backoff.next(&self.ids.random)).await;
            // Safe to repeat: a settlement that was applied is answered with the task's state.
            match self.try_settle(settlement).await? {
                Ok(settled) => return Ok(settled),
                Err(again) => error = again,
            }
        }
    }
}

/// What the store answered to one settlement; those of a group share its error.
type Answered = Result<Settled, Arc<StoreError>>;

fn dropped() -> StoreError {
    StoreError::unavailable("the runtime was dropped, or its group commit panicked")
}

async fn call_store<T>(
    options: &Options,
    duty: &Duty,
    call: impl Future<Output = StoreResult<T>> + Send,
) -> StoreResult<T> {
    let mut now = duty.calling();
    let mut call = pin!(store::call(options.patience, call));
    let mut paused = false;
    let result = poll_fn(|cx| {
        let result = call.as_mut().poll(cx);
        paused |= result.is_pending();
        result
    })
    .await;
    if paused {
        now = Instant::now();
    }
    match &result {
        // A store that refuses a request is there and works.
        Ok(_) | Err(StoreError::Invalid { .. }) => duty.answered(now),
        Err(error) => duty.failed(error),
    }
    result
}

/// The settlements that are being repeated, because the store did not take them.
pub(crate) struct Repeats {
    duty: Arc<Duty>,
    count: AtomicUsize,
}

impl Repeats {
    pub(super) const fn new(duty: Arc<Duty>) -> Self {
        Self { duty, count: AtomicUsize::new(0) }
    }

    fn begin(&self) -> Repeat<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Repeat { all: self, given_up: false }
    }
}

/// One of the settlements that are being repeated.
struct Repeat<'a> {
    all: &'a Repeats,
    given_up: bool,
}

impl Repeat<'_> {
    fn give_up(mut self) {
        self.given_up = true;
    }
}

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        let is_last = self.all.count.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && self.given_up {
            // Nothing is waiting for the store any more, so nothing would ever end its trouble.
            self.all.duty.idle();
        }
    }
}

/// The group commit of settlements.
pub(crate) struct Settles {
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) options: Options,
    pub(super) duty: Arc<Duty>,
}

/// A settlement that the store did not take.
pub(crate) struct Refused {
    pub(super) settlement: Settlement,
    pub(super) error: Arc<StoreError>,
}

/// Who hears what became of a settlement.
pub(crate) enum Settling {
    /// An execution that goes on, or repeats what failed.
    Asked(oneshot::Sender<Answered>),
    /// Nobody: the execution has nothing left to do but to leave the books.
    Ending(Ending),
}

impl Commit for Settles {
    type Item = Settlement;
    type Reply = Settled;
    type Waiter = Settling;

    // Thousands of tasks that end during an outage knock together, not one by one.
    const PAUSE: Duration = Duration::from_millis(100);

    const SIDE_BY_SIDE: bool = false;

    async fn commit(&self, group: &[Settlement]) -> StoreResult<Vec<Settled>> {
        let call = self.store.as_ref().settle(group);
        let result = call_store(&self.options, &self.duty, call).await;
        if result.as_ref().is_err_and(|error| !error.is_transient()) {
            // It will not be tried again, so nothing is waiting for the store any more.
            self.duty.idle();
        }
        result
    }

    fn bytes(item: &Settlement) -> usize {
        item.outcome.payload().map_or(0, bytes::Bytes::len)
            + item.follow_ups.iter().map(|task| task.input.len()).sum::<usize>()
    }

    fn is_awaited(waiter: &Settling) -> bool {
        match waiter {
            Settling::Asked(asker) => !asker.is_closed(),
            Settling::Ending(_) => true,
        }
    }

    fn accepted(
        entries: impl Iterator<Item = Entry<Settling>>,
        settlements: impl Iterator<Item = Settlement>,
        replies: Vec<Settled>,
    ) {
        let mut ended = Vec::with_capacity(replies.len());
        for ((entry, settlement), reply) in entries.zip(settlements).zip(replies) {
            match entry.waiter {
                Settling::Asked(asker) => {
                    let _ = asker.send(Ok(reply));
                }
                Settling::Ending(ending) => {
                    ending.note(&settlement.outcome, reply);
                    ended.push(ending);
                }
            }
        }
        Ending::finish(ended);
    }

    fn refused(waiter: Settling, items: Vec<Settlement>, error: Arc<StoreError>) {
        // A settlement is handed in alone.
        let Some(settlement) = items.into_iter().next() else {
            return;
        };
        match waiter {
            Settling::Asked(asker) => {
                let _ = asker.send(Err(error));
            }
            Settling::Ending(ending) => ending.repeat(Refused { settlement, error }),
        }
    }
}
