//! Wake-up hints: how a change in a store reaches those who wait, without polling.
//!
//! A store embeds a [`ChangeHub`] and publishes to it; [`Changes`] is one waiting side. A hint is
//! never lost between two waits of the same [`Changes`], and waiting costs nothing. Whether one may
//! be lost between the change and the hub is the store's to say: see [`ChangeHub::lossless`].

use std::{collections::HashMap, fmt, hash::Hash};

use foldhash::fast::RandomState;
use tokio::sync::Notify;

use crate::{
    model::{Name, TaskId},
    sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError, Weak},
};

/// What a subscriber wants to hear about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A task of this queue became pending, now or for later.
    Queue(Name),
    /// The record of this task changed.
    Task(TaskId),
    /// Somebody asked to cancel a running task.
    Cancellation,
    /// A task was leased. Only a [lossless](ChangeHub::lossless) store gives this hint: it tells a
    /// runtime that has seen no lease that there is one whose end wants watching.
    Lease,
    /// Any but leases, for whoever follows many tasks at a time.
    Any,
}

/// Passes hints from a store to its subscribers within one process.
///
/// Publishing to a topic when nobody listens to one of its sort costs one atomic read.
#[derive(Clone, Default)]
pub struct ChangeHub {
    shared: Arc<Shared>,
}

/// The subscribers, apart for each sort of topic: workers always listen to their queues, and seldom
/// does anybody listen to a task.
#[derive(Default)]
struct Shared {
    queues: Subscribers<Name>,
    tasks: Subscribers<TaskId>,
    cancellation: Subscribers<()>,
    leases: Subscribers<()>,
    any: Subscribers<()>,
    is_lossless: bool,
}

/// Who listens to topics of one sort.
struct Subscribers<K> {
    count: AtomicUsize,
    topics: Mutex<Topics<K>>,
}

type Topics<K> = HashMap<K, Vec<Weak<Notify>>, RandomState>;

impl<K> Default for Subscribers<K> {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), topics: Mutex::default() }
    }
}

impl<K: Hash + Eq> Subscribers<K> {
    fn topics(&self) -> MutexGuard<'_, Topics<K>> {
        // The map is consistent between any two statements, so a poisoned lock is still good.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    fn add(&self, topic: K, notify: &Arc<Notify>) {
        self.topics().entry(topic).or_default().push(Arc::downgrade(notify));
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn remove(&self, topic: &K, notify: &Arc<Notify>) {
        let own = Arc::as_ptr(notify);
        let mut topics = self.topics();
        if let Some(subscribers) = topics.get_mut(topic) {
            subscribers.retain(|notify| notify.as_ptr() != own);
            if subscribers.is_empty() {
                topics.remove(topic);
            }
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake<'a>(&self, topics: impl IntoIterator<Item = &'a K>)
    where
        K: 'a,
    {
        if self.is_idle() {
            return;
        }
        let subscribed = self.topics();
        let subscribers = topics.into_iter().filter_map(|topic| subscribed.get(topic)).flatten();
        for notify in subscribers.filter_map(Weak::upgrade) {
            notify.notify_one();
        }
    }

    fn wake_all(&self) {
        for notify in self.topics().values().flatten().filter_map(Weak::upgrade) {
            notify.notify_one();
        }
    }
}

impl ChangeHub {
    /// Makes the hub of a store whose hints are never lost: only this process changes the store,
    /// and each change of any [`Topic`] is published once it is visible, leases too. When the store
    /// stops for good, it calls [`publish_all`](Self::publish_all).
    ///
    /// A runtime asks such a store nothing while it has nothing to do, so a hint that is left out
    /// is a task that never starts. [`ChangeHub::default`] makes a hub for a store that cannot
    /// promise this, because other processes change it; runtimes then look now and then.
    #[must_use]
    pub fn lossless() -> Self {
        Self { shared: Arc::new(Shared { is_lossless: true, ..Shared::default() }) }
    }

    /// Subscribes to a topic.
    #[must_use]
    pub fn subscribe(&self, topic: Topic) -> Changes {
        let notify = Arc::new(Notify::new());
        match &topic {
            Topic::Queue(queue) => self.shared.queues.add(queue.clone(), &notify),
            Topic::Task(task) => self.shared.tasks.add(*task, &notify),
            Topic::Cancellation => self.shared.cancellation.add((), &notify),
            Topic::Lease => self.shared.leases.add((), &notify),
            Topic::Any => self.shared.any.add((), &notify),
        }
        let is_lossless = self.shared.is_lossless;
        Changes { notify, is_lossless, subscription: Some((topic, Arc::clone(&self.shared))) }
    }

    /// Wakes everybody who listens to the topic.
    pub fn publish(&self, topic: &Topic) {
        match topic {
            Topic::Queue(queue) => self.shared.queues.wake([queue]),
            Topic::Task(task) => self.shared.tasks.wake([task]),
            Topic::Cancellation => self.shared.cancellation.wake([&()]),
            Topic::Lease => return self.shared.leases.wake([&()]),
            Topic::Any => {}
        }
        self.shared.any.wake([&()]);
    }

    /// Wakes everybody who listens to one of the tasks.
    pub fn publish_tasks(&self, tasks: &[TaskId]) {
        self.shared.tasks.wake(tasks);
        if !tasks.is_empty() {
            self.shared.any.wake([&()]);
        }
    }

    /// Wakes everybody, for when it is unknown what changed (a lost connection that came back).
    pub fn publish_all(&self) {
        self.shared.queues.wake_all();
        self.shared.tasks.wake_all();
        self.shared.cancellation.wake_all();
        self.shared.leases.wake_all();
        self.shared.any.wake_all();
    }

    /// Returns whether somebody listens to tasks. A store that asks after a change is visible, or
    /// under the lock that makes it so, misses nobody: whoever subscribes later reads the change.
    #[must_use]
    pub fn hears_of_tasks(&self) -> bool {
        !self.shared.tasks.is_idle() || !self.shared.any.is_idle()
    }

    /// Returns whether nobody listens to anything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.subscribers() == 0
    }
}

impl Shared {
    fn subscribers(&self) -> usize {
        let others = self.cancellation.count() + self.leases.count() + self.any.count();
        self.queues.count() + self.tasks.count() + others
    }
}

impl fmt::Debug for ChangeHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeHub").field("subscribers", &self.shared.subscribers()).finish()
    }
}

/// The waiting side of a subscription; dropping it ends the subscription.
pub struct Changes {
    notify: Arc<Notify>,
    is_lossless: bool,
    subscription: Option<(Topic, Arc<Shared>)>,
}

impl Changes {
    /// Makes a subscription that never hears anything, for a store without hints.
    #[must_use]
    pub fn never() -> Self {
        Self { notify: Arc::new(Notify::new()), is_lossless: false, subscription: None }
    }

    /// Returns whether every change brings a hint, so that whoever waits need not look for it.
    #[must_use]
    pub const fn is_lossless(&self) -> bool {
        self.is_lossless
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
        match &topic {
            Topic::Queue(queue) => shared.queues.remove(queue, &self.notify),
            Topic::Task(task) => shared.tasks.remove(task, &self.notify),
            Topic::Cancellation => shared.cancellation.remove(&(), &self.notify),
            Topic::Lease => shared.leases.remove(&(), &self.notify),
            Topic::Any => shared.any.remove(&(), &self.notify),
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("topic", &self.subscription.as_ref().map(|(topic, _)| topic))
            .field("is_lossless", &self.is_lossless)
            .finish()
    }
}
