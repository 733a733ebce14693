//! The orders in which tasks are looked for.
//!
//! Every task is listed where its [`Position`] says, and nowhere else: an index is only ever
//! changed together with the position it follows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use artos_core::{
    Timestamp,
    model::{TaskId, TaskState},
};

use foldhash::fast::RandomState;

use crate::names::Symbol;

/// What decides where a task is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) queue: Symbol,
    pub(crate) tenant: Option<Symbol>,
    pub(crate) priority: i16,
    pub(crate) state: TaskState,
    pub(crate) run_at: Timestamp,
    pub(crate) lease_until: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
}

/// Tasks in the order of a time, ties in the order of submission.
type ByTime = BTreeSet<(Timestamp, TaskId)>;

/// All indexes over the tasks of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexes {
    /// Pending tasks of each queue, the most urgent priority first.
    ready: HashMap<Symbol, BTreeMap<Reverse<i16>, ByTime>, RandomState>,
    /// Running tasks by the time their lease lapses.
    leases: ByTime,
    /// Terminal tasks by the time they became so, per state because retention is.
    ended: PerState<ByTime>,
    /// All tasks.
    all: PerState<BTreeSet<TaskId>>,
    /// The tasks of each tenant.
    tenants: HashMap<Symbol, PerState<BTreeSet<TaskId>>, RandomState>,
}

/// One set for each state.
#[derive(Debug, Clone, Default)]
pub(crate) struct PerState<T> {
    pending: T,
    running: T,
    completed: T,
    failed: T,
    cancelled: T,
}

impl<T> PerState<T> {
    pub(crate) const fn of(&self, state: TaskState) -> &T {
        match state {
            TaskState::Pending => &self.pending,
            TaskState::Running => &self.running,
            TaskState::Completed => &self.completed,
            TaskState::Failed => &self.failed,
            TaskState::Cancelled => &self.cancelled,
        }
    }

    const fn of_mut(&mut self, state: TaskState) -> &mut T {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running => &mut self.running,
            TaskState::Completed => &mut self.completed,
            TaskState::Failed => &mut self.failed,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}

impl Indexes {
    /// Moves a task from one position to another; `None` is outside the store.
    pub(crate) fn place(&mut self, id: TaskId, from: Option<Position>, to: Option<Position>) {
        if from == to {
            return;
        }
        if from.map(|from| (from.tenant, from.state)) != to.map(|to| (to.tenant, to.state)) {
            if let Some(from) = from {
                self.remove_from_lists(id, from);
            }
            if let Some(to) = to {
                self.add_to_lists(id, to);
            }
        }
        if let Some(from) = from {
            self.remove_from_times(id, from);
        }
        if let Some(to) = to {
            self.add_to_times(id, to);
        }
    }

    fn add_to_lists(&mut self, id: TaskId, to: Position) {
        self.all.of_mut(to.state).insert(id);
        if let Some(tenant) = to.tenant {
            let lists = self.tenants.entry(tenant).or_default();
            lists.of_mut(to.state).insert(id);
        }
    }

    fn remove_from_lists(&mut self, id: TaskId, from: Position) {
        self.all.of_mut(from.state).remove(&id);
        if let Some(tenant) = from.tenant
            && let Some(lists) = self.tenants.get_mut(&tenant)
        {
            lists.of_mut(from.state).remove(&id);
            if TaskState::ALL.into_iter().all(|state| lists.of(state).is_empty()) {
                self.tenants.remove(&tenant);
            }
        }
    }

    fn add_to_times(&mut self, id: TaskId, to: Position) {
        match to.state {
            TaskState::Pending => {
                let queue = self.ready.entry(to.queue).or_default();
                let waiting = queue.entry(Reverse(to.priority)).or_default();
                waiting.insert((to.run_at, id));
            }
            TaskState::Running => {
                self.leases.extend(to.lease_until.map(|until| (until, id)));
            }
            state => self.ended.of_mut(state).extend(to.finished_at.map(|at| (at, id))),
        }
    }

    fn remove_from_times(&mut self, id: TaskId, from: Position) {
        match from.state {
            TaskState::Pending => {
                let Some(queue) = self.ready.get_mut(&from.queue) else {
                    return;
                };
                if let Some(waiting) = queue.get_mut(&Reverse(from.priority)) {
                    waiting.remove(&(from.run_at, id));
                    if waiting.is_empty() {
                        queue.remove(&Reverse(from.priority));
                    }
                }
                if queue.is_empty() {
                    self.ready.remove(&from.queue);
                }
            }
            TaskState::Running => {
                if let Some(until) = from.lease_until {
                    self.leases.remove(&(until, id));
                }
            }
            state => {
                if let Some(at) = from.finished_at {
                    self.ended.of_mut(state).remove(&(at, id));
                }
            }
        }
    }

    /// Returns up to `limit` due tasks of a queue, in the order they should start.
    pub(crate) fn due(&self, queue: Symbol, now: Timestamp, limit: usize) -> Vec<TaskId> {
        let priorities = self.ready.get(&queue).into_iter().flat_map(BTreeMap::values);
        priorities
            .flat_map(|waiting| waiting.iter().take_while(|(run_at, _)| *run_at <= now))
            .map(|(_, id)| *id)
            .take(limit)
            .collect()
    }

    /// Returns when the next pending task of a queue is, or was, due.
    pub(crate) fn next_due(&self, queue: Symbol) -> Option<Timestamp> {
        let priorities = self.ready.get(&queue)?.values();
        priorities.filter_map(BTreeSet::first).map(|(run_at, _)| *run_at).min()
    }

    /// Returns the running task whose lease lapses first, and when.
    pub(crate) fn first_lease(&self) -> Option<(Timestamp, TaskId)> {
        self.leases.first().copied()
    }

    /// Returns the task that has been in a terminal state for longest.
    pub(crate) fn first_ended(&self, state: TaskState) -> Option<TaskId> {
        self.ended.of(state).first().map(|(_, id)| *id)
    }

    /// Returns the ids of all tasks, by state.
    pub(crate) const fn all(&self) -> &PerState<BTreeSet<TaskId>> {
        &self.all
    }

    /// Returns the ids of a tenant's tasks, by state.
    pub(crate) fn of_tenant(&self, tenant: Symbol) -> Option<&PerState<BTreeSet<TaskId>>> {
        self.tenants.get(&tenant)
    }
}
