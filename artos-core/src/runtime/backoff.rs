//! How the runtime's own loops wait out a store that does not answer.

use std::time::Duration;

use crate::{Random, RetryPolicy};

/// Waits that grow while a store is out, capped low: work must resume soon after it is back.
pub(super) struct OutageBackoff {
    policy: RetryPolicy,
    failures: u32,
}

impl OutageBackoff {
    pub(super) const fn new() -> Self {
        let policy = RetryPolicy::exponential(Duration::from_millis(100)).cap(CAP);
        Self { policy: policy.without_jitter(), failures: 0 }
    }

    /// Returns the next wait: half of it fixed, half drawn, so that runtimes do not come back as
    /// one and none comes back at once.
    pub(super) fn next(&mut self, random: &Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = self.policy.delay(self.failures, 1.0);
        wait.mul_f64(0.5 + random.fraction() / 2.0)
    }

    /// Returns whether the last call succeeded.
    pub(super) const fn is_reset(&self) -> bool {
        self.failures == 0
    }

    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}

const CAP: Duration = Duration::from_secs(2);
