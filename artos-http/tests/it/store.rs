//! A memory store that can be told to fail or to hang.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Cancelled, ListQuery, Page, Retention, TaskId, TokioClock,
    model::{NewTask, Settlement},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreError,
        StoreResult, TaskStore,
    },
};
use artos_store_memory::MemoryStore;
use async_trait::async_trait;
use tokio::sync::watch;

/// What the store does with a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mood {
    Well = 0,
    Down = 1,
    Hanging = 2,
    Corrupt = 3,
    Stopped = 4,
}

/// What an embedded store says to every call after its disk failed.
pub(crate) const STOPPED: &str = "it stopped and has to be opened again; the cause: syncing: \
                                  Input/output error (os error 5)";

/// A memory store on tokio's clock with a [`Mood`].
#[derive(Debug, Clone)]
pub(crate) struct MoodyStore {
    inner: MemoryStore,
    mood: Arc<AtomicU8>,
    calls: Arc<AtomicUsize>,
    gets: Arc<AtomicUsize>,
    /// Lists nothing.
    is_listless: Arc<AtomicBool>,
    /// Panics instead of listing.
    is_panicking: Arc<AtomicBool>,
    lists: Arc<AtomicUsize>,
    /// Whether inserts wait until they are released.
    is_holding: Arc<watch::Sender<bool>>,
    /// Gives no hints any more.
    is_mute: Arc<AtomicBool>,
}

impl MoodyStore {
    pub(crate) fn new() -> Self {
        let inner = MemoryStore::with_clock(TokioClock::default());
        Self {
            inner,
            mood: Arc::default(),
            calls: Arc::default(),
            gets: Arc::default(),
            is_listless: Arc::default(),
            is_panicking: Arc::default(),
            lists: Arc::default(),
            is_holding: Arc::new(watch::Sender::new(false)),
            is_mute: Arc::default(),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// Returns how often the store was called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Fails to list from now on, or does it again.
    pub(crate) fn set_listless(&self, is_listless: bool) {
        self.is_listless.store(is_listless, Ordering::SeqCst);
    }

    /// Panics from now on when it is to list, or lists again.
    pub(crate) fn set_panicking(&self, is_panicking: bool) {
        self.is_panicking.store(is_panicking, Ordering::SeqCst);
    }

    /// Lets inserts wait from now on, or goes on with them.
    pub(crate) fn hold_inserts(&self, is_holding: bool) {
        self.is_holding.send_replace(is_holding);
    }

    /// Returns how often tasks were listed.
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }

    /// Gives no hints to whoever asks for them from now on.
    pub(crate) fn mute(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }

    /// Returns how often a task was read.
    pub(crate) fn gets(&self) -> usize {
        self.gets.load(Ordering::SeqCst)
    }

    async fn check(&self) -> StoreResult<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.load(Ordering::SeqCst);
        match mood {
            mood if mood == Mood::Well as u8 => Ok(()),
            mood if mood == Mood::Down as u8 => Err(StoreError::unavailable("told to fail")),
            mood if mood == Mood::Hanging as u8 => std::future::pending().await,
            mood if mood == Mood::Stopped as u8 => Err(StoreError::unavailable(STOPPED)),
            _ => Err(StoreError::Corrupt { message: "page 7 of /srv/secret-path".into() }),
        }
    }
}

#[async_trait]
impl TaskStore for MoodyStore {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        self.check().await?;
        let mut holding = self.is_holding.subscribe();
        let _ = holding.wait_for(|is_holding| !is_holding).await;
        self.inner.insert(tasks).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.check().await?;
        self.inner.get(id, part).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.check().await?;
        self.lists.fetch_add(1, Ordering::SeqCst);
        assert!(!self.is_panicking.load(Ordering::SeqCst), "told to panic");
        if self.is_listless.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("told to list nothing"));
        }
        self.inner.list(query).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        self.check().await?;
        self.inner.claim(request).await
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.check().await?;
        self.inner.heartbeat(lease_for, beats).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        self.check().await?;
        self.inner.settle(settlements).await
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.check().await?;
        self.inner.cancel(id).await
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.check().await?;
        self.inner.rescue(limit).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        self.check().await?;
        self.inner.prune(retention, limit).await
    }

    fn changes(&self, topic: Topic) -> Changes {
        if self.is_mute.load(Ordering::SeqCst) {
            Changes::never()
        } else {
            self.inner.changes(topic)
        }
    }
}
