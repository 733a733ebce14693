//! The memory store keeps the contract.

use artos_store_conformance::{ManualHarness, store_tests};
use artos_store_memory::MemoryStore;

store_tests!(|| async { ManualHarness::new(MemoryStore::with_clock) });
