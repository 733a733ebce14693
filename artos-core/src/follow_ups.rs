//! What is submitted together with a settlement.

use crate::model::{NewTask, TaskId};

/// Follow-ups of a task, whose ids sort in the order they were added.
pub(crate) struct FollowUps {
    tasks: Vec<NewTask>,
    /// The id that the next one sorts after.
    last: TaskId,
}

impl FollowUps {
    /// Makes room for those that sort after this task.
    pub(crate) const fn after(last: TaskId) -> Self {
        Self { tasks: Vec::new(), last }
    }

    /// Adds a task, and returns the id it has from now on.
    ///
    /// Where clocks are apart, all ids that are drawn may be below the last one: each sorts after
    /// the one before, not only after the task, or their random bits would decide their order.
    pub(crate) fn add(&mut self, task: NewTask) -> TaskId {
        self.last = task.id.sorted_after(self.last);
        self.tasks.push(NewTask { id: self.last, ..task });
        self.last
    }

    /// Takes all there are; those that are added later sort after them.
    pub(crate) fn take(&mut self) -> Vec<NewTask> {
        std::mem::take(&mut self.tasks)
    }

    /// Returns the id of the last that was added, or what they all sort after.
    pub(crate) const fn last(&self) -> TaskId {
        self.last
    }
}
