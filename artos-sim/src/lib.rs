//! Deterministic simulation: the production core under every fault, on one thread, from one seed.
//!
//! A run has two to eight runtimes of `artos-core`, those who use them, and one store, on one
//! thread with paused time. Every call to the store may fail, be lost, come late, twice or by half;
//! runtimes die and are replaced, the store's machine loses what was not durable, clocks are set.
//! Then nothing goes wrong any more, and everything has to end within a bound. One seed decides all
//! of it, so the same seed is the same run, to the byte.

mod base;
mod clock;
mod crowd;
mod durable;
mod fate;
mod fleet;
mod journal;
mod link;
mod node;
mod options;
mod overrides;
mod remote;
mod report;
mod run;
mod shrink;
mod story;
mod work;
mod world;

use std::sync::Arc;

use artos_store_memory::MemoryStore;

pub use base::Base;
pub use clock::SimClock;
pub use fleet::{Amount, Fleet};
pub use options::{Chaos, Options, UnknownChaos};
pub use overrides::Overrides;
pub use report::Report;
pub use run::{Keep, MakeStore, Outcome, run};
pub use shrink::{shrink, tell};

/// Makes the store that is simulated unless another is asked for.
#[must_use]
pub fn memory(clock: SimClock) -> Arc<dyn Base> {
    Arc::new(MemoryStore::with_clock(clock))
}
