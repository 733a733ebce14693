//! What is asked may have happened from now on.

use artos_core::{TaskState, model::OutcomeKind};

use super::{Call, Checker};
use crate::{Asked, Asks, Invariant, Submitted, history::History};

impl Checker {
    pub(super) fn asks(&mut self, asked: &Asked, at: u64) {
        let is_in_time = self.asks_in_time(&asked.asks, at);
        let call = self.calls.entry(asked.call).or_insert_with(|| Call::new(self.now, at));
        call.note(&asked.asks, is_in_time);
        match &asked.asks {
            Asks::Insert(task) => self.submits(task, at),
            Asks::FollowUp { task, .. } => {
                self.submits(task, at);
                if let Some(history) = self.tasks.get_mut(&task.id) {
                    history.follow_up.0 += 1;
                }
            }
            Asks::Settle { task, outcome, stage, payload, .. } => {
                let Some(history) = self.tasks.get_mut(task) else {
                    return;
                };
                match outcome {
                    OutcomeKind::Advance => {
                        let place = self.rules.place(&history.submitted.kind, stage.as_deref());
                        if let (Some(place), Some(payload)) = (place, payload) {
                            history.offers.push((place, *payload));
                        }
                    }
                    OutcomeKind::Complete => {
                        history.outputs.extend(*payload);
                        history.may_end(TaskState::Completed, at);
                    }
                    OutcomeKind::Fail => history.may_end(TaskState::Failed, at),
                    OutcomeKind::Cancel => history.may_end(TaskState::Cancelled, at),
                    OutcomeKind::Retry | OutcomeKind::Snooze | OutcomeKind::Interrupt => {}
                }
            }
            Asks::Cancel { task } => {
                if let Some(history) = self.tasks.get_mut(task) {
                    history.may_end(TaskState::Cancelled, at);
                }
            }
            Asks::Prune { completed, failed, cancelled, .. } => {
                let kept = [
                    (TaskState::Completed, completed),
                    (TaskState::Failed, failed),
                    (TaskState::Cancelled, cancelled),
                ];
                for (state, keep) in kept {
                    // The store's clock reads a moment later than the question was told.
                    let until = (at + PRUNE_LAG).saturating_sub(*keep);
                    let known = self.prunable_until.entry(state).or_default();
                    *known = until.max(*known);
                }
            }
            Asks::Claim { .. } | Asks::Heartbeat { .. } | Asks::Rescue => {}
        }
    }

    fn submits(&mut self, task: &Submitted, at: u64) {
        if let Some(history) = self.tasks.get(&task.id) {
            // Sent again, because an answer was lost.
            if history.submitted != *task {
                let message = format!("two different tasks were submitted as {}", task.id);
                self.find(Invariant::Kept, message);
            }
        } else {
            self.tasks.insert(task.id, History::new(task.clone(), at));
        }
    }
}

/// Longest time, in microseconds, between telling that a prune is asked for and the moment the
/// store takes as now: long enough for a process that waits for a processor.
const PRUNE_LAG: u64 = 1_000_000;
