//! What changed during one call.

use artos_core::{
    Name,
    model::TaskId,
    notify::{ChangeHub, Topic},
};

use super::topic_of;

/// The changes of one call, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Queues in which a task became pending, each once.
    pub(crate) queues: Vec<Name>,
    /// Tasks whose record changed in a way a reader could see.
    pub(crate) tasks: Vec<TaskId>,
    /// Whether somebody asked to cancel a running task.
    pub(crate) cancellation: bool,
}

impl News {
    /// Notes that a task of the queue became pending.
    pub(crate) fn queue(&mut self, queue: &str) {
        if !self.queues.iter().any(|known| *known == queue) {
            self.queues.push(Name::from(queue));
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.tasks.is_empty() && !self.cancellation
    }

    /// Takes in other news.
    pub(crate) fn merge(&mut self, other: Self) {
        for queue in other.queues {
            self.queue(&queue);
        }
        self.tasks.extend(other.tasks);
        self.cancellation |= other.cancellation;
    }

    /// Wakes everybody in this process who listens to what changed.
    pub(crate) fn publish(&self, hub: &ChangeHub) {
        if hub.is_idle() {
            return;
        }
        for queue in &self.queues {
            hub.publish(&Topic::Queue(queue.clone()));
        }
        for task in &self.tasks {
            hub.publish(&topic_of(Topic::Task(*task)));
        }
        if self.cancellation {
            hub.publish(&Topic::Cancellation);
        }
    }
}
