//! What the scenarios share: a task, a virtual clock, and a store that can be told to fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Cancelled, ListQuery, Page, Retention, RuntimeBuilder, StageContext, StageResult, Task, TaskId,
    TokioClock,
    model::{NewTask, Settlement},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreError,
        StoreResult, TaskStore,
    },
};
use artos_store_memory::MemoryStore;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

/// A task with a number in and a number out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count(pub(crate) u64);

impl Task for Count {
    const KIND: &'static str = "count";
    type Output = u64;
}

/// A stage that adds one.
pub(crate) async fn increment(_: StageContext, Count(number): Count) -> StageResult<u64> {
    Ok(number + 1)
}

/// A memory store whose clock follows tokio's, so that paused tests control it.
pub(crate) fn store() -> MemoryStore {
    MemoryStore::with_clock(TokioClock::default())
}

/// A runtime on a store, with fast randomness of its own.
pub(crate) fn runtime(store: impl TaskStore) -> RuntimeBuilder {
    artos_core::Runtime::builder(store)
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Where stages say that they started, and tests wait for it.
pub(crate) fn signals<T>() -> (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>) {
    mpsc::unbounded_channel()
}

/// A store that fails while it is told to, as one process sees it: others may still get through.
#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn TaskStore>,
    pub(crate) faults: Arc<Faults>,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Every call fails before it is applied.
    pub(crate) down: AtomicBool,
    /// Every settle takes a second.
    pub(crate) slow_settles: AtomicBool,
    /// Every settle is applied, and its answer is lost.
    pub(crate) lose_settle_answers: AtomicBool,
    /// Every heartbeat fails.
    pub(crate) no_heartbeats: AtomicBool,
    /// No hint is ever heard.
    pub(crate) deaf: AtomicBool,
    pub(crate) calls: AtomicUsize,
    pub(crate) inserts: AtomicUsize,
    pub(crate) settles: AtomicUsize,
    /// Somebody claimed tasks, and is about to hear of it.
    pub(crate) claimed: Notify,
}

impl Faults {
    pub(crate) fn set(flag: &AtomicBool, on: bool) {
        flag.store(on, Ordering::SeqCst);
    }
}

impl FaultyStore {
    pub(crate) fn new(inner: impl TaskStore) -> Self {
        Self { inner: Arc::new(inner), faults: Arc::default() }
    }

    fn check(&self) -> StoreResult<()> {
        self.faults.calls.fetch_add(1, Ordering::SeqCst);
        if self.faults.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("told to fail"));
        }
        Ok(())
    }
}

#[async_trait]
impl TaskStore for FaultyStore {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        self.check()?;
        self.faults.inserts.fetch_add(1, Ordering::SeqCst);
        // Lets other submitters queue up behind this call, as a slow store would.
        tokio::task::yield_now().await;
        self.inner.insert(tasks).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.check()?;
        self.inner.get(id, part).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.check()?;
        self.inner.list(query).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        self.check()?;
        let claims = self.inner.claim(request).await?;
        if !claims.tasks.is_empty() {
            self.faults.claimed.notify_one();
        }
        Ok(claims)
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.check()?;
        if self.faults.no_heartbeats.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("told to fail heartbeats"));
        }
        self.inner.heartbeat(lease_for, beats).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        if self.faults.slow_settles.load(Ordering::SeqCst) {
            // By the paused clock of a test.
            tokio::time::sleep_until(tokio::time::Instant::now() + SECOND).await;
        }
        self.check()?;
        self.faults.settles.fetch_add(1, Ordering::SeqCst);
        // As for an insert.
        tokio::task::yield_now().await;
        let answer = self.inner.settle(settlements).await;
        if self.faults.lose_settle_answers.swap(false, Ordering::SeqCst) {
            return Err(StoreError::unavailable("told to lose the answer"));
        }
        answer
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.check()?;
        self.inner.cancel(id).await
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.check()?;
        self.inner.rescue(limit).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        self.check()?;
        self.inner.prune(retention, limit).await
    }

    fn changes(&self, topic: Topic) -> Changes {
        if self.faults.deaf.load(Ordering::SeqCst) {
            return Changes::never();
        }
        self.inner.changes(topic)
    }
}
