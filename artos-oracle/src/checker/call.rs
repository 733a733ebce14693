//! A call whose answer is not known yet.

use artos_core::{TaskId, model::OutcomeKind};

use crate::{Asks, Digest};

/// A call of the store that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// When it was asked, in the order of events.
    pub(super) asked: u64,
    /// When that was, by the clock.
    pub(super) at: u64,
    /// How long the leases last that it asked for.
    pub(super) lease_for: u64,
    /// The settlements it asked for.
    pub(super) steps: Vec<Step>,
}

/// A settlement: one atomic step with its follow-up tasks.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) task: TaskId,
    pub(super) epoch: u64,
    pub(super) outcome: OutcomeKind,
    /// The stage an advance leads to.
    pub(super) stage: Option<String>,
    pub(super) payload: Option<Digest>,
    /// How long the task waits then.
    pub(super) delay: u64,
    /// Whether no stage ran, because nobody there knew it.
    pub(super) is_unknown: bool,
    /// Whether it was asked for while the lease may have counted.
    pub(super) is_in_time: bool,
    /// Follow-up tasks that nothing can stand for.
    pub(super) follow_ups: Vec<TaskId>,
}

impl Call {
    pub(super) const fn new(asked: u64, at: u64) -> Self {
        Self { asked, at, lease_for: 0, steps: Vec::new() }
    }

    /// Notes a settlement, a follow-up task, or the length of leases.
    pub(super) fn note(&mut self, asks: &Asks, is_in_time: bool) {
        match asks {
            Asks::Claim { lease_for, .. } | Asks::Heartbeat { lease_for, .. } => {
                self.lease_for = *lease_for;
            }
            Asks::Settle { task, epoch, outcome, stage, payload, delay, is_unknown } => {
                self.steps.push(Step {
                    task: *task,
                    epoch: *epoch,
                    outcome: *outcome,
                    stage: stage.clone(),
                    payload: *payload,
                    delay: *delay,
                    is_unknown: *is_unknown,
                    is_in_time,
                    follow_ups: Vec::new(),
                })
            }
            // Another task may stand for one with a key.
            Asks::FollowUp { task, .. } if task.key.is_none() => {
                if let Some(step) = self.steps.last_mut() {
                    step.follow_ups.push(task.id);
                }
            }
            _ => {}
        }
    }

    pub(super) fn step(&self, task: TaskId, epoch: u64) -> Option<&Step> {
        self.steps.iter().find(|step| step.task == task && step.epoch == epoch)
    }

    /// Returns the settlements of which a dump can tell whether they were applied as a whole.
    pub(super) fn into_steps(self) -> impl Iterator<Item = Step> {
        self.steps.into_iter().filter(|step| !step.follow_ups.is_empty())
    }
}
