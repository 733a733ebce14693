//! The Postgres store keeps the contract.

mod fixture;

use std::{sync::Arc, time::Duration};

use artos_core::{Timestamp, store::TaskStore};
use artos_store_conformance::{Harness, store_tests};
use artos_store_postgres::PostgresStore;
use async_trait::async_trait;

use fixture::Schema;

struct PostgresHarness {
    store: Arc<PostgresStore>,
    schema: Schema,
}

impl PostgresHarness {
    async fn new() -> Self {
        let schema = Schema::new();
        let store = schema.connect().await;
        Self { store: Arc::new(store), schema }
    }
}

#[async_trait]
impl Harness for PostgresHarness {
    fn store(&self) -> Arc<dyn TaskStore> {
        Arc::<PostgresStore>::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        self.schema.advance(by).await;
    }

    async fn set_back(&self, by: Duration) {
        self.schema.set_back(by).await;
    }

    fn frozen_time(&self) -> Option<Timestamp> {
        None
    }
}

store_tests!(PostgresHarness::new);
