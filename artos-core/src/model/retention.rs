//! How long terminal tasks are kept.

use std::time::Duration;

use super::TaskState;

/// How long a task is kept after it became terminal, by the state it ended in.
///
/// Default: 7 days for each. An idempotency key lives exactly as long as the task that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long completed tasks and their outputs are kept.
    pub completed: Duration,
    /// How long failed tasks are kept.
    pub failed: Duration,
    /// How long cancelled tasks are kept.
    pub cancelled: Duration,
}

impl Retention {
    /// Keeps every terminal task for `duration`.
    #[must_use]
    pub const fn all(duration: Duration) -> Self {
        Self { completed: duration, failed: duration, cancelled: duration }
    }

    /// Returns how long a task that ended in `state` is kept; `None` if the state is not terminal.
    #[must_use]
    pub const fn of(&self, state: TaskState) -> Option<Duration> {
        match state {
            TaskState::Pending | TaskState::Running => None,
            TaskState::Completed => Some(self.completed),
            TaskState::Failed => Some(self.failed),
            TaskState::Cancelled => Some(self.cancelled),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::all(Duration::from_secs(7 * 24 * 60 * 60))
    }
}
