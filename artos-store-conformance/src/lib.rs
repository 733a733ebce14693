//! The contract of a [`TaskStore`](artos_core::store::TaskStore) as tests, for any store.
//!
//! [`store_tests!`] makes one test for each promise of the contract, so a store cannot skip one
//! silently. Each case gets a store of its own from a factory, which returns a [`Harness`]: the
//! store, and a way to let its time pass. For a store that takes a clock, [`ManualHarness`] is all
//! that is needed:
//!
//! ```
//! use artos_store_conformance::{ManualHarness, store_tests};
//! use artos_store_memory::MemoryStore;
//!
//! store_tests!(|| async { ManualHarness::new(MemoryStore::with_clock) });
//! # fn main() {}
//! ```
//!
//! A store whose clock is elsewhere, such as a database server's, implements [`Harness`] itself.
//! Cases let hours pass and tolerate that seconds pass on their own; they never compare the store's
//! clock with the machine's.
//!
//! Besides the named cases, random histories of operations are replayed against the store and
//! against a plain model made of [`artos_core::machine`], and every answer and record is compared.
//! `ARTOS_CONFORMANCE_CASES` sets how many histories (256 by default).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this crate is made of tests, and a test speaks by panicking"
)]

mod case;
mod cases;
mod harness;
mod histories;
mod list;
mod outcomes;
mod world;

pub use case::{Case, cases, run_case};
pub use harness::{Harness, HarnessFactory, ManualClock, ManualHarness};
