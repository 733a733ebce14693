//! A whole store of your own: one mutex, one ordered map, and the machine for every decision.
//!
//! It looks through all tasks where a real store has indexes. Everything else is as it must be:
//! each method takes the lock once, so it is atomic; the store's own clock decides; the machine
//! says what happens; hints go out once the lock is released.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_core::{
    Clock, Timestamp,
    machine::{self, Applied, Cancelled},
    model::{
        Cursor, ListOrder, ListQuery, NewTask, Outcome, Page, Retention, Settlement, StateCounts,
        TaskId, TaskRecord, TaskState,
    },
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claimed, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled,
        StoreResult, TaskStore,
    },
};
use async_trait::async_trait;
use bytes::Bytes;

/// A store with one lock around one map.
#[derive(Debug)]
pub struct CustomStore<C> {
    clock: C,
    tasks: Mutex<Tasks>,
    hub: ChangeHub,
}

type Tasks = BTreeMap<TaskId, Entry>;

/// A task with its payloads.
#[derive(Debug)]
struct Entry {
    record: TaskRecord,
    input: Bytes,
    checkpoint: Option<Bytes>,
    output: Option<Bytes>,
}

impl<C: Clock> CustomStore<C> {
    /// Makes an empty store that tells time by `clock`.
    pub fn with_clock(clock: C) -> Self {
        // Nobody but this process changes the map. A store that others change, such as a table that
        // several processes share, takes `ChangeHub::default()`.
        Self { clock, tasks: Mutex::default(), hub: ChangeHub::lossless() }
    }

    /// Runs one atomic operation, and then wakes whoever waits for what it may have changed.
    fn atomically<T>(
        &self,
        operation: impl FnOnce(&mut Tasks, Timestamp, &mut Vec<Topic>) -> T,
    ) -> T {
        let mut topics = Vec::new();
        let answer = {
            let mut tasks = self.lock();
            // Read under the lock: later operations must not have earlier times.
            let now = self.clock.now();
            operation(&mut tasks, now, &mut topics)
        };
        // Only now: whoever wakes up has to see the change.
        for topic in topics {
            self.hub.publish(&topic);
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Inserts a task unless its id or its idempotency key is taken. The id counts first.
fn insert(tasks: &mut Tasks, task: &NewTask, now: Timestamp, topics: &mut Vec<Topic>) -> Inserted {
    let same_key = |entry: &&Entry| {
        task.idempotency_key.is_some()
            && entry.record.idempotency_key == task.idempotency_key
            && entry.record.tenant == task.tenant
            && entry.record.kind == task.kind
    };
    if let Some(entry) = tasks.get(&task.id).or_else(|| tasks.values().find(same_key)) {
        let same_input = entry.input == task.input;
        return Inserted::Existing { id: entry.record.id, same_input };
    }
    let entry = Entry {
        record: machine::insert(task, now),
        input: task.input.clone(),
        checkpoint: task.checkpoint.as_ref().map(|(_, payload)| payload.clone()),
        output: None,
    };
    tasks.insert(task.id, entry);
    topics.extend([Topic::Queue(task.queue.clone()), Topic::Task(task.id)]);
    Inserted::Created
}

/// Settles one attempt: the record, its payload and the follow-up tasks change together or not.
fn settle(
    tasks: &mut Tasks,
    settlement: &Settlement,
    now: Timestamp,
    topics: &mut Vec<Topic>,
) -> Settled {
    let Settlement { lease, outcome, follow_ups } = settlement;
    let Some(entry) = tasks.get_mut(&lease.task_id) else {
        return Settled::Stale;
    };
    let Ok(applied) = machine::settle(&mut entry.record, *lease, outcome, now) else {
        return Settled::Stale;
    };
    let state = entry.record.state;
    // A settlement that was applied before must not insert its follow-ups again.
    if applied == Applied::Now {
        match outcome {
            Outcome::Advance(checkpoint) => entry.checkpoint = Some(checkpoint.payload.clone()),
            Outcome::Complete { output } => {
                entry.checkpoint = None;
                entry.output = Some(output.clone());
            }
            _ => {}
        }
        note(&entry.record, topics);
        for task in follow_ups {
            insert(tasks, task, now, topics);
        }
    }
    Settled::Applied(state)
}

/// Notes who wants to hear that this record changed.
fn note(record: &TaskRecord, topics: &mut Vec<Topic>) {
    topics.push(Topic::Task(record.id));
    if record.state == TaskState::Pending {
        topics.push(Topic::Queue(record.queue.clone()));
    }
}

#[async_trait]
impl<C: Clock> TaskStore for CustomStore<C> {
    async fn insert(&self, batch: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        Ok(self.atomically(|tasks, now, topics| {
            batch.iter().map(|task| insert(tasks, task, now, topics)).collect()
        }))
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        Ok(self.lock().get(&id).map(|entry| {
            let payload = match part {
                Part::Record => None,
                Part::Input => Some(entry.input.clone()),
                Part::Checkpoint => entry.checkpoint.clone(),
                Part::Output => entry.output.clone(),
            };
            Found { record: entry.record.clone(), payload }
        }))
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        let tasks = self.lock();
        let mut matching: Vec<&TaskRecord> = tasks.values().map(|entry| &entry.record).collect();
        matching.retain(|record| query.filter.matches(record));
        if query.order == ListOrder::NewestFirst {
            matching.reverse();
        }
        let counts = query.counts.then(|| {
            let mut counts = StateCounts::default();
            matching.iter().for_each(|record| counts.add(record.state));
            counts
        });
        if let Some(Cursor { after }) = query.cursor {
            matching.retain(|record| match query.order {
                ListOrder::NewestFirst => record.id < after,
                ListOrder::OldestFirst => record.id > after,
            });
        }
        let more = matching.len() > query.limit;
        matching.truncate(query.limit);
        let last = matching.last().map(|record| Cursor { after: record.id });
        let next = if more { last.or(query.cursor) } else { None };
        Ok(Page { tasks: matching.into_iter().cloned().collect(), next, counts })
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        Ok(self.atomically(|tasks, now, topics| {
            let mut waiting: Vec<&mut Entry> = tasks
                .values_mut()
                .filter(|entry| entry.record.state == TaskState::Pending)
                .filter(|entry| entry.record.queue == request.queue)
                .collect();
            waiting.sort_by_key(|Entry { record, .. }| {
                (Reverse(record.priority), record.run_at, record.id)
            });
            let mut claims = Claims::default();
            let mut next_due: Option<Timestamp> = None;
            for entry in waiting {
                let record = &mut entry.record;
                if claims.tasks.len() < request.limit
                    && machine::claim(record, request.worker, request.lease_for, now).is_ok()
                {
                    note(record, topics);
                    let payload = entry.checkpoint.as_ref().unwrap_or(&entry.input).clone();
                    claims.tasks.push(Claimed { record: Box::new(record.clone()), payload });
                } else {
                    next_due = Some(next_due.map_or(record.run_at, |due| due.min(record.run_at)));
                }
            }
            if !claims.tasks.is_empty() {
                topics.push(Topic::Lease);
            }
            claims.next_due_in = next_due.map(|due| due.since(now));
            claims
        }))
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        let beat = |tasks: &mut Tasks, beat: &Beat, now, topics: &mut Vec<Topic>| {
            let Some(entry) = tasks.get_mut(&beat.lease.task_id) else {
                return Pulse::Lost;
            };
            let report = beat.progress.as_ref();
            match machine::heartbeat(&mut entry.record, beat.lease, lease_for, report, now) {
                Ok(cancel_requested) => {
                    note(&entry.record, topics);
                    if cancel_requested { Pulse::CancelRequested } else { Pulse::Alive }
                }
                Err(_) => Pulse::Lost,
            }
        };
        Ok(self.atomically(|tasks, now, topics| {
            beats.iter().map(|item| beat(tasks, item, now, topics)).collect()
        }))
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        Ok(self.atomically(|tasks, now, topics| {
            settlements.iter().map(|item| settle(tasks, item, now, topics)).collect()
        }))
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        Ok(self.atomically(|tasks, now, topics| {
            let Some(entry) = tasks.get_mut(&id) else {
                return Cancelled::Unknown;
            };
            let cancelled = machine::cancel(&mut entry.record, now);
            note(&entry.record, topics);
            if cancelled == Cancelled::Requested {
                topics.push(Topic::Cancellation);
            }
            cancelled
        }))
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        Ok(self.atomically(|tasks, now, topics| {
            let mut rescued = Rescued::default();
            for Entry { record, .. } in tasks.values_mut() {
                if rescued.tasks.len() < limit && machine::rescue(record, now) {
                    rescued.tasks.push(record.id);
                    note(record, topics);
                }
            }
            let leases = tasks.values().filter_map(|entry| entry.record.lease);
            rescued.next_in = leases.map(|holder| holder.expires_at.since(now)).min();
            rescued
        }))
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        Ok(self.atomically(|tasks, now, topics| {
            let prunable =
                tasks.values().filter(|entry| machine::is_prunable(&entry.record, retention, now));
            let ids: Vec<TaskId> = prunable.map(|entry| entry.record.id).take(limit).collect();
            for id in &ids {
                tasks.remove(id);
                topics.push(Topic::Task(*id));
            }
            let kept = tasks.values();
            let next = kept.filter_map(|entry| machine::prunable_at(&entry.record, retention));
            Pruned { count: ids.len(), next_in: next.min().map(|at| at.since(now)) }
        }))
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.hub.subscribe(topic)
    }
}
