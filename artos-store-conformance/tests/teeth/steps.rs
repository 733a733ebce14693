//! The steps of the flawed store, where most of its mistakes are made.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use artos_core::{
    Timestamp,
    machine::{self, Applied},
    model::{
        Lease, LeaseHolder, NewTask, Outcome, OutcomeKind, Settlement, TaskId, TaskRecord,
        TaskState, WorkerId,
    },
    notify::Topic,
    store::{Claim, Claimed, Claims, Inserted, Settled},
};
use bytes::Bytes;

use crate::{
    flaw::Flaw,
    flawed_store::{Entry, FlawedStore, Tasks},
};

impl FlawedStore {
    fn same_key(&self, task: &NewTask, record: &TaskRecord) -> bool {
        task.idempotency_key.is_some()
            && record.idempotency_key == task.idempotency_key
            && (record.tenant == task.tenant || self.has(Flaw::KeyIgnoresTenant))
            && (record.kind == task.kind || self.has(Flaw::KeyIgnoresKind))
            && !(record.is_terminal() && self.has(Flaw::KeyFreedAtTheEnd))
    }

    fn kept(&self, payload: &Bytes) -> Bytes {
        if self.has(Flaw::PayloadIsCutOff) {
            payload.slice(..payload.len().min(64 * 1024))
        } else if self.has(Flaw::PayloadIsText) {
            Bytes::from(String::from_utf8_lossy(payload).into_owned())
        } else {
            payload.clone()
        }
    }

    pub(crate) fn insert_one(
        &self,
        tasks: &mut Tasks,
        task: &NewTask,
        now: Timestamp,
        check: impl Fn(TaskId) -> bool,
    ) -> Inserted {
        let by_key = || {
            let left = tasks.left_behind.iter().find(|left| {
                left.idempotency_key == task.idempotency_key && left.kind == task.kind
            });
            let same =
                |entry: &&Entry| check(entry.record.id) && self.same_key(task, &entry.record);
            let entry = tasks.entries.values().find(same);
            entry.map(|entry| (entry.record.id, &entry.input)).or(left.map(|l| (l.id, &l.input)))
        };
        let by_id = tasks.entries.get(&task.id).map(|entry| (task.id, &entry.input));
        if let Some((id, input)) = by_id.or_else(by_key)
            && !self.has(Flaw::InsertOverwrites)
        {
            let same_input = *input == task.input || self.has(Flaw::InputNotCompared);
            return Inserted::Existing { id, same_input };
        }
        let checkpoint = task.checkpoint.as_ref().map(|(_, payload)| self.kept(payload));
        let input = self.kept(&task.input);
        let record = machine::insert(task, now);
        tasks.entries.insert(task.id, Entry { record, input, checkpoint, output: None });
        tasks.topics.extend([Topic::Queue(task.queue.clone()), Topic::Task(task.id)]);
        Inserted::Created
    }

    /// Inserts the records of a batch; the inputs are to follow.
    pub(crate) fn insert_without_input(
        &self,
        tasks: &mut Tasks,
        batch: &[NewTask],
        now: Timestamp,
    ) -> InputsToFollow {
        let answers: Vec<_> =
            batch.iter().map(|task| self.insert_one(tasks, task, now, |_| true)).collect();
        for (task, answer) in batch.iter().zip(&answers) {
            if *answer == Inserted::Created {
                tasks.entries.get_mut(&task.id).unwrap().input = Bytes::new();
            }
        }
        InputsToFollow { answers }
    }

    /// The lease and the time that the fence gets to see.
    pub(crate) fn fence(
        &self,
        workers: &BTreeMap<Lease, WorkerId>,
        record: &TaskRecord,
        lease: Lease,
        now: Timestamp,
        ignores_epoch: Flaw,
        ignores_lapse: Flaw,
    ) -> (Lease, Timestamp) {
        let same_worker = record.lease.map(|holder| holder.worker) == workers.get(&lease).copied();
        let ignores = self.has(ignores_epoch) || self.has(Flaw::FencesByWorker) && same_worker;
        let epoch = if ignores { record.epoch } else { lease.epoch };
        let now = match record.lease {
            Some(holder) if self.has(ignores_lapse) => {
                now.min(holder.expires_at.before(Duration::from_micros(1)))
            }
            _ => now,
        };
        (Lease { epoch, ..lease }, now)
    }

    pub(crate) fn settle_one(
        &self,
        tasks: &mut Tasks,
        item: &Settlement,
        now: Timestamp,
    ) -> (Settled, bool) {
        let id = item.lease.task_id;
        let Some(entry) = tasks.entries.get_mut(&id) else {
            return (Settled::Stale, false);
        };
        let (lease, seen) = self.fence(
            &tasks.workers,
            &entry.record,
            item.lease,
            now,
            Flaw::SettleIgnoresEpoch,
            Flaw::SettleIgnoresLapse,
        );
        let mut outcome = item.outcome.clone();
        if let Outcome::Advance(checkpoint) = &mut outcome
            && self.has(Flaw::CheckpointIgnoresStage)
        {
            checkpoint.from.clone_from(&entry.record.stage);
        }
        let before = entry.record.clone();
        let settled = machine::settle(&mut entry.record, lease, &outcome, seen);
        match settled {
            Ok(Applied::Now) => {
                self.spoil_record(&before, &mut entry.record, &outcome);
                self.spoil_payloads(entry, &outcome);
                self.note(tasks, id);
            }
            Ok(Applied::Before) if self.has(Flaw::RepetitionIsStale) => {
                return (Settled::Stale, false);
            }
            Ok(Applied::Before) if self.has(Flaw::RepetitionOverwritesPayload) => {
                self.spoil_payloads(entry, &outcome);
            }
            _ => {}
        }
        let inserts = match settled {
            Ok(Applied::Now) => {
                matches!(outcome, Outcome::Complete { .. })
                    || !self.has(Flaw::FollowUpsOnlyOnCompletion)
            }
            Ok(Applied::Before) => self.has(Flaw::RepetitionInsertsFollowUps),
            Err(_) => self.has(Flaw::StaleInsertsFollowUps),
        };
        let state = tasks.entries[&id].record.state;
        (settled.map_or(Settled::Stale, |_| Settled::Applied(state)), inserts)
    }

    fn spoil_record(&self, before: &TaskRecord, after: &mut TaskRecord, outcome: &Outcome) {
        let wrong = match outcome {
            Outcome::Retry { .. } => self.has(Flaw::RetryIgnoresDelay),
            _ => false,
        };
        if wrong {
            after.run_at = after.updated_at;
        }
        let charges = match outcome {
            Outcome::Snooze { .. } => self.has(Flaw::SnoozeCharges),
            Outcome::Interrupt => self.has(Flaw::InterruptCharges),
            Outcome::Advance(_) => self.has(Flaw::AdvanceKeepsAttempts),
            _ => false,
        };
        if charges {
            after.attempt = before.attempt;
        }
        let undone = matches!(outcome, Outcome::Complete { .. }) && before.cancel_requested;
        if undone && self.has(Flaw::WishUndoesCompletion) {
            after.state = TaskState::Cancelled;
        }
        let waits = matches!(outcome, Outcome::Retry { .. }) && before.cancel_requested;
        if waits && self.has(Flaw::RetryForgetsWish) {
            after.state = TaskState::Pending;
            after.finished_at = None;
        }
    }

    fn spoil_payloads(&self, entry: &mut Entry, outcome: &Outcome) {
        match outcome {
            Outcome::Advance(checkpoint) => {
                entry.checkpoint = Some(self.kept(&checkpoint.payload));
            }
            Outcome::Complete { output } => {
                if !self.has(Flaw::CompletionKeepsCheckpoint) {
                    entry.checkpoint = None;
                }
                entry.output = Some(self.kept(output));
                if self.has(Flaw::CompletionLosesOutput) {
                    entry.output = None;
                }
            }
            Outcome::Fail { .. } if self.has(Flaw::FailureDropsCheckpoint) => {
                entry.checkpoint = None;
            }
            _ => {}
        }
    }

    pub(crate) fn insert_follow_ups(&self, tasks: &mut Tasks, item: &Settlement, now: Timestamp) {
        if self.has(Flaw::RepetitionInsertsFollowUps) {
            for task in &item.follow_ups {
                tasks.entries.remove(&task.id);
            }
        }
        for task in &item.follow_ups {
            self.insert_one(tasks, task, now, |_| !self.has(Flaw::FollowUpsIgnoreKeys));
        }
    }

    /// Returns the tasks to claim, in order.
    pub(crate) fn due(&self, tasks: &Tasks, request: &Claim, now: Timestamp) -> Vec<TaskId> {
        let mut due: Vec<&TaskRecord> = tasks
            .entries
            .values()
            .map(|entry| &entry.record)
            .filter(|record| record.queue == request.queue || self.has(Flaw::ClaimIgnoresQueue))
            .filter(|record| match record.state {
                TaskState::Pending => record.run_at <= now || self.has(Flaw::ClaimIgnoresRunAt),
                TaskState::Running => {
                    let lapsed = record.lease.is_some_and(|holder| holder.expires_at <= now);
                    lapsed && self.has(Flaw::ClaimTakesLapsed)
                }
                _ => false,
            })
            .filter(|record| {
                let retries = record.settled_by == Some(OutcomeKind::Retry);
                let before = tasks.workers.get(&record.lease_token());
                !(self.has(Flaw::RetryBelongsToItsWorker) && retries)
                    || before == Some(&request.worker)
            })
            .collect();
        due.sort_by_key(|record| {
            let priority = if self.has(Flaw::ClaimIgnoresPriority) { 0 } else { record.priority };
            let time = self.has(Flaw::ClaimIgnoresOrderOfTime);
            (Reverse(priority), if time { now } else { record.run_at }, record.id)
        });
        let limit = request.limit + usize::from(self.has(Flaw::ClaimExceedsLimit));
        due.into_iter().take(limit).map(|record| record.id).collect()
    }

    pub(crate) fn lease(
        &self,
        tasks: &mut Tasks,
        ids: Vec<TaskId>,
        request: &Claim,
        now: Timestamp,
    ) -> Claims {
        if self.has(Flaw::ClaimEndsOlderLeasesOfItsWorker) {
            let records = tasks.entries.values_mut().map(|entry| &mut entry.record);
            for record in records {
                if let Some(holder) = record.lease.filter(|held| held.worker == request.worker) {
                    record.lease = Some(LeaseHolder { expires_at: now, ..holder });
                    machine::rescue(record, now);
                }
            }
        }
        let mut claims = Claims::default();
        for id in ids {
            let entry = tasks.entries.get_mut(&id).unwrap();
            let before = entry.record.clone();
            entry.record.state = TaskState::Pending;
            entry.record.run_at = before.run_at.min(now);
            machine::claim(&mut entry.record, request.worker, request.lease_for, now).unwrap();
            entry.record.run_at = before.run_at;
            tasks.workers.insert(entry.record.lease_token(), request.worker);
            if self.has(Flaw::ClaimChargesNothing) {
                entry.record.attempt = before.attempt;
            }
            let old = self.has(Flaw::ClaimReturnsOldRecord);
            let record = if old { before } else { entry.record.clone() };
            let checkpoint = entry.checkpoint.as_ref();
            let checkpoint = checkpoint.filter(|_| !self.has(Flaw::ClaimForgetsCheckpoint));
            let payload = checkpoint.unwrap_or(&entry.input).clone();
            claims.tasks.push(Claimed { record: Box::new(record), payload });
            self.note(tasks, id);
            if !self.has(Flaw::ClaimWakesNobody) {
                tasks.topics.push(Topic::Lease);
            }
        }
        let records = tasks.entries.values().map(|entry| &entry.record);
        let waiting = records
            .filter(|record| record.state == TaskState::Pending && record.queue == request.queue)
            .filter(|record| record.run_at <= now || !self.has(Flaw::NextDueIgnoresLaterTasks));
        claims.next_due_in = waiting.map(|record| record.run_at.since(now)).min();
        claims
    }
}

/// What an insert in two steps still has to do.
pub(crate) struct InputsToFollow {
    answers: Vec<Inserted>,
}

impl InputsToFollow {
    pub(crate) fn finish(self, tasks: &mut Tasks, batch: &[NewTask]) -> Vec<Inserted> {
        for (task, answer) in batch.iter().zip(&self.answers) {
            if let (Inserted::Created, Some(entry)) = (answer, tasks.entries.get_mut(&task.id)) {
                entry.input = task.input.clone();
            }
        }
        self.answers
    }
}

pub(crate) fn left_behind(entry: Entry) -> NewTask {
    NewTask {
        tenant: entry.record.tenant,
        labels: entry.record.labels,
        idempotency_key: entry.record.idempotency_key,
        ..NewTask::new(entry.record.id, entry.record.kind, entry.record.queue, entry.input)
    }
}
