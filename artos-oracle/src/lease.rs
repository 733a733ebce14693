//! One lease of a task, as far as it is known.

use artos_core::model::OutcomeKind;

use crate::{Digest, times::Times};

/// What is known of one epoch of a task: that it was claimed, or that a dump showed it.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    /// In which process it was claimed, counted by crashes.
    pub(crate) process: u64,
    /// When the claim was answered, in the order of events; `None` if only a dump showed it.
    pub(crate) claimed: Option<u64>,
    /// Where in its pipeline the task is under this lease.
    pub(crate) place: usize,
    /// The attempt that is charged there.
    pub(crate) attempt: u32,
    /// Whether the body of that stage was seen to start.
    pub(crate) has_started: bool,
    /// What that stage takes.
    pub(crate) payload: Option<Digest>,
    /// How the lease ended, if that was acknowledged.
    pub(crate) end: Option<OutcomeKind>,
    /// Attempts that were charged when the lease was over, if a dump showed it.
    pub(crate) charged: Option<u32>,
    /// Whether no stage ran under it, because nobody there knew it; then no attempt is charged.
    pub(crate) ran_nothing: bool,
    /// Whether a rescue ended it.
    pub(crate) is_rescued: bool,
    /// When it lapses.
    pub(crate) times: Times,
}

impl Lease {
    /// Returns between which numbers the attempts are that stay charged when this lease is over.
    pub(crate) fn charges(&self) -> (u32, u32) {
        let given_back = self.attempt.saturating_sub(1);
        match (self.charged, self.end) {
            (Some(charged), _) => (charged, charged),
            (None, Some(OutcomeKind::Retry)) if self.ran_nothing => (given_back, given_back),
            (None, Some(OutcomeKind::Retry)) => (self.attempt, self.attempt),
            (None, None) if self.is_rescued => (self.attempt, self.attempt),
            (None, Some(OutcomeKind::Snooze | OutcomeKind::Interrupt)) => (given_back, given_back),
            (None, _) => (given_back, self.attempt),
        }
    }

    /// Moves on to the next stage, as a checkpoint does.
    pub(crate) fn advance(&mut self, place: usize, payload: Option<Digest>) {
        self.place = place;
        self.attempt = 1;
        self.has_started = false;
        self.payload = payload;
    }
}
