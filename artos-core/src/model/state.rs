//! Where a task is in its life.

use std::{fmt, str::FromStr};

/// Where a task is in its life.
///
/// There are five states and no shadow states: "scheduled" and "retrying" are sentences about a
/// pending task (its `run_at` and `attempt`), and a wish to cancel is a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Waits until `run_at` and a free worker. A claim moves it to `Running`, a cancel to
    /// `Cancelled`.
    Pending,
    /// Leased to a worker. A settle moves it onward; a lapsed lease is rescued to `Pending`.
    Running,
    /// Every stage succeeded. Terminal.
    Completed,
    /// A stage failed for good. Terminal.
    Failed,
    /// Cancelled before it completed. Terminal.
    Cancelled,
}

impl TaskState {
    /// All states, in the order of a task's life.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// Returns whether a task in this state may never change again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Returns the state's name in lower case, as logs and queries spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not the name of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a state: expected pending, running, completed, failed or cancelled")]
pub struct ParseStateError {
    found: String,
}

impl FromStr for TaskState {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, ParseStateError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParseStateError { found: text.chars().take(80).collect() })
    }
}
