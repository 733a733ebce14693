//! When a lease lapses, and what was asked in time; for stores whose clock is known exactly.
//!
//! Whatever is not certain is taken to be right: only a certain mistake is a finding.

use artos_core::model::OutcomeKind;

/// What is known of the times of one lease, in microseconds of the store's clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// It lasts at least until then; none is known once the clock has moved, for a heartbeat after
    /// that may have made the lease shorter.
    lasts: Option<u64>,
    /// It has lapsed by then, whatever became of what was not answered, wherever the clock went.
    lapsed_by: Option<u64>,
    tries: Vec<Try>,
    /// The task may not be leased again before that.
    pub(crate) due: Option<u64>,
}

/// A settlement that was asked for while the lease may have counted.
#[derive(Debug, Clone)]
struct Try {
    outcome: OutcomeKind,
    stage: Option<String>,
    at: u64,
}

impl Times {
    pub(crate) const fn given(until: u64) -> Self {
        Self { lasts: Some(until), lapsed_by: Some(until), tries: Vec::new(), due: None }
    }

    pub(crate) const fn at_most(until: u64) -> Self {
        Self { lasts: None, lapsed_by: Some(until), tries: Vec::new(), due: None }
    }

    /// Returns whether the lease had certainly lapsed.
    pub(crate) fn lapsed(&self, at: u64) -> bool {
        self.lapsed_by.is_some_and(|by| by <= at)
    }

    /// Returns until when the lease certainly counted, if that is later.
    pub(crate) fn lasts_after(&self, at: u64) -> Option<u64> {
        self.lasts.filter(|until| *until > at)
    }

    pub(crate) fn asked_to_extend(&mut self, at: u64, until: u64) {
        if !self.lapsed(at) {
            self.put_off(until);
        }
    }

    fn put_off(&mut self, until: u64) {
        self.lapsed_by = self.lapsed_by.map(|by| by.max(until));
    }

    pub(crate) fn extended(&mut self, until: u64) {
        self.lasts = Some(self.lasts.map_or(until, |known| known.max(until)));
        self.put_off(until);
    }

    /// Notes a settlement; returns whether it, or the same before it, was asked for in time.
    pub(crate) fn tried(&mut self, outcome: OutcomeKind, stage: Option<&str>, at: u64) -> bool {
        let is_same = |one: &Try| one.outcome == outcome && one.stage.as_deref() == stage;
        if !self.lapsed(at) {
            let stage = stage.map(String::from);
            self.tries.push(Try { outcome, stage, at });
            return true;
        }
        self.tries.iter().any(is_same)
    }

    /// Returns whether something may have ended the lease without an answer.
    pub(crate) fn may_have_ended(&self) -> bool {
        self.tries.iter().any(|one| one.outcome != OutcomeKind::Advance)
    }

    /// Notes that a settlement which makes the task wait was accepted.
    pub(crate) fn waits(&mut self, outcome: OutcomeKind, delay: u64) {
        let same = self.tries.iter().filter(|one| one.outcome == outcome);
        self.due = same.map(|one| one.at.saturating_add(delay)).min();
    }

    /// The clock moved.
    pub(crate) const fn clock_moved(&mut self) {
        self.lasts = None;
    }
}
