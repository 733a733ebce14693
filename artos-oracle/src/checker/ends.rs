//! Settlements, cancels, and what a lease has to go on from.

use artos_core::{TaskId, TaskState, model::OutcomeKind};

use super::{Checker, Step};
use crate::{
    Answer, Digest, Invariant,
    history::{Ended, History},
};

impl Checker {
    /// Checks that something was accepted under a lease that counted.
    pub(super) fn accepted(&mut self, id: TaskId, epoch: u64, asked: u64, what: &str) {
        if self.is_of_before_it_went(id, asked) {
            return;
        }
        let Some(history) = self.tasks.get(&id) else {
            self.find(Invariant::Kept, format!("{what} of task {id}, which nobody submitted"));
            return;
        };
        let was_given = history.leases.get(&epoch).is_some_and(|lease| lease.claimed.is_some());
        let why = match history.why_stale(epoch, asked) {
            None if was_given => return,
            None => String::from("that epoch was never given"),
            Some(why) => why,
        };
        let message = format!("{what} of task {id} was accepted under epoch {epoch}: {why}");
        self.find(Invariant::Fenced, message);
    }

    /// Returns whether a task was pruned between this answer and its event: a worker that was
    /// frozen tells late what it was told in time. What is asked about it later is never accepted.
    pub(super) fn is_of_before_it_went(&self, id: TaskId, asked: u64) -> bool {
        self.gone.get(&id).is_some_and(|gone| asked < *gone)
    }

    pub(super) fn settled(&mut self, step: &Step, state: TaskState, asked: u64) {
        let (id, epoch, outcome) = (step.task, step.epoch, step.outcome);
        self.accepted(id, epoch, asked, outcome.as_str());
        let Some(history) = self.tasks.get_mut(&id) else {
            return;
        };
        let kind = history.submitted.kind.clone();
        let was_cancelled = history.may_have_ended.contains_key(&TaskState::Cancelled);
        let mut problems = Vec::new();
        if let Some(lease) = history.leases.get_mut(&epoch) {
            if lease.end.is_some_and(|end| end != outcome) {
                let end = lease.end.map_or("", OutcomeKind::as_str);
                let message =
                    format!("epoch {epoch} of task {id} ended with {end}, then with {outcome}");
                problems.push((Invariant::Fenced, message));
            }
            if outcome == OutcomeKind::Advance {
                match self.rules.place(&kind, step.stage.as_deref()) {
                    Some(place)
                        if place == lease.place + 1
                            || (self.rules.may_skip && place > lease.place) =>
                    {
                        lease.advance(place, step.payload);
                    }
                    // Sent again.
                    Some(place) if place == lease.place => {}
                    place => {
                        let message = format!(
                            "task {id} was at place {}, and an advance to {place:?} was accepted",
                            lease.place
                        );
                        problems.push((Invariant::Forward, message));
                    }
                }
            } else {
                lease.end = Some(outcome);
                lease.ran_nothing = step.is_unknown;
                if matches!(outcome, OutcomeKind::Retry | OutcomeKind::Snooze) {
                    lease.times.waits(outcome, step.delay);
                }
            }
            if self.rules.exact_clock && !step.is_in_time {
                let message =
                    format!("{outcome} of task {id} was accepted after epoch {epoch} had lapsed");
                problems.push((Invariant::Fenced, message));
            }
        }
        if !is_answer_of(outcome, state, was_cancelled) {
            let message = format!("{outcome} of task {id} was answered with {state}");
            problems.push((Invariant::EndsOnce, message));
        }
        for (invariant, message) in problems {
            self.find(invariant, message);
        }
        if state.is_terminal() {
            let output = (outcome == OutcomeKind::Complete).then_some(step.payload).flatten();
            self.ends(id, Ended { state, output, by: Some(epoch) });
        }
        for follow_up in &step.follow_ups {
            self.inserted(*follow_up);
        }
    }

    /// Takes in that a settlement was refused.
    pub(super) fn stale(&mut self, step: &Step) {
        let (id, epoch, outcome) = (step.task, step.epoch, step.outcome);
        // A store that sends a settlement again, because it heard nothing, may find the task gone
        // that it had ended the first time.
        let may_be_gone = self.tasks.get(&id).is_none_or(|task| self.may_be_pruned(task));
        for follow_up in step.follow_ups.iter().filter(|_| !may_be_gone) {
            if let Some(history) = self.tasks.get_mut(follow_up) {
                history.follow_up.1 += 1;
            }
        }
        let Some(history) = self.tasks.get(&id) else {
            return;
        };
        let lease = history.leases.get(&epoch);
        let is_recorded = lease.is_some_and(|lease| lease.end == Some(outcome))
            && history.ended.is_some_and(|ended| ended.by == Some(epoch))
            && !self.may_be_pruned(history);
        if is_recorded {
            let message =
                format!("{outcome} of task {id} under epoch {epoch} was recorded, then refused");
            self.find(Invariant::EndsOnce, message);
        }
    }

    /// Notes that a task ended, and checks that it ended so before if it did.
    pub(super) fn ends(&mut self, id: TaskId, now: Ended) {
        let event = self.now;
        let Some(history) = self.tasks.get_mut(&id) else {
            return;
        };
        let Some(before) = history.ended else {
            history.ended = Some(now);
            history.ended_since = Some(event);
            self.tally.ended += 1;
            return;
        };
        let is_other =
            |one: Option<u64>, two: Option<u64>| one.zip(two).is_some_and(|(a, b)| a != b);
        let completed = TaskState::Completed;
        if before.state != now.state {
            let cancelled = before.state == TaskState::Cancelled && now.state == completed;
            let invariant = if cancelled { Invariant::Cancels } else { Invariant::EndsOnce };
            let message = format!("task {id} had ended as {}, now as {}", before.state, now.state);
            self.find(invariant, message);
        } else if before.output.zip(now.output).is_some_and(|(before, now)| before != now) {
            let message = format!("task {id} had another output: {before:?}, then {now:?}");
            self.find(Invariant::EndsOnce, message);
        } else if now.state == completed && is_other(before.by, now.by) {
            let message = format!("task {id} was completed twice: {before:?}, then {now:?}");
            self.find(Invariant::EndsOnce, message);
        } else {
            history.ended = Some(Ended {
                state: now.state,
                output: before.output.or(now.output),
                by: before.by.or(now.by),
            });
        }
    }

    pub(super) fn cancelled(&mut self, answer: &Answer) {
        match answer {
            Answer::CancelledNow { task } => {
                let now = Ended { state: TaskState::Cancelled, output: None, by: None };
                self.inserted(*task);
                self.ends(*task, now);
            }
            Answer::CancelRequested { task } => {
                self.inserted(*task);
                if let Some(history) = self.tasks.get_mut(task) {
                    history.cancel_requested.get_or_insert(self.now);
                }
            }
            Answer::AlreadyTerminal { task, state } => {
                self.inserted(*task);
                self.ends(*task, Ended { state: *state, output: None, by: None });
            }
            Answer::NoSuchTask { task } => {
                let Some(history) = self.tasks.get(task) else {
                    return;
                };
                if history.is_inserted && !self.may_be_pruned(history) {
                    let message =
                        format!("task {task} was acknowledged, and could not be found to cancel");
                    self.find(Invariant::Kept, message);
                }
            }
            _ => {}
        }
    }

    /// Checks that a new lease goes on where the last one had brought the task.
    pub(super) fn continues(
        &self,
        history: &History,
        epoch: u64,
        (place, attempt): (usize, u32),
        payload: Option<Digest>,
    ) -> Vec<(Invariant, String)> {
        let id = history.submitted.id;
        let start = self.rules.place(&history.submitted.kind, history.submitted.stage.as_deref());
        let start = start.unwrap_or(0);
        let submitted = history.submitted.checkpoint.unwrap_or(history.submitted.input);
        let (since, before, charged, expected) = match history.before(epoch) {
            // A rescue raises the epoch and charges nothing.
            Some((since, lease)) if lease.is_rescued && epoch > since + 1 => {
                (since + 1, lease.place, lease.charges(), lease.payload)
            }
            Some((since, lease)) => (since, lease.place, lease.charges(), lease.payload),
            None => (0, start, (0, 0), Some(submitted)),
        };
        let leases = u32::try_from(epoch - since).unwrap_or(u32::MAX);
        let mut problems = Vec::new();
        if place < before {
            let message = format!("task {id} was at place {before}, and is at {place}");
            return vec![(Invariant::Forward, message)];
        }
        let (least, most) = if place == before {
            (charged.0 + 1, charged.1.saturating_add(leases))
        } else {
            (1, leases.saturating_add(1))
        };
        if !(least..=most).contains(&attempt) {
            let message = format!(
                "task {id} is charged attempt {attempt} in epoch {epoch}, expected {least} to \
                 {most}"
            );
            problems.push((Invariant::Attempts, message));
        }
        if let Some(found) = payload {
            let fits = if place == before {
                expected.is_none_or(|expected| expected == found)
            } else {
                history.offers.contains(&(place, found))
            };
            if !fits {
                let message = format!(
                    "task {id} has payload {found} at place {place}, expected {expected:?}"
                );
                problems.push((Invariant::Intact, message));
            }
        }
        problems
    }
}

/// Returns whether a settlement can be answered with a state.
fn is_answer_of(outcome: OutcomeKind, state: TaskState, was_cancelled: bool) -> bool {
    let usual = match outcome {
        OutcomeKind::Advance => TaskState::Running,
        OutcomeKind::Complete => TaskState::Completed,
        OutcomeKind::Fail => TaskState::Failed,
        OutcomeKind::Cancel => TaskState::Cancelled,
        OutcomeKind::Retry | OutcomeKind::Snooze | OutcomeKind::Interrupt => TaskState::Pending,
    };
    let waits = !matches!(outcome, OutcomeKind::Complete | OutcomeKind::Fail);
    state == usual || (waits && was_cancelled && state == TaskState::Cancelled)
}
