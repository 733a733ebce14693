//! The right to run one task until a time, and the number that tells leases apart.

use std::fmt;

use super::{TaskId, Timestamp, WorkerId};

/// Counts the leases of one task. It grows with every claim and every rescue, and never shrinks.
///
/// A snooze gives its attempt back, so attempt numbers repeat; only the epoch can tell an old lease
/// from a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Returns the epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a worker shows with every write: which task, and under which epoch it was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// The leased task.
    pub task_id: TaskId,
    /// The epoch the claim gave.
    pub epoch: Epoch,
}

/// Who holds the lease of a running task, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The worker that claimed the task.
    pub worker: WorkerId,
    /// From this time on the lease counts for nothing, by the store's clock.
    pub expires_at: Timestamp,
}
