//! A [`TaskStore`](artos_core::store::TaskStore) that keeps tasks in memory.
//!
//! It has the full semantics of a store (leases, checkpoints, idempotency keys, listings,
//! retention), so it is an honest double for tests and the speed reference for the other stores.
//!
//! **It promises nothing across the end of the process.** An acknowledged task is lost when the
//! process ends, for whatever reason. Use a durable store for work that matters.
//!
//! # Examples
//!
//! ```
//! use artos_core::{SystemClock, store::TaskStore};
//! use artos_store_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), artos_core::store::StoreError> {
//! let store = MemoryStore::default();
//! let same_store = store.clone();
//! assert!(same_store.list(&Default::default()).await?.tasks.is_empty());
//!
//! // A test hands in a clock that it controls.
//! let _with_clock = MemoryStore::with_clock(SystemClock);
//! # Ok(())
//! # }
//! ```

mod index;
mod listing;
mod names;
mod news;
mod shelf;
mod store;
mod stored;
mod tables;
mod timeline;

pub use store::MemoryStore;
