//! Hand-written concurrent parts of the core and the stores, in every order in which threads can
//! meet.
//!
//! `build.rs` copies them, as they are and with mistakes planted. Here they are
//! compiled with locks, counters and channels of [`shuttle`], which lets another thread go on at
//! each of their uses, at random or so that rare orders come up. A thread that waits for ever is
//! noticed, too.

#[cfg(test)]
mod model {
    pub(crate) use artos_core::model::{Lease, Name, TaskId};
}

#[cfg(test)]
mod store {
    pub(crate) use artos_core::store::{StoreError, StoreResult};
}

#[cfg(test)]
mod signals {
    use crate::sync::Arc;

    /// What a stage and its runtime say to each other plays no part in what is tested.
    #[derive(Default)]
    pub(crate) struct SignalHub;

    pub(crate) struct Signals;

    pub(crate) trait Signalled {
        #[expect(dead_code, reason = "what is copied implements it")]
        fn signals(&self) -> &Signals;
    }

    impl Signals {
        pub(crate) fn new(_: Arc<SignalHub>) -> Self {
            Self
        }

        pub(crate) fn stop(&self) {}
    }
}

#[cfg(test)]
mod spawn {
    pub(crate) use shuttle::future::yield_now as step_aside;

    pub(crate) struct Panicked;

    /// A panic ends a scenario, and nothing may catch it.
    pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
        Ok(future.await)
    }
}

#[cfg(test)]
mod sync {
    pub(crate) use shuttle::sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };
}

#[cfg(test)]
mod commits;
#[cfg(test)]
mod handover;
#[cfg(test)]
mod hints;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod remembered;
#[cfg(test)]
mod shutdowns;
#[cfg(test)]
mod slots;

/// What is behind the lock of the memory store; its files look for each other here.
#[cfg(test)]
use memory::{index, listing, names, news, shelf, stored, tables, timeline};

/// How often each scenario is run, in other orders each time.
#[cfg(test)]
const ORDERS: usize = 2_000;

/// Runs a scenario in many orders; panics if it does, or if it waits for ever, in one of them.
#[cfg(test)]
fn in_many_orders(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(scenario.clone(), ORDERS);
    // At most so many times somebody is made to wait who could go on: most mistakes need few.
    shuttle::check_pct(scenario, ORDERS, 3);
}

/// Makes sure that a planted mistake is noticed.
#[cfg(test)]
fn must_be_noticed(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        in_many_orders(scenario);
    }));
    assert!(noticed.is_err(), "the planted mistake was not noticed");
}
