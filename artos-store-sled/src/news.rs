//! What changed during one operation, and whom to wake for it once it is durable.

use artos_core::{
    Name,
    model::TaskId,
    notify::{ChangeHub, Topic},
};

/// The changes of one operation, or of a group of them.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Queues in which a task became pending.
    queues: Vec<Name>,
    /// Tasks whose record changed in a way a reader could see.
    tasks: Vec<TaskId>,
    /// Whether somebody asked to cancel a running task.
    pub(crate) cancellation: bool,
    /// Whether a task was leased.
    pub(crate) leased: bool,
}

impl News {
    /// Notes a task that changed.
    pub(crate) fn task(&mut self, id: TaskId) {
        self.tasks.push(id);
    }

    /// Notes a queue; most batches fill a single one, so comparing with the last keeps this short.
    pub(crate) fn queue(&mut self, queue: &Name) {
        if self.queues.last() != Some(queue) {
            self.queues.push(queue.clone());
        }
    }

    /// Adds what a later operation changed.
    pub(crate) fn append(&mut self, later: Self) {
        self.queues.extend(later.queues);
        self.tasks.extend(later.tasks);
        self.cancellation |= later.cancellation;
        self.leased |= later.leased;
    }

    /// Wakes everybody who listens to what changed.
    ///
    /// Must run after the change is visible: a waiter that reads on waking has to find it.
    pub(crate) fn publish(mut self, hub: &ChangeHub) {
        if hub.is_idle() {
            return;
        }
        self.queues.sort_unstable();
        self.queues.dedup();
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
