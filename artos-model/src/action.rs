//! What may happen next, and what is written.

use artos_core::model::OutcomeKind;

use crate::row::Row;

/// A write on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub(crate) task: u8,
    pub(crate) held: Held,
    pub(crate) write: Write,
}

/// A lease as a worker holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Held {
    /// What the worker shows.
    pub(crate) epoch: u8,
    /// Whether another lease was given since: witnesses know, whatever the epoch says.
    pub(crate) over: bool,
}

impl Held {
    /// Any lease of an earlier epoch.
    pub(crate) const LONG_AGO: Self = Self { epoch: 0, over: true };

    /// Returns whether this is the live lease of a task.
    pub(crate) fn is_live(self, row: &Row) -> bool {
        row.is_live(self.epoch) && !self.over
    }
}

/// What a worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Write {
    /// A heartbeat.
    Beat,
    /// A stage succeeded and another follows.
    Advance {
        /// The stage that ended.
        from: u8,
    },
    /// The last stage succeeded.
    Complete,
    /// An attempt failed.
    Retry,
    /// A stage waits for something, which costs no attempt.
    Snooze,
    /// The task failed for good.
    Fail,
    /// The worker stopped, as it was asked to.
    Cancel,
    /// A shutdown hands the task back.
    Interrupt,
}

impl Write {
    pub(crate) const fn outcome(self) -> Option<(OutcomeKind, u8)> {
        match self {
            Self::Beat => None,
            Self::Advance { from } => Some((OutcomeKind::Advance, from)),
            Self::Complete => Some((OutcomeKind::Complete, 0)),
            Self::Retry => Some((OutcomeKind::Retry, 0)),
            Self::Snooze => Some((OutcomeKind::Snooze, 0)),
            Self::Fail => Some((OutcomeKind::Fail, 0)),
            Self::Cancel => Some((OutcomeKind::Cancel, 0)),
            Self::Interrupt => Some((OutcomeKind::Interrupt, 0)),
        }
    }
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A worker claims a task; it may not hear that it did.
    Claim {
        /// Who.
        worker: u8,
        /// Which task.
        task: u8,
        /// Whether the answer arrives.
        heard: bool,
    },
    /// A worker sends a write, for the first time or again.
    Send {
        /// Who.
        worker: u8,
        /// What.
        message: Message,
    },
    /// A write arrives; it may arrive again, and its answer may be lost.
    Arrive {
        /// What.
        message: Message,
        /// Whether it stays under way.
        again: bool,
        /// Whether the answer arrives.
        heard: bool,
    },
    /// A write of a lease that ended long ago arrives.
    ArriveLate {
        /// To which task.
        task: u8,
        /// What.
        write: Write,
    },
    /// A write never arrives.
    Lose {
        /// What.
        message: Message,
    },
    /// A worker forgets everything; what it sent is still under way.
    Crash {
        /// Who.
        worker: u8,
    },
    /// Somebody cancels a task.
    Cancel {
        /// Which.
        task: u8,
    },
    /// Somebody rescues a task whose lease lapsed.
    Rescue {
        /// Which.
        task: u8,
    },
    /// Time passes.
    Tick,
}
