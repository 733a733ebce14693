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

/// So many queues and priorities are kept when nothing is pending in them: most fill again. Of more
/// than that, those that come and go would cost memory, and each claim a look at them.
const KEPT_MAX: usize = 16;

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
                    give_back_room(&mut self.tenants);
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
            TaskState::Pending => self.remove_from_queue(id, from),
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

    fn remove_from_queue(&mut self, id: TaskId, from: Position) {
        let Some(queue) = self.ready.get_mut(&from.queue) else { return };
        let Some(waiting) = queue.get_mut(&Reverse(from.priority)) else { return };
        waiting.remove(from.run_at, id);
        if !waiting.is_empty() {
            return;
        }
        if queue.len() > KEPT_MAX {
            queue.remove(&Reverse(from.priority));
        }
        if self.ready.len() > KEPT_MAX
            && let Some(queue) = self.ready.get(&from.queue)
            && queue.values().all(Timeline::is_empty)
        {
            self.ready.remove(&from.queue);
            give_back_room(&mut self.ready);
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

/// Gives memory back once most entries are gone.
fn give_back_room<V>(map: &mut HashMap<Symbol, V, RandomState>) {
    if map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    /// A task that pends, and where its indexes list it.
    fn pending(names: &mut Names, number: u32, priority: i16) -> (TaskId, Position) {
        let name = artos_core::Name::from(format!("name {number}").as_str());
        let queue = names.intern(&name);
        let position = Position {
            queue,
            tenant: Some(queue),
            priority,
            state: TaskState::Pending,
            run_at: Timestamp::from_micros(i64::from(number)),
            lease_until: None,
            finished_at: None,
        };
        (TaskId::from_uuid(uuid::Uuid::from_u128(number.into())), position)
    }

    #[test]
    fn queues_and_tenants_that_come_and_go_leave_nothing_behind() {
        let (mut names, mut indexes) = (Names::default(), Indexes::default());
        let all: Vec<_> = (0..10_000).map(|number| pending(&mut names, number, 0)).collect();
        for (id, position) in &all {
            indexes.place(*id, None, Some(*position));
        }
        for (id, position) in &all {
            assert_eq!(indexes.next_due(position.queue), Some(position.run_at));
            indexes.place(*id, Some(*position), None);
            assert_eq!(indexes.next_due(position.queue), None);
        }
        assert!(indexes.ready.len() <= KEPT_MAX, "{} queues", indexes.ready.len());
        assert!(indexes.ready.capacity() < 1_000, "room for {}", indexes.ready.capacity());
        assert!(indexes.tenants.is_empty());
        assert!(indexes.tenants.capacity() < 1_000, "room for {}", indexes.tenants.capacity());
    }

    #[test]
    fn priorities_that_come_and_go_leave_nothing_behind() {
        let (mut names, mut indexes) = (Names::default(), Indexes::default());
        let (_, Position { queue, .. }) = pending(&mut names, 0, 0);
        for priority in i16::MIN..=i16::MAX {
            let (id, position) = pending(&mut names, 0, priority);
            indexes.place(id, None, Some(position));
            assert_eq!(indexes.due(queue, Timestamp::MAX, 2), [id]);
            indexes.place(id, Some(position), None);
        }
        let kept = indexes.ready.get(&queue).map_or(0, BTreeMap::len);
        assert!(kept <= KEPT_MAX, "{kept} priorities");
    }
}
