//! What the checker found, and which invariant it breaks.

use std::fmt;

/// What must stay true whatever happens. The numbers are those of `docs/RELIABILITY.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// I1: an acknowledged submission is never lost, and nothing appears that was not submitted.
    Kept,
    /// I2: a task ends at most once, and neither its state nor its output changes after that.
    EndsOnce,
    /// I3: nothing is accepted from a lease that no longer counts, and no lease is given twice.
    Fenced,
    /// I4: checkpoints never go back, and a stage whose checkpoint was acknowledged never runs
    /// again.
    Forward,
    /// I5: an attempt is charged exactly once, and there are never more than the policy allows.
    Attempts,
    /// I6: once faults stop, every task becomes terminal within a bound.
    Ends,
    /// I7: an idempotency key stands for one task.
    OneForKey,
    /// I8: no task starts before its time.
    NotEarly,
    /// I9: a store opens again, or says with a typed error why not; it never panics or hangs.
    Opens,
    /// I10: a task whose cancel was acknowledged is not started again, and never completes unless
    /// it was running.
    Cancels,
    /// I11: payloads are what was submitted and settled, byte for byte.
    Intact,
    /// I12: a store that failed acknowledges nothing any more.
    Stops,
}

impl Invariant {
    /// All invariants.
    pub const ALL: [Self; 12] = [
        Self::Kept,
        Self::EndsOnce,
        Self::Fenced,
        Self::Forward,
        Self::Attempts,
        Self::Ends,
        Self::OneForKey,
        Self::NotEarly,
        Self::Opens,
        Self::Cancels,
        Self::Intact,
        Self::Stops,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Kept => "I1 kept",
            Self::EndsOnce => "I2 ends once",
            Self::Fenced => "I3 fenced",
            Self::Forward => "I4 forward",
            Self::Attempts => "I5 attempts",
            Self::Ends => "I6 ends",
            Self::OneForKey => "I7 one for a key",
            Self::NotEarly => "I8 not early",
            Self::Opens => "I9 opens",
            Self::Cancels => "I10 cancels",
            Self::Intact => "I11 intact",
            Self::Stops => "I12 stops",
        };
        f.pad(text)
    }
}

/// Something that cannot be, and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it breaks.
    pub invariant: Invariant,
    /// What was found, and what was expected.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.message)
    }
}
