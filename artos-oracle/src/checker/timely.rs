//! Leases and waits, judged by a clock that is known exactly.

use artos_core::{TaskId, TaskState};

use super::Checker;
use crate::{Asks, Invariant, history::History, lease::Lease, times::Times};

impl Checker {
    /// Returns whether the times of leases that were asked for then are known exactly.
    pub(super) fn knows_times(&self, asked: u64) -> bool {
        self.rules.exact_clock && self.clock_moved.is_none_or(|moved| moved < asked)
    }

    pub(super) fn times_of(&self, asked: u64, until: u64) -> Times {
        match (self.rules.exact_clock, self.knows_times(asked)) {
            (true, true) => Times::given(until),
            (true, false) => Times::at_most(until),
            (false, _) => Times::default(),
        }
    }

    /// Notes what a question does to the times of a lease; returns whether it comes in time.
    pub(super) fn asks_in_time(&mut self, asks: &Asks, at: u64) -> bool {
        match asks {
            Asks::Heartbeat { task, epoch, lease_for } => {
                if let Some(lease) = self.lease_mut(task, epoch) {
                    lease.times.asked_to_extend(at, at.saturating_add(*lease_for));
                }
                true
            }
            Asks::Settle { task, epoch, outcome, stage, .. } => self
                .lease_mut(task, epoch)
                .is_none_or(|lease| lease.times.tried(*outcome, stage.as_deref(), at)),
            _ => true,
        }
    }

    fn lease_mut(&mut self, task: &TaskId, epoch: &u64) -> Option<&mut Lease> {
        self.tasks.get_mut(task)?.leases.get_mut(epoch)
    }

    /// Checks that a task was not leased before its wait was over, or another lease was.
    pub(super) fn too_early(
        &self,
        history: &History,
        epoch: u64,
        at: u64,
    ) -> Vec<(Invariant, String)> {
        let Some((before, lease)) = history.before(epoch).filter(|_| self.rules.exact_clock) else {
            return Vec::new();
        };
        let id = history.submitted.id;
        let mut problems = Vec::new();
        if let Some(due) = lease.times.due.filter(|due| *due > at) {
            let message = format!("task {id} was to wait, and was leased {} us early", due - at);
            problems.push((Invariant::NotEarly, message));
        }
        if let Some(lasts) = lease.times.lasts_after(at)
            && !lease.is_rescued
            && !lease.times.may_have_ended()
        {
            let left = lasts - at;
            let message = format!(
                "task {id} was leased as epoch {epoch} while epoch {before} lasted for {left} us"
            );
            problems.push((Invariant::Fenced, message));
        }
        problems
    }

    /// Checks that a lease that was extended had not lapsed.
    pub(super) fn extended(&mut self, id: TaskId, epoch: u64, asked: u64, (at, until): (u64, u64)) {
        let knows_times = self.knows_times(asked);
        let history = self.tasks.get_mut(&id);
        let Some(lease) = history.and_then(|history| history.leases.get_mut(&epoch)) else {
            return;
        };
        let lapsed = lease.times.lapsed(at);
        if knows_times {
            lease.times.extended(until);
        }
        if lapsed {
            let message = format!("a heartbeat of task {id} revived epoch {epoch}, which lapsed");
            self.find(Invariant::Fenced, message);
        }
    }

    pub(super) fn rescued(&mut self, id: TaskId, asked: u64, at: u64) {
        let now = self.now;
        let Some(history) = self.tasks.get_mut(&id) else {
            return;
        };
        history.rescues.push((asked, now));
        let Some((epoch, lease)) = history.leases.last_key_value() else {
            return;
        };
        if lease.claimed.is_none_or(|claimed| claimed >= asked) {
            // It may have been given after the rescue, which then took back the one before.
            return;
        }
        let (epoch, lasts) = (*epoch, lease.times.lasts_after(at));
        if let Some(lease) = history.leases.get_mut(&epoch) {
            lease.is_rescued = lease.end.is_none();
        }
        if let Some(lasts) = lasts {
            let early = lasts - at;
            let message = format!("task {id} was rescued {early} us before epoch {epoch} lapsed");
            self.find(Invariant::Fenced, message);
        }
    }

    /// Checks that something was refused under a lease that may not have counted.
    pub(super) fn refused(&mut self, id: TaskId, epoch: u64, at: u64, what: &str) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let last = task.leases.last_key_value();
        let Some((_, lease)) = last.filter(|(last, _)| **last == epoch) else {
            return;
        };
        // With a wish to cancel, a checkpoint may have ended it, too.
        let is_over = lease.is_rescued
            || lease.end.is_some()
            || lease.times.may_have_ended()
            || task.may_have_ended.contains_key(&TaskState::Cancelled);
        if let Some(lasts) = lease.times.lasts_after(at)
            && !is_over
        {
            let left = lasts - at;
            let message =
                format!("{what} of task {id} was refused, and epoch {epoch} lasted for {left} us");
            self.find(Invariant::Fenced, message);
        }
    }
}
