//! Why an attempt, or a task, went wrong.

use std::fmt;

use super::{Name, Timestamp};

/// Why the last attempt of a task went wrong. Of a failed task: why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What sort of thing happened.
    pub cause: FailureCause,
    /// The stage it happened in; `None` if the task never reached one.
    pub stage: Option<Name>,
    /// The attempt it happened in, from 1.
    pub attempt: u32,
    /// What happened, for a person to read.
    pub message: String,
    /// When the store took the failure in, by the store's clock. Of an unknown kind or stage, or a
    /// payload that nobody reads: when that was first found out.
    pub at: Timestamp,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stage) = &self.stage {
            write!(f, "stage {stage}, attempt {}: ", self.attempt)?;
        }
        f.write_str(&self.message)
    }
}

/// What sort of thing made an attempt fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// The stage returned an error that another attempt may cure.
    Error,
    /// The stage returned an error that no attempt can cure.
    Fatal,
    /// The stage panicked.
    Panic,
    /// The attempt ran longer than the stage allows.
    Timeout,
    /// Leases of this stage lapsed without an answer: the process died, or lost its store, every
    /// time.
    LeaseLost,
    /// The stored payload does not decode into the type the stage takes, in any process that
    /// claimed the task.
    Undecodable,
    /// The stage's output cannot be stored: it does not encode, or is larger than the limit.
    Unstorable,
    /// No runtime that claimed the task knows its kind.
    UnknownKind,
    /// The pipeline no longer has the stage the task was checkpointed at.
    UnknownStage,
    /// The stage snoozed, or was interrupted, more often than its policy allows.
    NeverFinished,
    /// The task's deadline passed.
    Expired,
}

impl FailureCause {
    /// All causes.
    pub const ALL: [Self; 11] = [
        Self::Error,
        Self::Fatal,
        Self::Panic,
        Self::Timeout,
        Self::LeaseLost,
        Self::Undecodable,
        Self::Unstorable,
        Self::UnknownKind,
        Self::UnknownStage,
        Self::NeverFinished,
        Self::Expired,
    ];

    /// Returns whether the task only waits for a process that knows its kind and stage, and reads
    /// its payload.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::UnknownKind | Self::UnknownStage | Self::Undecodable)
    }

    /// Returns whether no further attempt can cure it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Error | Self::Panic | Self::Timeout | Self::LeaseLost)
    }

    /// Returns the cause's name, as stores and logs spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Fatal => "fatal",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::LeaseLost => "lease_lost",
            Self::Undecodable => "undecodable",
            Self::Unstorable => "unstorable",
            Self::UnknownKind => "unknown_kind",
            Self::UnknownStage => "unknown_stage",
            Self::NeverFinished => "never_finished",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
