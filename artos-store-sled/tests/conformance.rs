//! The sled store keeps the contract.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::{sync::Arc, time::Duration};

use artos_core::{Clock as _, Timestamp, store::TaskStore};
use artos_store_conformance::{Harness, ManualClock, store_tests};
use artos_store_sled::{Durability, SledStore};
use async_trait::async_trait;
use tempfile::TempDir;

struct SledHarness {
    store: Arc<SledStore>,
    clock: ManualClock,
    // Dropped last: the store has to be closed before its folder goes.
    _folder: TempDir,
}

impl SledHarness {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        // What the contract says does not depend on how durable a change is.
        let builder = SledStore::builder(folder.path().join("store"));
        let store = builder.durability(Durability::Process).clock(clock.clone()).open().unwrap();
        Self { store: Arc::new(store), clock, _folder: folder }
    }
}

#[async_trait]
impl Harness for SledHarness {
    fn store(&self) -> Arc<dyn TaskStore> {
        Arc::<SledStore>::clone(&self.store)
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

store_tests!(|| async { SledHarness::new() });
