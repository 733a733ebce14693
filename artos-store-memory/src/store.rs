//! The store: one lock around the tables, taken once for each batch and never held across an await.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_core::{
    Clock, SystemClock, Timestamp,
    machine::Cancelled,
    model::{ListQuery, NewTask, Page, Retention, Settlement, TaskId},
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use async_trait::async_trait;

use crate::{listing::Listing, tables::Tables};

/// Tasks pruned while the lock is held once, so that a large prune does not hold up heartbeats.
const PRUNE_STEP: usize = 1_024;

/// Keeps tasks in memory. Clones share their tasks.
///
/// Everything is lost when the process ends: see the [crate's documentation](crate).
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
    hub: ChangeHub,
}

impl MemoryStore {
    /// Makes an empty store that tells time by `clock`.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock: Arc::new(clock),
                tables: Mutex::default(),
                hub: ChangeHub::lossless(),
            }),
        }
    }

    /// Makes a store with the same tasks and the same clock. From then on the two have nothing to
    /// do with each other, so a test can go back to an earlier moment, as a crash does.
    ///
    /// # Examples
    ///
    /// ```
    /// use artos_core::store::TaskStore;
    /// use artos_store_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), artos_core::store::StoreError> {
    /// let store = MemoryStore::default();
    /// let moment = store.fork();
    /// // What is inserted into `store` from now on is not in `moment`.
    /// assert!(moment.list(&Default::default()).await?.tasks.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock: Arc::clone(&self.shared.clock),
                tables: Mutex::new(self.tables().clone()),
                hub: ChangeHub::lossless(),
            }),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing that can panic runs between the first and the last change of an operation.
        self.shared.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one atomic operation, and wakes whoever waits for what it changed.
    fn change<T>(&self, operation: impl FnOnce(&mut Tables, Timestamp) -> T) -> T {
        let (answer, news) = {
            let mut tables = self.tables();
            // Read under the lock, so that the times of operations are in the operations' order.
            let now = self.shared.clock.now();
            let answer = operation(&mut tables, now);
            (answer, tables.take_news(self.shared.hub.hears_of_tasks()))
        };
        news.publish(&self.shared.hub);
        answer
    }
}

impl Default for MemoryStore {
    /// Makes an empty store that tells time by the machine's clock.
    fn default() -> Self {
        Self::with_clock(SystemClock)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("tasks", &self.tables().tasks.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        Ok(self.change(|tables, now| tables.insert(tasks, now)))
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        Ok(self.tables().get(id, part))
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        let mut listing = Listing::new(query);
        loop {
            if let Some(page) = listing.step(&self.tables()) {
                return Ok(page);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        Ok(self.change(|tables, now| tables.claim(request, now)))
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        Ok(self.change(|tables, now| tables.heartbeat(lease_for, beats, now)))
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        Ok(self.change(|tables, now| tables.settle(settlements, now)))
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        Ok(self.change(|tables, now| tables.cancel(id, now)))
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        Ok(self.change(|tables, now| tables.rescue(limit, now)))
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        let mut count = 0;
        loop {
            let step = PRUNE_STEP.min(limit - count);
            let pruned = self.change(|tables, now| tables.prune(retention, step, now));
            count += pruned.count;
            if pruned.count < step || count == limit {
                return Ok(Pruned { count, ..pruned });
            }
            tokio::task::yield_now().await;
        }
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.shared.hub.subscribe(topic)
    }
}
