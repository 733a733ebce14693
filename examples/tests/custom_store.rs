//! The store of the example keeps the contract: this is all it takes to certify a store.

#[path = "../custom_store/store.rs"]
mod store;

use artos_store_conformance::{ManualHarness, store_tests};
use store::CustomStore;

store_tests!(|| async { ManualHarness::new(CustomStore::with_clock) });
