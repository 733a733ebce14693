//! Wake-up hints: how a change in a store reaches those who wait, without polling.
//!
//! A store embeds a [`ChangeHub`] and publishes to it; [`Changes`] is one waiting side. A hint is
//! never lost between two waits of the same [`Changes`], and waiting costs nothing.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::model::{Name, TaskId};

/// What a subscriber wants to hear about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A task of this queue became pending, now or for later.
    Queue(Name),
    /// The record of this task changed.
    Task(TaskId),
    /// Somebody asked to cancel a running task.
    Cancellation,
}

/// Passes hints from a store to its subscribers within one process.
///
/// Publishing to a topic nobody listens to costs one atomic read.
#[derive(Clone, Default)]
pub struct ChangeHub {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    subscribers: AtomicUsize,
    topics: Mutex<HashMap<Topic, Vec<Weak<Notify>>>>,
}

impl Shared {
    fn topics(&self) -> MutexGuard<'_, HashMap<Topic, Vec<Weak<Notify>>>> {
        // The map is consistent between any two statements, so a poisoned lock is still good.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeHub {
    /// Subscribes to a topic.
    #[must_use]
    pub fn subscribe(&self, topic: Topic) -> Changes {
        let notify = Arc::new(Notify::new());
        self.shared.topics().entry(topic.clone()).or_default().push(Arc::downgrade(&notify));
        self.shared.subscribers.fetch_add(1, Ordering::SeqCst);
        Changes { notify, subscription: Some((topic, Arc::clone(&self.shared))) }
    }

    /// Wakes everybody who listens to the topic.
    pub fn publish(&self, topic: &Topic) {
        if self.is_idle() {
            return;
        }
        if let Some(subscribers) = self.shared.topics().get(topic) {
            for notify in subscribers.iter().filter_map(Weak::upgrade) {
                notify.notify_one();
            }
        }
    }

    /// Wakes everybody, for when it is unknown what changed (a lost connection that came back).
    pub fn publish_all(&self) {
        for notify in self.shared.topics().values().flatten().filter_map(Weak::upgrade) {
            notify.notify_one();
        }
    }

    /// Returns whether nobody listens to anything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.subscribers.load(Ordering::SeqCst) == 0
    }
}

impl fmt::Debug for ChangeHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeHub")
            .field("subscribers", &self.shared.subscribers.load(Ordering::SeqCst))
            .finish()
    }
}

/// The waiting side of a subscription; dropping it ends the subscription.
pub struct Changes {
    notify: Arc<Notify>,
    subscription: Option<(Topic, Arc<Shared>)>,
}

impl Changes {
    /// Makes a subscription that never hears anything, for a store without hints.
    #[must_use]
    pub fn never() -> Self {
        Self { notify: Arc::new(Notify::new()), subscription: None }
    }

    /// Waits until something may have changed since the last call.
    ///
    /// # Cancel safety
    ///
    /// A hint that arrives while nobody waits is kept for the next call. Dropping the future loses
    /// nothing.
    pub async fn changed(&mut self) {
        self.notify.notified().await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let Some((topic, shared)) = self.subscription.take() else {
            return;
        };
        let own = Arc::as_ptr(&self.notify);
        let mut topics = shared.topics();
        if let Some(subscribers) = topics.get_mut(&topic) {
            subscribers.retain(|notify| notify.as_ptr() != own);
            if subscribers.is_empty() {
                topics.remove(&topic);
            }
        }
        shared.subscribers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("topic", &self.subscription.as_ref().map(|(topic, _)| topic))
            .finish()
    }
}
