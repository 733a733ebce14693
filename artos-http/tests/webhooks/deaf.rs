//! A memory store that can be told not to hear of cancels.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Cancelled, ListQuery, Page, Retention, TaskId,
    model::{NewTask, Settlement},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreError,
        StoreResult, TaskStore,
    },
};
use artos_store_memory::MemoryStore;
use async_trait::async_trait;

#[derive(Debug, Clone)]
pub(crate) struct DeafStore {
    inner: MemoryStore,
    is_deaf: Arc<AtomicBool>,
}

impl DeafStore {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        Self { inner, is_deaf: Arc::default() }
    }

    pub(crate) fn set_deaf(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::SeqCst);
    }
}

#[async_trait]
impl TaskStore for DeafStore {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        self.inner.insert(tasks).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.inner.get(id, part).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.inner.list(query).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        self.inner.claim(request).await
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.inner.heartbeat(lease_for, beats).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        self.inner.settle(settlements).await
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        match self.is_deaf.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("told to be deaf")),
            false => self.inner.cancel(id).await,
        }
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.inner.rescue(limit).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        self.inner.prune(retention, limit).await
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.inner.changes(topic)
    }
}
