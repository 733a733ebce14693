//! The suite also fits a store whose clock runs on its own, as a server's does.

use std::{sync::Arc, time::Duration};

use artos_core::{Clock, Timestamp, store::TaskStore};
use artos_store_conformance::{Harness, ManualClock, store_tests};
use artos_store_memory::MemoryStore;
use async_trait::async_trait;

/// Time that passes each time the clock is read.
const PACE: Duration = Duration::from_micros(1_300);

/// A clock that moves whenever somebody looks.
#[derive(Debug, Clone, Default)]
struct RunningClock(ManualClock);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        self.0.advance(PACE);
        self.0.now()
    }
}

struct RunningHarness {
    clock: RunningClock,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl Harness for RunningHarness {
    fn store(&self) -> Arc<dyn TaskStore> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        self.clock.0.advance(by);
    }

    async fn set_back(&self, by: Duration) {
        self.clock.0.set_back(by);
    }

    fn frozen_time(&self) -> Option<Timestamp> {
        None
    }
}

async fn open() -> RunningHarness {
    let clock = RunningClock::default();
    RunningHarness { store: Arc::new(MemoryStore::with_clock(clock.clone())), clock }
}

store_tests!(open);
