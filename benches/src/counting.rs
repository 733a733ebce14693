//! A store that counts how often it is called, and is otherwise the one inside it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use artos_core::{
    Cancelled, ListQuery, Page, Retention, TaskId,
    model::{NewTask, Settlement},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use async_trait::async_trait;

use crate::stores::AnyStore;

#[derive(Debug)]
pub(crate) struct Counting {
    inner: AnyStore,
    calls: AtomicU64,
}

impl Counting {
    pub(crate) const fn new(inner: AnyStore) -> Self {
        Self { inner, calls: AtomicU64::new(0) }
    }

    /// How often the store was asked. Subscribing to hints asks it nothing.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn counted(&self) -> &AnyStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

#[async_trait]
impl TaskStore for Counting {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        self.counted().insert(tasks).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.counted().get(id, part).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.counted().list(query).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        self.counted().claim(request).await
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.counted().heartbeat(lease_for, beats).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        self.counted().settle(settlements).await
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.counted().cancel(id).await
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.counted().rescue(limit).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        self.counted().prune(retention, limit).await
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.inner.changes(topic)
    }
}
