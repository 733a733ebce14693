//! How many tasks of somebody wait, as far as is known: pure bookkeeping.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// How long a count is good while the cap is far.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How long a count is good that says no.
const REFUSE_FOR: Duration = Duration::from_secs(1);

/// How many tasks wait, as far as is known.
///
/// What is under way may or may not be in what the store says. It counts on top: so the cap may
/// be kept too early, for as long as a count is good, and never too late.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// What the store said, and when.
    found: Option<(u64, Instant)>,
    /// What was let in since, or was under way then.
    since: u64,
    /// What was let in and is not known to be in the store, nor not to be.
    under_way: u64,
    /// What went away without an answer since the store was asked last. It may yet come in.
    lost: u64,
    /// What was let in, or was under way, while the store was being asked.
    meanwhile: u64,
    /// Somebody asks the store, and tells here whether it answered.
    asking: Option<watch::Receiver<Option<bool>>>,
}

/// What a count says about one more task.
pub(super) enum Verdict {
    In,
    Full,
    /// Nobody knows: ask the store, and tell the others whether it answered.
    Ask(watch::Sender<Option<bool>>),
    /// Nobody knows, and somebody asks already.
    Wait(watch::Receiver<Option<bool>>),
}

/// What became of a task that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Taken,
    Refused,
    /// Nobody said.
    Unknown,
}

impl Count {
    pub(super) fn judge(&mut self, max: u64, now: Instant) -> Verdict {
        let verdict = match (self.found, &self.asking) {
            (None, Some(asking)) => Verdict::Wait(asking.clone()),
            // What was known before is good enough till then.
            (Some((found, _)), Some(_)) if !self.is_full(found, max) => Verdict::In,
            (Some(_), Some(_)) => Verdict::Full,
            (Some(_), None) if self.is_known_full(max, now) => Verdict::Full,
            (Some((found, at)), None) if !self.is_full(found, max) && now - at < COUNT_EVERY => {
                Verdict::In
            }
            (Some(_) | None, None) => {
                let (tell, asking) = watch::channel(None);
                self.asking = Some(asking);
                Verdict::Ask(tell)
            }
        };
        match verdict {
            Verdict::In => self.let_in(),
            Verdict::Ask(_) => {
                self.meanwhile = self.under_way.saturating_add(self.lost);
                self.lost = 0;
            }
            Verdict::Full | Verdict::Wait(_) => {}
        }
        verdict
    }

    /// Returns whether there is no room, as a count says that is still good.
    pub(super) fn is_known_full(&self, max: u64, now: Instant) -> bool {
        let is_good = |at: Instant| self.asking.is_some() || now - at < REFUSE_FOR;
        self.found.is_some_and(|(found, at)| is_good(at) && self.is_full(found, max))
    }

    const fn is_full(&self, found: u64, max: u64) -> bool {
        found.saturating_add(self.since) >= max
    }

    /// Counts one more task, whether or not it is known how many there are.
    pub(super) const fn let_in(&mut self) {
        self.under_way += 1;
        self.since += 1;
        self.meanwhile += 1;
    }

    /// Takes in what became of one that was let in.
    pub(super) const fn settle(&mut self, fate: Fate) {
        self.under_way = self.under_way.saturating_sub(1);
        match fate {
            Fate::Taken => {}
            Fate::Refused => {
                self.since = self.since.saturating_sub(1);
                self.meanwhile = self.meanwhile.saturating_sub(1);
            }
            Fate::Unknown => self.lost += 1,
        }
    }

    /// Takes in what the store said.
    pub(super) const fn learn(&mut self, found: u64, now: Instant) {
        self.found = Some((found, now));
        self.since = self.meanwhile;
    }

    /// Whoever asked does not any more.
    pub(super) fn ask_no_more(&mut self) {
        self.asking = None;
    }
}
