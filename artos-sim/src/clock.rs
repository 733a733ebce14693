//! Clocks of the simulated machines: they follow tokio's paused time, and can be set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use artos_core::{Clock, Timestamp};
use tokio::time::Instant;

/// What clocks show when a run starts: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;

/// A clock that can be set forward and back. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct SimClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    /// By how many microseconds it is ahead of the true time.
    ahead: AtomicI64,
    /// The latest time it has been set back from, or was set to.
    latest: AtomicI64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        let (ahead, latest) = (AtomicI64::new(0), AtomicI64::new(START));
        Self(Arc::new(Inner { origin: Instant::now(), ahead, latest }))
    }

    /// Returns how long the run has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.origin.elapsed()
    }

    fn micros(&self) -> i64 {
        let elapsed = i64::try_from(self.elapsed().as_micros()).unwrap_or(i64::MAX);
        START.saturating_add(elapsed).saturating_add(self.0.ahead.load(Ordering::Relaxed))
    }

    /// Sets the clock forward, or back.
    pub(crate) fn jump(&self, micros: i64) {
        self.0.latest.fetch_max(self.micros(), Ordering::Relaxed);
        self.0.ahead.fetch_add(micros, Ordering::Relaxed);
        self.0.latest.fetch_max(self.micros(), Ordering::Relaxed);
    }

    /// Sets the clock to the latest time it has ever shown, so that nothing lies further ahead than
    /// it did when it was written.
    pub(crate) fn heal(&self) {
        let behind = self.0.latest.load(Ordering::Relaxed).saturating_sub(self.micros());
        if behind > 0 {
            self.0.ahead.fetch_add(behind, Ordering::Relaxed);
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros())
    }
}
