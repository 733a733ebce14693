//! The end of a dump: tasks that are not in it, and steps that were applied by half.

use artos_core::{TaskId, model::OutcomeKind};

use super::{Checker, Step};
use crate::Invariant;

impl Checker {
    pub(super) fn dump_ends(&mut self, tasks: u64) {
        let dump = self.dump.take().unwrap_or_default();
        if dump.len() as u64 != tasks {
            let message = format!("a dump of {tasks} tasks had {} different ones", dump.len());
            self.find(Invariant::Kept, message);
        }
        for step in std::mem::take(&mut self.steps) {
            self.whole(&step, |id| dump.contains(&id));
        }
        let missing: Vec<TaskId> =
            self.tasks.keys().filter(|id| !dump.contains(id)).copied().collect();
        for id in missing {
            let is_lost = self
                .tasks
                .get(&id)
                .is_some_and(|task| task.is_inserted && !self.may_be_pruned(task));
            if is_lost {
                self.find(Invariant::Kept, format!("task {id} was acknowledged, and is lost"));
            }
            self.forget(id);
        }
    }

    /// Checks that a settlement without an answer happened with its follow-up tasks, or not at all.
    fn whole(&mut self, step: &Step, is_there: impl Fn(TaskId) -> bool) {
        let Some(history) = self.tasks.get(&step.task).filter(|_| is_there(step.task)) else {
            return;
        };
        // Another lease may have gone on from there, or have done the same on its own.
        if history.leases.last_key_value().is_some_and(|(epoch, _)| *epoch != step.epoch) {
            return;
        }
        let happened = match step.outcome {
            OutcomeKind::Complete => {
                history.ended.is_some_and(|ended| ended.output == step.payload)
            }
            OutcomeKind::Advance => {
                let place = self.rules.place(&history.submitted.kind, step.stage.as_deref());
                let reached = history.leases.get(&step.epoch).map(|lease| lease.place);
                place.is_some() && reached >= place
            }
            _ => return,
        };
        let torn = step.follow_ups.iter().find(|id| {
            let is_pruned = self.tasks.get(id).is_some_and(|task| self.may_be_pruned(task));
            is_there(**id) != happened && !is_pruned
        });
        if let Some(follow_up) = torn {
            let message = format!(
                "task {} {} with {}, and its follow-up task {follow_up} {}",
                step.task,
                if happened { "was settled" } else { "was not settled" },
                step.outcome,
                if happened { "is missing" } else { "is there" },
            );
            self.find(Invariant::Kept, message);
        }
    }
}
