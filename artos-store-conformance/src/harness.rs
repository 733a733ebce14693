//! What a store hands to the suite: itself, empty, and a way to let its time pass.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use artos_core::{Clock, Timestamp, store::TaskStore};
use async_trait::async_trait;
use futures::future::BoxFuture;

/// One empty store and its time.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Returns the store. Every call returns the same one.
    fn store(&self) -> Arc<dyn TaskStore>;

    /// Lets `by` pass on the store's clock: at least that much, and at most some seconds more.
    ///
    /// A store that tells time by a server's clock shifts an offset it adds to it.
    async fn advance(&self, by: Duration);

    /// Sets the store's clock back by `by`, as the correction of a clock that was ahead does.
    ///
    /// A store that tells time by a server's clock shifts the same offset the other way.
    async fn set_back(&self, by: Duration);

    /// Returns the store's time if it stands still unless it is moved with these methods;
    /// then random histories compare every timestamp exactly, and otherwise to the hour.
    fn frozen_time(&self) -> Option<Timestamp>;
}

/// Makes a harness around a new, empty store for each case.
pub struct HarnessFactory {
    open: Box<dyn Fn() -> BoxFuture<'static, Arc<dyn Harness>> + Send + Sync>,
}

impl HarnessFactory {
    /// Wraps an async function that opens a new, empty store.
    pub fn new<F, Opening, H>(open: F) -> Self
    where
        F: Fn() -> Opening + Send + Sync + 'static,
        Opening: Future<Output = H> + Send + 'static,
        H: Harness,
    {
        let open = move || -> BoxFuture<'static, Arc<dyn Harness>> {
            let opening = open();
            Box::pin(async move { Arc::new(opening.await) as Arc<dyn Harness> })
        };
        Self { open: Box::new(open) }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Harness> {
        (self.open)().await
    }
}

impl fmt::Debug for HarnessFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HarnessFactory")
    }
}

/// A clock that stands still until it is advanced. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    micros: Arc<AtomicI64>,
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let later = self.now() + by;
        self.micros.store(later.as_micros(), Ordering::SeqCst);
    }

    /// Sets the clock back.
    pub fn set_back(&self, by: Duration) {
        let earlier = self.now().before(by);
        self.micros.store(earlier.as_micros(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Starts on 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self { micros: Arc::new(AtomicI64::new(1_767_225_600_000_000)) }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

/// The harness of a store that takes a clock.
pub struct ManualHarness {
    clock: ManualClock,
    store: Arc<dyn TaskStore>,
}

impl ManualHarness {
    /// Opens a store with a clock that only the harness moves.
    pub fn new<S: TaskStore>(open: impl FnOnce(ManualClock) -> S) -> Self {
        let clock = ManualClock::default();
        Self { store: Arc::new(open(clock.clone())), clock }
    }
}

#[async_trait]
impl Harness for ManualHarness {
    fn store(&self) -> Arc<dyn TaskStore> {
        Arc::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn set_back(&self, by: Duration) {
        self.clock.set_back(by);
    }

    fn frozen_time(&self) -> Option<Timestamp> {
        Some(self.clock.now())
    }
}

impl fmt::Debug for ManualHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualHarness").field("store", &self.store).finish_non_exhaustive()
    }
}
