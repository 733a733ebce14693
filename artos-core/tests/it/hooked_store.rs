//! A memory store that misbehaves in exactly the way a test asks for.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
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
use async_trait::async_trait;

use crate::support::SECOND;

/// Lets the paused clock of the test move on.
async fn delay(by: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + by).await;
}

#[derive(Debug, Clone)]
pub(crate) struct Hook {
    inner: Arc<dyn TaskStore>,
    pub(crate) hooks: Arc<Hooks>,
}
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) panic_settle: AtomicBool,
    pub(crate) panic_insert: AtomicBool,
    pub(crate) hang_insert: AtomicBool,
    pub(crate) full_if_big: AtomicBool,
    /// Heartbeats that carry progress are refused.
    pub(crate) refuse_reports: AtomicBool,
    /// Inserts with an input of more than a thousand bytes are refused.
    pub(crate) refuse_big_inserts: AtomicBool,
    pub(crate) slow_claim_ms: AtomicU64,
    /// Lets so much time pass at once, as for a frozen process, while a claim is answered.
    pub(crate) freeze_once_ms: AtomicU64,
    pub(crate) settle_down: AtomicBool,
    pub(crate) hang_claim: AtomicBool,
    pub(crate) coin: Mutex<Option<artos_core::Random>>,
    pub(crate) corrupt_once: AtomicBool,
    pub(crate) beat_ms: AtomicU64,
    pub(crate) inserted: AtomicUsize,
    pub(crate) insert_calls: AtomicUsize,
    /// Inserts that are under way.
    pub(crate) inserting: AtomicUsize,
}
impl Hook {
    pub(crate) fn new(inner: impl TaskStore) -> Self {
        Self { inner: Arc::new(inner), hooks: Arc::default() }
    }
}
#[async_trait]
impl TaskStore for Hook {
    async fn insert(&self, t: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        assert!(!self.hooks.panic_insert.swap(false, SeqCst), "a bug in the store");
        self.hooks.inserting.fetch_add(1, SeqCst);
        while self.hooks.hang_insert.load(SeqCst) {
            delay(SECOND / 10).await;
        }
        self.hooks.inserting.fetch_sub(1, SeqCst);
        self.hooks.insert_calls.fetch_add(1, SeqCst);
        if self.hooks.refuse_big_inserts.load(SeqCst) && t.iter().any(|t| t.input.len() > 1_000) {
            return Err(StoreError::Invalid { message: "no room for so much".into() });
        }
        self.hooks.inserted.fetch_add(t.len(), SeqCst);
        self.inner.insert(t).await
    }
    async fn get(&self, id: TaskId, p: Part) -> StoreResult<Option<Found>> {
        self.inner.get(id, p).await
    }
    async fn list(&self, q: &ListQuery) -> StoreResult<Page> {
        self.inner.list(q).await
    }
    async fn claim(&self, r: &Claim) -> StoreResult<Claims> {
        if self.hooks.hang_claim.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(r) = &*self.hooks.coin.lock().unwrap() {
            // Another process was faster.
            if r.fraction() < 0.5 {
                return Ok(Claims { tasks: vec![], next_due_in: Some(SECOND) });
            }
        }
        let c = self.inner.claim(r).await?;
        if !c.tasks.is_empty() {
            let frozen = self.hooks.freeze_once_ms.swap(0, SeqCst);
            if frozen > 0 {
                tokio::time::advance(Duration::from_millis(frozen)).await;
            }
            let ms = self.hooks.slow_claim_ms.load(SeqCst);
            if ms > 0 {
                delay(Duration::from_millis(ms)).await;
            }
        }
        Ok(c)
    }
    async fn heartbeat(&self, l: Duration, b: &[Beat]) -> StoreResult<Vec<Pulse>> {
        if self.hooks.refuse_reports.load(SeqCst) && b.iter().any(|b| b.progress.is_some()) {
            return Err(StoreError::Invalid { message: "no such progress".into() });
        }
        let ms = self.hooks.beat_ms.load(SeqCst);
        if ms > 0 {
            delay(Duration::from_millis(ms)).await;
        }
        self.inner.heartbeat(l, b).await
    }
    async fn settle(&self, s: &[Settlement]) -> StoreResult<Vec<Settled>> {
        assert!(!self.hooks.panic_settle.swap(false, SeqCst), "a bug in the store");
        if self.hooks.corrupt_once.swap(false, SeqCst) {
            return Err(StoreError::Corrupt { message: "one bad row".into() });
        }
        if self.hooks.settle_down.load(SeqCst) {
            return Err(StoreError::unavailable("down"));
        }
        if self.hooks.full_if_big.load(SeqCst)
            && s.iter().any(|s| s.outcome.payload().is_some_and(|p| p.len() > 1_000))
        {
            return Err(StoreError::Full { message: "no room for so much".into() });
        }
        self.inner.settle(s).await
    }
    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.inner.cancel(id).await
    }
    async fn rescue(&self, l: usize) -> StoreResult<Rescued> {
        self.inner.rescue(l).await
    }
    async fn prune(&self, r: &Retention, l: usize) -> StoreResult<Pruned> {
        self.inner.prune(r, l).await
    }
    fn changes(&self, t: Topic) -> Changes {
        self.inner.changes(t)
    }
}
