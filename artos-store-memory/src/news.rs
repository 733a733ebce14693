//! What changed during one operation, and whom to wake for it once the lock is released.

use artos_core::{
    Name,
    model::TaskId,
    notify::{ChangeHub, Topic},
};

/// The changes of one operation.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Queues in which a task became pending, each once.
    pub(crate) queues: Vec<Name>,
    /// Tasks whose record changed in a way a reader could see.
    pub(crate) tasks: Vec<TaskId>,
    /// Whether somebody asked to cancel a running task.
    pub(crate) cancellation: bool,
    /// Whether a task was leased.
    pub(crate) leased: bool,
}

impl News {
    /// Wakes everybody who listens to what changed.
    ///
    /// Must run after the change is visible: a waiter that reads on waking has to find it.
    pub(crate) fn publish(self, hub: &ChangeHub) {
        if hub.is_idle() {
            return;
        }
        for queue in self.queues {
            hub.publish(&Topic::Queue(queue));
        }
        hub.publish_tasks(&self.tasks);
        if self.cancellation {
            hub.publish(&Topic::Cancellation);
        }
        if self.leased {
            hub.publish(&Topic::Lease);
        }
    }
}
