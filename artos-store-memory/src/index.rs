//! The orders in which tasks are looked for, besides their ids.
//!
//! Every task is listed where its [`Position`] says, and nowhere else: an index is only ever
//! changed together with the position it follows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use artos_core::{
    Timestamp,
    model::{TaskId, TaskState},
};

use foldhash::fast::RandomState;

use crate::{
    names::Symbol,
    shelf::{HasState, Shelf},
    timeline::Timeline,
};

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

/// All indexes over the tasks of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexes {
    /// Pending tasks of each queue, the most urgent priority first.
    ready: HashMap<Symbol, BTreeMap<Reverse<i16>, Timeline>, RandomState>,
    /// Running tasks by the time their lease lapses.
    leases: Timeline,
    /// Terminal tasks by the time they became so, per state because retention is.
    completed: Timeline,
    failed: Timeline,
    cancelled: Timeline,
    /// The tasks of each tenant.
    tenants: HashMap<Symbol, Shelf<TaskState>, RandomState>,
}

impl HasState for TaskState {
    fn state(&self) -> TaskState {
        *self
    }
}

impl Indexes {
    /// Moves a task from one position to another; `None` is outside the store.
    pub(crate) fn place(&mut self, id: TaskId, from: Option<Position>, to: Option<Position>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.remove_from_times(id, from);
        }
        if let Some(to) = to {
            self.add_to_times(id, to);
        }
        // A task never changes its tenant.
        if let Some(tenant) = from.or(to).and_then(|position| position.tenant) {
            self.place_in_tenant(id, tenant, from, to);
        }
    }

    fn place_in_tenant(
        &mut self,
        id: TaskId,
        tenant: Symbol,
        from: Option<Position>,
        to: Option<Position>,
    ) {
        let shelf = self.tenants.entry(tenant).or_default();
        match (from, to) {
            (None, Some(to)) => shelf.insert(id, to.state),
            (Some(_), Some(to)) => {
                shelf.change(id, |state| *state = to.state);
            }
            (_, None) => {
                shelf.remove(id);
                if shelf.len() == 0 {
                    self.tenants.remove(&tenant);
                }
            }
        }
    }

    fn add_to_times(&mut self, id: TaskId, to: Position) {
        match to.state {
            TaskState::Pending => {
                let queue = self.ready.entry(to.queue).or_default();
                queue.entry(Reverse(to.priority)).or_default().insert(to.run_at, id);
            }
            TaskState::Running => {
                if let Some(until) = to.lease_until {
                    self.leases.insert(until, id);
                }
            }
            state => {
                if let (Some(ended), Some(at)) = (self.ended_mut(state), to.finished_at) {
                    ended.insert(at, id);
                }
            }
        }
    }

    fn remove_from_times(&mut self, id: TaskId, from: Position) {
        match from.state {
            TaskState::Pending => {
                // An empty timeline stays: the queue fills again.
                let queue = self.ready.get_mut(&from.queue);
                if let Some(waiting) = queue.and_then(|q| q.get_mut(&Reverse(from.priority))) {
                    waiting.remove(from.run_at, id);
                }
            }
            TaskState::Running => {
                if let Some(until) = from.lease_until {
                    self.leases.remove(until, id);
                }
            }
            state => {
                if let (Some(ended), Some(at)) = (self.ended_mut(state), from.finished_at) {
                    ended.remove(at, id);
                }
            }
        }
    }

    const fn ended(&self, state: TaskState) -> Option<&Timeline> {
        match state {
            TaskState::Completed => Some(&self.completed),
            TaskState::Failed => Some(&self.failed),
            TaskState::Cancelled => Some(&self.cancelled),
            TaskState::Pending | TaskState::Running => None,
        }
    }

    const fn ended_mut(&mut self, state: TaskState) -> Option<&mut Timeline> {
        match state {
            TaskState::Completed => Some(&mut self.completed),
            TaskState::Failed => Some(&mut self.failed),
            TaskState::Cancelled => Some(&mut self.cancelled),
            TaskState::Pending | TaskState::Running => None,
        }
    }

    /// Returns up to `limit` due tasks of a queue, in the order they should start.
    pub(crate) fn due(&self, queue: Symbol, now: Timestamp, limit: usize) -> Vec<TaskId> {
        let priorities = self.ready.get(&queue).into_iter().flat_map(BTreeMap::values);
        priorities
            .flat_map(|waiting| waiting.iter().take_while(|(run_at, _)| *run_at <= now))
            .map(|(_, id)| id)
            .take(limit)
            .collect()
    }

    /// Returns when the next pending task of a queue is, or was, due.
    pub(crate) fn next_due(&self, queue: Symbol) -> Option<Timestamp> {
        let priorities = self.ready.get(&queue)?.values();
        priorities.filter_map(Timeline::first).map(|(run_at, _)| run_at).min()
    }

    /// Returns the running task whose lease lapses first, and when.
    pub(crate) fn first_lease(&self) -> Option<(Timestamp, TaskId)> {
        self.leases.first()
    }

    /// Returns the task that has been in a terminal state for longest.
    pub(crate) fn first_ended(&self, state: TaskState) -> Option<TaskId> {
        self.ended(state)?.first().map(|(_, id)| id)
    }

    /// Returns the tasks of a tenant.
    pub(crate) fn of_tenant(&self, tenant: Symbol) -> Option<&Shelf<TaskState>> {
        self.tenants.get(&tenant)
    }
}
