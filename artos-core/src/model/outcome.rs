//! Every way an attempt can end.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::{Failure, Lease, Name, NewTask, Progress};

/// Every way an attempt can end. There is no other.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The stage succeeded and another follows. The task stays running under the same lease.
    Advance(Checkpoint),
    /// The last stage succeeded.
    Complete {
        /// The task's output.
        output: Bytes,
    },
    /// The attempt failed and another may help: pending again after `delay`.
    Retry {
        /// What went wrong.
        failure: Failure,
        /// The backoff. Zero: at once.
        delay: Duration,
    },
    /// The stage asked to wait without spending its attempt: pending again after `delay`.
    Snooze {
        /// How long to wait.
        delay: Duration,
    },
    /// The task failed for good.
    Fail {
        /// What went wrong.
        failure: Failure,
    },
    /// The stage stopped because it, or somebody, cancelled the task.
    Cancel,
    /// The runtime hands the task back unfinished, without spending the attempt: pending at once.
    Interrupt,
}

/// A finished stage's output, together with the stage that takes it: the place to go on from.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The stage that finished, exactly as the record named it: `None` for a task that had no
    /// checkpoint yet. It is a second fence: a repeated write can never checkpoint twice.
    pub from: Option<Name>,
    /// The stage that comes next.
    pub stage: Name,
    /// The output of the finished stage, which is the input of the next.
    pub payload: Bytes,
    /// Where the task now stands.
    pub progress: Progress,
}

/// Which [`Outcome`] it was, without its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// [`Outcome::Advance`].
    Advance,
    /// [`Outcome::Complete`].
    Complete,
    /// [`Outcome::Retry`].
    Retry,
    /// [`Outcome::Snooze`].
    Snooze,
    /// [`Outcome::Fail`].
    Fail,
    /// [`Outcome::Cancel`].
    Cancel,
    /// [`Outcome::Interrupt`].
    Interrupt,
}

impl OutcomeKind {
    /// All kinds of outcome.
    pub const ALL: [Self; 7] = [
        Self::Advance,
        Self::Complete,
        Self::Retry,
        Self::Snooze,
        Self::Fail,
        Self::Cancel,
        Self::Interrupt,
    ];

    /// Returns the outcome's name in lower case, as stores and logs spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Complete => "complete",
            Self::Retry => "retry",
            Self::Snooze => "snooze",
            Self::Fail => "fail",
            Self::Cancel => "cancel",
            Self::Interrupt => "interrupt",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Outcome {
    /// Returns which outcome this is.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Advance(_) => OutcomeKind::Advance,
            Self::Complete { .. } => OutcomeKind::Complete,
            Self::Retry { .. } => OutcomeKind::Retry,
            Self::Snooze { .. } => OutcomeKind::Snooze,
            Self::Fail { .. } => OutcomeKind::Fail,
            Self::Cancel => OutcomeKind::Cancel,
            Self::Interrupt => OutcomeKind::Interrupt,
        }
    }

    /// Returns the bytes the store has to keep with this outcome: a checkpoint or an output.
    #[must_use]
    pub const fn payload(&self) -> Option<&Bytes> {
        match self {
            Self::Advance(checkpoint) => Some(&checkpoint.payload),
            Self::Complete { output } => Some(output),
            _ => None,
        }
    }
}

/// One attempt's end, as a worker reports it: under which lease, what happened, what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The lease the attempt ran under.
    pub lease: Lease,
    /// How it ended.
    pub outcome: Outcome,
    /// Tasks to insert in the same atomic step. They exist if and only if the outcome was applied.
    pub follow_ups: Vec<NewTask>,
}
