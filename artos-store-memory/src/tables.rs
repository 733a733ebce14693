//! All tasks and their indexes, and the operations on them. Whoever holds the lock calls these.

use std::{collections::HashMap, time::Duration};

use artos_core::{
    Timestamp,
    machine::{self, Applied, Cancelled},
    model::{Name, NewTask, Outcome, Retention, Settlement, TaskId, TaskRecord, TaskState},
    store::{Beat, Claim, Claimed, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled},
};

use foldhash::fast::RandomState;

use crate::{
    index::Indexes,
    names::{Names, Symbol},
    news::News,
    shelf::Shelf,
    stored::Stored,
};

/// What makes a task the only one of its kind: tenant, kind and idempotency key.
type UniqueKey = (Option<Symbol>, Symbol, Name);

/// All tasks and their indexes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) tasks: Shelf<Box<Stored>>,
    pub(crate) names: Names,
    pub(crate) indexes: Indexes,
    keys: HashMap<UniqueKey, TaskId, RandomState>,
    changed: Vec<TaskId>,
    filled: Vec<Symbol>,
    cancellation: bool,
    leased: bool,
}

impl Tables {
    pub(crate) fn insert(&mut self, tasks: &[NewTask], now: Timestamp) -> Vec<Inserted> {
        tasks.iter().map(|task| self.insert_one(task, now)).collect()
    }

    fn insert_one(&mut self, task: &NewTask, now: Timestamp) -> Inserted {
        let key = self.unique_key(task);
        let by_key = || key.as_ref().and_then(|key| self.keys.get(key)).copied();
        let existing = self.tasks.get(task.id).map(|existing| (task.id, existing)).or_else(|| {
            let id = by_key()?;
            Some((id, self.tasks.get(id)?))
        });
        if let Some((id, existing)) = existing {
            return Inserted::Existing { id, same_input: *existing.input() == task.input };
        }
        let stored = Stored::new(machine::insert(task, now), task, &mut self.names);
        let position = stored.position();
        self.indexes.place(task.id, None, Some(position));
        self.tasks.insert(task.id, Box::new(stored));
        self.keys.extend(key.map(|key| (key, task.id)));
        self.changed.push(task.id);
        note(&mut self.filled, position.queue);
        Inserted::Created
    }

    fn unique_key(&mut self, task: &NewTask) -> Option<UniqueKey> {
        let key = task.idempotency_key.clone()?;
        let tenant = task.tenant.as_ref().map(|name| self.names.intern(name));
        Some((tenant, self.names.intern(&task.kind), key))
    }

    /// Lets the machine change a task, and keeps the indexes and the news in step.
    fn change<T>(&mut self, id: TaskId, change: impl FnOnce(&mut TaskRecord) -> T) -> Option<T> {
        self.change_stored(id, |stored, names| stored.change(id, names, change))
    }

    /// Lets the machine change a task, as [`Self::change`], by way of what is stored of it.
    fn change_stored<T>(
        &mut self,
        id: TaskId,
        change: impl FnOnce(&mut Stored, &mut Names) -> T,
    ) -> Option<T> {
        let Self { tasks, names, indexes, changed, filled, cancellation, .. } = self;
        tasks.change(id, |stored| {
            let before = stored.position();
            let (revision, cancel_requested) = (stored.revision(), stored.cancel_requested());
            let answer = change(stored, names);
            let after = stored.position();
            indexes.place(id, Some(before), Some(after));
            if stored.revision() != revision {
                changed.push(id);
            }
            *cancellation |= stored.cancel_requested() && !cancel_requested;
            if after.state == TaskState::Pending && before.state != TaskState::Pending {
                note(filled, after.queue);
            }
            answer
        })
    }

    pub(crate) fn claim(&mut self, request: &Claim, now: Timestamp) -> Claims {
        let Some(queue) = self.names.find(&request.queue) else {
            return Claims::default();
        };
        let due = self.indexes.due(queue, now, request.limit);
        let mut tasks = Vec::with_capacity(due.len());
        for id in due {
            let claim = |record: &mut TaskRecord| {
                machine::claim(record, request.worker, request.lease_for, now)
            };
            let claimed = self.change_stored(id, |stored, names| {
                let (claimed, record) = stored.change_copy(id, names, claim);
                let payload = stored.checkpoint().unwrap_or_else(|| stored.input());
                claimed.ok().map(|()| Claimed { record, payload: payload.clone() })
            });
            tasks.extend(claimed.flatten());
        }
        self.leased |= !tasks.is_empty();
        Claims { tasks, next_due_in: self.indexes.next_due(queue).map(|due| due.since(now)) }
    }

    pub(crate) fn heartbeat(
        &mut self,
        lease_for: Duration,
        beats: &[Beat],
        now: Timestamp,
    ) -> Vec<Pulse> {
        let mut beat = |beat: &Beat| {
            let report = beat.progress.as_ref();
            let change = |record: &mut TaskRecord| {
                machine::heartbeat(record, beat.lease, lease_for, report, now)
            };
            match self.change(beat.lease.task_id, change) {
                Some(Ok(false)) => Pulse::Alive,
                Some(Ok(true)) => Pulse::CancelRequested,
                Some(Err(_)) | None => Pulse::Lost,
            }
        };
        beats.iter().map(&mut beat).collect()
    }

    pub(crate) fn settle(&mut self, settlements: &[Settlement], now: Timestamp) -> Vec<Settled> {
        settlements.iter().map(|settlement| self.settle_one(settlement, now)).collect()
    }

    fn settle_one(&mut self, settlement: &Settlement, now: Timestamp) -> Settled {
        let Settlement { lease, outcome, .. } = settlement;
        let settle = |record: &mut TaskRecord| machine::settle(record, *lease, outcome, now);
        let settled = self.change_stored(lease.task_id, |stored, names| {
            let applied = stored.change(lease.task_id, names, settle).ok()?;
            if applied == Applied::Now
                && let Outcome::Advance(_) | Outcome::Complete { .. } = outcome
                && let Some(payload) = outcome.payload()
            {
                stored.set_result(payload);
            }
            Some((applied, stored.position().state))
        });
        let Some((applied, state)) = settled.flatten() else {
            return Settled::Stale;
        };
        if applied == Applied::Now {
            self.insert(&settlement.follow_ups, now);
        }
        Settled::Applied(state)
    }

    pub(crate) fn cancel(&mut self, id: TaskId, now: Timestamp) -> Cancelled {
        self.change(id, |record| machine::cancel(record, now)).unwrap_or(Cancelled::Unknown)
    }

    pub(crate) fn rescue(&mut self, limit: usize, now: Timestamp) -> Rescued {
        let mut tasks = Vec::new();
        let mut next = self.indexes.first_lease();
        while let Some((_, id)) = next
            && tasks.len() < limit
            && let Some(true) = self.change(id, |record| machine::rescue(record, now))
        {
            tasks.push(id);
            next = self.indexes.first_lease();
        }
        Rescued { tasks, next_in: next.map(|(lapses_at, _)| lapses_at.since(now)) }
    }

    pub(crate) fn prune(&mut self, retention: &Retention, limit: usize, now: Timestamp) -> Pruned {
        let mut pruned = Pruned::default();
        for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
            while let Some(id) = self.indexes.first_ended(state)
                && let Some(at) = self.prunable_at(id, retention)
            {
                if pruned.count == limit || at > now {
                    pruned.note_next(at.since(now));
                    break;
                }
                self.remove(id);
                pruned.count += 1;
            }
        }
        pruned
    }

    fn prunable_at(&self, id: TaskId, retention: &Retention) -> Option<Timestamp> {
        machine::prunable_at(&self.record(id)?, retention)
    }

    fn remove(&mut self, id: TaskId) {
        let Some(stored) = self.tasks.remove(id) else {
            return;
        };
        let position = stored.position();
        self.indexes.place(id, Some(position), None);
        if let Some(key) = stored.idempotency_key() {
            self.keys.remove(&(position.tenant, stored.kind(), key.clone()));
        }
        self.changed.push(id);
    }

    pub(crate) fn get(&self, id: TaskId, part: Part) -> Option<Found> {
        let stored = self.tasks.get(id)?;
        let payload = match part {
            Part::Record => None,
            Part::Input => Some(stored.input()),
            Part::Checkpoint => stored.checkpoint(),
            Part::Output => stored.output(),
        };
        Some(Found { record: stored.record(id, &self.names), payload: payload.cloned() })
    }

    pub(crate) fn record(&self, id: TaskId) -> Option<TaskRecord> {
        Some(self.tasks.get(id)?.record(id, &self.names))
    }

    /// Returns what changed since the last call; without the tasks, if nobody listens to any.
    pub(crate) fn take_news(&mut self, tasks: bool) -> News {
        let mut filled = std::mem::take(&mut self.filled);
        filled.sort_unstable();
        filled.dedup();
        News {
            queues: filled.into_iter().map(|queue| self.names.text(queue)).collect(),
            tasks: if tasks {
                std::mem::take(&mut self.changed)
            } else {
                self.changed.clear();
                Vec::new()
            },
            cancellation: std::mem::take(&mut self.cancellation),
            leased: std::mem::take(&mut self.leased),
        }
    }
}

/// Notes a queue; most batches fill a single one, so comparing with the last keeps the list short.
fn note(queues: &mut Vec<Symbol>, queue: Symbol) {
    if queues.last() != Some(&queue) {
        queues.push(queue);
    }
}
