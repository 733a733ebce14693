//! The one place where a rig reads the machine's clock: it measures and limits real time.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a rig breaks things at moments of real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A time after which something has taken too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(now() + time)
    }

    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// Waits for a moment between two looks at something nobody tells of.
pub(crate) fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
