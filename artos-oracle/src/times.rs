//! When a lease lapses, and what was asked in time; for stores whose clock is known exactly.
//!
//! Whatever is not certain is taken to be right: only a certain mistake is a finding.

use artos_core::model::OutcomeKind;

/// What is known of the times of one lease, in microseconds of the store's clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// It lasts at least until then; none is known while the clock has moved.
    lasts: Option<u64>,
    /// It has lapsed by then, whatever became of what was not answered.
    lapsed_by: u64,
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
        Self { lasts: Some(until), lapsed_by: until, tries: Vec::new(), due: None }
    }

    /// Returns whether the lease had certainly lapsed.
    pub(crate) fn lapsed(&self, at: u64) -> bool {
        self.lasts.is_some() && self.lapsed_by <= at
    }

    /// Returns until when the lease certainly counted, if that is later.
    pub(crate) fn lasts_after(&self, at: u64) -> Option<u64> {
        self.lasts.filter(|until| *until > at)
    }

    pub(crate) fn asked_to_extend(&mut self, at: u64, until: u64) {
        if !self.lapsed(at) {
            self.lapsed_by = self.lapsed_by.max(until);
        }
    }

    pub(crate) fn extended(&mut self, until: u64) {
        self.lasts = Some(self.lasts.map_or(until, |known| known.max(until)));
        self.lapsed_by = self.lapsed_by.max(until);
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

    /// The clock moved: what was known of it says nothing any more.
    pub(crate) fn clock_moved(&mut self) {
        self.lasts = None;
        self.lapsed_by = 0;
    }
}
