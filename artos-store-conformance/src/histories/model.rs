//! The model: a map of records and the machine, with linear scans instead of indexes.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use artos_core::{
    Timestamp,
    machine::{self, Applied, Cancelled},
    model::{
        ListOrder, ListQuery, NewTask, Outcome, Retention, Settlement, StateCounts, TaskId,
        TaskRecord, TaskState,
    },
    store::{Beat, Claim, Claimed, Claims, Inserted, Part, Pulse, Settled},
};
use bytes::Bytes;

/// Everything a store should know.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) tasks: BTreeMap<TaskId, Entry>,
}

/// One task with its payloads.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: TaskRecord,
    input: Bytes,
    checkpoint: Option<Bytes>,
    output: Option<Bytes>,
}

impl Entry {
    pub(super) fn payload(&self, part: Part) -> Option<Bytes> {
        match part {
            Part::Record => None,
            Part::Input => Some(self.input.clone()),
            Part::Checkpoint => self.checkpoint.clone(),
            Part::Output => self.output.clone(),
        }
    }
}

impl Model {
    pub(super) fn insert(&mut self, tasks: &[NewTask], now: Timestamp) -> Vec<Inserted> {
        tasks.iter().map(|task| self.insert_one(task, now)).collect()
    }

    fn insert_one(&mut self, task: &NewTask, now: Timestamp) -> Inserted {
        let same_key = |entry: &&Entry| {
            task.idempotency_key.is_some()
                && entry.record.idempotency_key == task.idempotency_key
                && entry.record.tenant == task.tenant
                && entry.record.kind == task.kind
        };
        let by_id = self.tasks.get(&task.id);
        if let Some(entry) = by_id.or_else(|| self.tasks.values().find(same_key)) {
            return Inserted::Existing {
                id: entry.record.id,
                same_input: entry.input == task.input,
            };
        }
        let entry = Entry {
            record: machine::insert(task, now),
            input: task.input.clone(),
            checkpoint: task.checkpoint.as_ref().map(|(_, payload)| payload.clone()),
            output: None,
        };
        self.tasks.insert(task.id, entry);
        Inserted::Created
    }

    pub(super) fn claim(&mut self, request: &Claim, now: Timestamp) -> Claims {
        let waits = |record: &TaskRecord| {
            record.state == TaskState::Pending && record.queue == request.queue
        };
        let mut due: Vec<&mut Entry> = self
            .tasks
            .values_mut()
            .filter(|entry| waits(&entry.record) && entry.record.run_at <= now)
            .collect();
        due.sort_by_key(|entry| {
            let record = &entry.record;
            (Reverse(record.priority), record.run_at, record.id)
        });
        let mut tasks = Vec::new();
        for entry in due.into_iter().take(request.limit) {
            machine::claim(&mut entry.record, request.worker, request.lease_for, now).unwrap();
            tasks.push(Claimed {
                record: Box::new(entry.record.clone()),
                payload: entry.checkpoint.as_ref().unwrap_or(&entry.input).clone(),
            });
        }
        let waiting = self.tasks.values().filter(|entry| waits(&entry.record));
        let next = waiting.map(|entry| entry.record.run_at).min();
        Claims { tasks, next_due_in: next.map(|next| next.since(now)) }
    }

    pub(super) fn heartbeat(
        &mut self,
        lease_for: Duration,
        beats: &[Beat],
        now: Timestamp,
    ) -> Vec<Pulse> {
        let mut beat = |beat: &Beat| {
            let Some(entry) = self.tasks.get_mut(&beat.lease.task_id) else {
                return Pulse::Lost;
            };
            let report = beat.progress.as_ref();
            match machine::heartbeat(&mut entry.record, beat.lease, lease_for, report, now) {
                Ok(false) => Pulse::Alive,
                Ok(true) => Pulse::CancelRequested,
                Err(_) => Pulse::Lost,
            }
        };
        beats.iter().map(&mut beat).collect()
    }

    pub(super) fn settle(&mut self, items: &[Settlement], now: Timestamp) -> Vec<Settled> {
        items.iter().map(|item| self.settle_one(item, now)).collect()
    }

    fn settle_one(&mut self, item: &Settlement, now: Timestamp) -> Settled {
        let Some(entry) = self.tasks.get_mut(&item.lease.task_id) else {
            return Settled::Stale;
        };
        let Ok(applied) = machine::settle(&mut entry.record, item.lease, &item.outcome, now) else {
            return Settled::Stale;
        };
        let state = entry.record.state;
        if applied == Applied::Now {
            match &item.outcome {
                Outcome::Advance(checkpoint) => entry.checkpoint = Some(checkpoint.payload.clone()),
                Outcome::Complete { output } => {
                    entry.checkpoint = None;
                    entry.output = Some(output.clone());
                }
                _ => {}
            }
            self.insert(&item.follow_ups, now);
        }
        Settled::Applied(state)
    }

    pub(super) fn cancel(&mut self, id: TaskId, now: Timestamp) -> Cancelled {
        self.tasks
            .get_mut(&id)
            .map_or(Cancelled::Unknown, |entry| machine::cancel(&mut entry.record, now))
    }

    /// Returns the tasks whose leases lapsed. Which of them a limited rescue takes is the store's
    /// choice, so the model follows it.
    pub(super) fn lapsed(&self, now: Timestamp) -> Vec<TaskId> {
        let lapsed = |record: &TaskRecord| machine::rescue(&mut record.clone(), now);
        let entries = self.tasks.iter();
        entries.filter(|(_, entry)| lapsed(&entry.record)).map(|(id, _)| *id).collect()
    }

    pub(super) fn rescue(&mut self, ids: &[TaskId], now: Timestamp) {
        for id in ids {
            if let Some(entry) = self.tasks.get_mut(id) {
                machine::rescue(&mut entry.record, now);
            }
        }
    }

    /// Returns how long until the next lease lapses.
    pub(super) fn next_lapse_in(&self, now: Timestamp) -> Option<Duration> {
        let leases = self.tasks.values().filter_map(|entry| entry.record.lease);
        leases.map(|holder| holder.expires_at.since(now)).min()
    }

    /// Returns the tasks past their retention. Which of them a limited prune takes is the store's
    /// choice, too.
    pub(super) fn prunable(&self, retention: &Retention, now: Timestamp) -> Vec<TaskId> {
        let entries = self.tasks.iter();
        entries
            .filter(|(_, entry)| machine::is_prunable(&entry.record, retention, now))
            .map(|(id, _)| *id)
            .collect()
    }

    pub(super) fn next_prune_in(&self, retention: &Retention, now: Timestamp) -> Option<Duration> {
        let records = self.tasks.values().map(|entry| &entry.record);
        let times = records.filter_map(|record| machine::prunable_at(record, retention));
        times.min().map(|at| at.since(now))
    }

    pub(super) fn list(&self, query: &ListQuery) -> (Vec<TaskRecord>, StateCounts) {
        let records = self.tasks.values().map(|entry| entry.record.clone());
        let mut matching: Vec<_> = records.filter(|record| query.filter.matches(record)).collect();
        if query.order == ListOrder::NewestFirst {
            matching.reverse();
        }
        let mut counts = StateCounts::default();
        for record in &matching {
            counts.add(record.state);
        }
        (matching, counts)
    }
}
