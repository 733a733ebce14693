//! A naive store that makes one chosen mistake, and is right otherwise.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use artos_core::{
    Clock, Timestamp,
    machine::{self, Applied, Cancelled},
    model::{
        Cursor, Lease, ListOrder, ListQuery, NewTask, Outcome, Page, Retention, Settlement,
        StateCounts, TaskId, TaskRecord, TaskState,
    },
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claimed, Claims, Found, Inserted, Part, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use artos_store_conformance::ManualClock;
use async_trait::async_trait;
use bytes::Bytes;

use crate::flaw::Flaw;

#[derive(Debug)]
pub(crate) struct FlawedStore {
    flaw: Option<Flaw>,
    clock: ManualClock,
    tasks: Mutex<Tasks>,
    hub: ChangeHub,
}

#[derive(Debug, Default)]
struct Tasks {
    entries: BTreeMap<TaskId, Entry>,
    /// What pruned tasks leave behind, if they do.
    left_behind: Vec<NewTask>,
    topics: Vec<Topic>,
}

#[derive(Debug)]
struct Entry {
    record: TaskRecord,
    input: Bytes,
    checkpoint: Option<Bytes>,
    output: Option<Bytes>,
}

impl FlawedStore {
    pub(crate) fn new(flaw: Option<Flaw>, clock: ManualClock) -> Self {
        Self { flaw, clock, tasks: Mutex::default(), hub: ChangeHub::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap()
    }

    fn atomically<T>(&self, operation: impl FnOnce(&mut Tasks, Timestamp) -> T) -> T {
        let mut tasks = self.lock();
        let answer = operation(&mut tasks, self.clock.now());
        let topics = std::mem::take(&mut tasks.topics);
        drop(tasks);
        for topic in topics {
            self.hub.publish(&topic);
        }
        answer
    }

    /// Gives those who listen their hint too early, and a chance to look.
    async fn wake_early(&self, ids: impl Iterator<Item = TaskId>) {
        if self.has(Flaw::WakesBeforeTheChange) {
            for id in ids {
                self.hub.publish(&Topic::Task(id));
            }
            tokio::task::yield_now().await;
        }
    }

    fn note(&self, tasks: &mut Tasks, id: TaskId) {
        let record = &tasks.entries[&id].record;
        if record.state == TaskState::Pending && !self.has(Flaw::WaitingWakesNobody) {
            tasks.topics.push(Topic::Queue(record.queue.clone()));
        }
        if !self.has(Flaw::WakesBeforeTheChange) {
            tasks.topics.push(Topic::Task(id));
        }
    }

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

    fn insert_one(
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

    /// The lease and the time that the fence gets to see.
    fn fence(
        &self,
        record: &TaskRecord,
        lease: Lease,
        now: Timestamp,
        ignores_epoch: Flaw,
        ignores_lapse: Flaw,
    ) -> (Lease, Timestamp) {
        let epoch = if self.has(ignores_epoch) { record.epoch } else { lease.epoch };
        let now = match record.lease {
            Some(holder) if self.has(ignores_lapse) => {
                now.min(holder.expires_at.before(Duration::from_micros(1)))
            }
            _ => now,
        };
        (Lease { epoch, ..lease }, now)
    }

    fn settle_one(&self, tasks: &mut Tasks, item: &Settlement, now: Timestamp) -> (Settled, bool) {
        let id = item.lease.task_id;
        let Some(entry) = tasks.entries.get_mut(&id) else {
            return (Settled::Stale, false);
        };
        let (lease, seen) = self.fence(
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

    fn insert_follow_ups(&self, tasks: &mut Tasks, item: &Settlement, now: Timestamp) {
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
    fn due(&self, tasks: &Tasks, request: &Claim, now: Timestamp) -> Vec<TaskId> {
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
            .collect();
        due.sort_by_key(|record| {
            let priority = if self.has(Flaw::ClaimIgnoresPriority) { 0 } else { record.priority };
            let time = self.has(Flaw::ClaimIgnoresOrderOfTime);
            (Reverse(priority), if time { now } else { record.run_at }, record.id)
        });
        let limit = request.limit + usize::from(self.has(Flaw::ClaimExceedsLimit));
        due.into_iter().take(limit).map(|record| record.id).collect()
    }

    fn lease(
        &self,
        tasks: &mut Tasks,
        ids: Vec<TaskId>,
        request: &Claim,
        now: Timestamp,
    ) -> Claims {
        let mut claims = Claims::default();
        for id in ids {
            let entry = tasks.entries.get_mut(&id).unwrap();
            let before = entry.record.clone();
            entry.record.state = TaskState::Pending;
            entry.record.run_at = before.run_at.min(now);
            machine::claim(&mut entry.record, request.worker, request.lease_for, now).unwrap();
            entry.record.run_at = before.run_at;
            if self.has(Flaw::ClaimChargesNothing) {
                entry.record.attempt = before.attempt;
            }
            let old = self.has(Flaw::ClaimReturnsOldRecord);
            let record = if old { before } else { entry.record.clone() };
            let checkpoint = entry.checkpoint.as_ref();
            let checkpoint = checkpoint.filter(|_| !self.has(Flaw::ClaimForgetsCheckpoint));
            let payload = checkpoint.unwrap_or(&entry.input).clone();
            claims.tasks.push(Claimed { record, payload });
            self.note(tasks, id);
        }
        let records = tasks.entries.values().map(|entry| &entry.record);
        let waiting = records
            .filter(|record| record.state == TaskState::Pending && record.queue == request.queue)
            .filter(|record| record.run_at <= now || !self.has(Flaw::NextDueIgnoresLaterTasks));
        claims.next_due_in = waiting.map(|record| record.run_at.since(now)).min();
        claims
    }
}

#[async_trait]
impl TaskStore for FlawedStore {
    async fn insert(&self, batch: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        Ok(self.atomically(|tasks, now| {
            let old: Vec<_> = tasks.entries.keys().copied().collect();
            let checks = |id| !self.has(Flaw::KeyIgnoresOwnBatch) || old.contains(&id);
            batch.iter().map(|task| self.insert_one(tasks, task, now, checks)).collect()
        }))
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        Ok(self.lock().entries.get(&id).map(|entry| {
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
        let mut filter = query.filter.clone();
        if self.has(Flaw::ListIgnoresTenant) {
            filter.tenant = None;
        }
        let labels = filter.labels.clone();
        if self.has(Flaw::ListWantsAnyLabel) {
            filter.labels.clear();
        }
        let mut matching: Vec<_> = tasks.entries.values().map(|entry| &entry.record).collect();
        matching.retain(|record| {
            let has = |(key, value)| record.labels.get(key) == Some(value);
            let any = labels.iter().map(|(key, value)| (key, value)).any(has) || labels.is_empty();
            filter.matches(record) && any
        });
        let mut order = query.order;
        if self.has(Flaw::ListIgnoresOrder) {
            order = ListOrder::NewestFirst;
        }
        if order == ListOrder::NewestFirst {
            matching.reverse();
        }
        let mut counts = StateCounts::default();
        if !self.has(Flaw::CountsOfPageOnly) {
            matching.iter().for_each(|record| counts.add(record.state));
        }
        if let Some(Cursor { after }) = query.cursor {
            let repeats = self.has(Flaw::CursorRepeatsTask);
            if self.has(Flaw::CursorCountsTasks) {
                let seen = after.as_uuid().as_u128();
                matching.drain(..matching.len().min(usize::try_from(seen).unwrap()));
            } else {
                matching.retain(|record| match order {
                    ListOrder::NewestFirst => record.id < after || repeats && record.id == after,
                    ListOrder::OldestFirst => record.id > after || repeats && record.id == after,
                });
            }
        }
        let more = matching.len() > query.limit;
        matching.truncate(query.limit);
        if self.has(Flaw::CountsOfPageOnly) {
            matching.iter().for_each(|record| counts.add(record.state));
        }
        let mut last = matching.last().map(|record| Cursor { after: record.id });
        if self.has(Flaw::CursorCountsTasks) {
            let before = query.cursor.map_or(0, |cursor| cursor.after.as_uuid().as_u128());
            let seen = before + matching.len() as u128;
            last = Some(Cursor { after: TaskId::from_uuid(uuid::Uuid::from_u128(seen)) });
        }
        let next = if more { last.or(query.cursor) } else { None };
        let counts = query.counts.then_some(counts);
        Ok(Page { tasks: matching.into_iter().cloned().collect(), next, counts })
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        if self.has(Flaw::ClaimInTwoSteps) {
            let due = self.atomically(|tasks, now| self.due(tasks, request, now));
            tokio::task::yield_now().await;
            return Ok(self.atomically(|tasks, now| self.lease(tasks, due, request, now)));
        }
        Ok(self.atomically(|tasks, now| {
            let due = self.due(tasks, request, now);
            self.lease(tasks, due, request, now)
        }))
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.wake_early(beats.iter().map(|beat| beat.lease.task_id)).await;
        let one = |tasks: &mut Tasks, beat: &Beat, now| {
            let id = beat.lease.task_id;
            let Some(entry) = tasks.entries.get_mut(&id) else {
                return Pulse::Lost;
            };
            let record = &mut entry.record;
            let (lease, seen) = self.fence(
                record,
                beat.lease,
                now,
                Flaw::HeartbeatIgnoresEpoch,
                Flaw::HeartbeatIgnoresLapse,
            );
            let report = beat.progress.as_ref();
            let answer = machine::heartbeat(record, lease, lease_for, report, seen);
            if answer.is_ok() {
                record.revision += u64::from(self.has(Flaw::HeartbeatRaisesRevision));
                if let (Some(found), Some(report)) = (&mut record.progress, report)
                    && self.has(Flaw::ProgressKeepsWorkersTime)
                {
                    found.updated_at = report.updated_at;
                }
            } else if report.is_some() && self.has(Flaw::LostHeartbeatLeavesProgress) {
                record.progress = report.cloned();
            }
            self.note(tasks, id);
            match answer {
                Ok(true) if !self.has(Flaw::HeartbeatHidesWish) => Pulse::CancelRequested,
                Ok(_) => Pulse::Alive,
                Err(_) => Pulse::Lost,
            }
        };
        Ok(self.atomically(|tasks, now| beats.iter().map(|beat| one(tasks, beat, now)).collect()))
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        if self.has(Flaw::FollowUpsInAStepOfTheirOwn) {
            let mut answers = Vec::new();
            for item in settlements {
                let (settled, inserts) =
                    self.atomically(|tasks, now| self.settle_one(tasks, item, now));
                tokio::task::yield_now().await;
                if inserts {
                    self.atomically(|tasks, now| self.insert_follow_ups(tasks, item, now));
                }
                answers.push(settled);
            }
            return Ok(answers);
        }
        Ok(self.atomically(|tasks, now| {
            let mut answers = Vec::new();
            for item in settlements {
                let ended = self.has(Flaw::StaleItemEndsTheBatch);
                if ended && answers.contains(&Settled::Stale) {
                    answers.push(Settled::Stale);
                    continue;
                }
                let (settled, inserts) = self.settle_one(tasks, item, now);
                if inserts {
                    self.insert_follow_ups(tasks, item, now);
                }
                answers.push(settled);
            }
            answers
        }))
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        Ok(self.atomically(|tasks, now| {
            let Some(entry) = tasks.entries.get_mut(&id) else {
                return Cancelled::Unknown;
            };
            let record = &mut entry.record;
            let cancelled = machine::cancel(record, now);
            if cancelled == Cancelled::Requested && self.has(Flaw::CancelEndsRunningTask) {
                record.state = TaskState::Cancelled;
                record.lease = None;
                record.finished_at = Some(now);
            }
            if record.is_terminal() && self.has(Flaw::CancelChangesTerminalTask) {
                record.updated_at = now;
            }
            if cancelled == Cancelled::Requested {
                tasks.topics.push(Topic::Cancellation);
            }
            self.note(tasks, id);
            cancelled
        }))
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        Ok(self.atomically(|tasks, now| {
            let mut rescued = Rescued::default();
            let ids: Vec<_> = tasks.entries.keys().copied().collect();
            for id in ids {
                let record = &mut tasks.entries.get_mut(&id).unwrap().record;
                if rescued.tasks.len() >= limit && !self.has(Flaw::RescueIgnoresLimit) {
                    break;
                }
                let (epoch, attempt) = (record.epoch, record.attempt);
                if self.has(Flaw::RescueForgetsWish)
                    && record.lease.is_some_and(|holder| holder.expires_at <= now)
                {
                    record.cancel_requested = false;
                }
                let seen = if self.has(Flaw::RescueTakesLiveLeases) { Timestamp::MAX } else { now };
                if !machine::rescue(record, seen) {
                    continue;
                }
                if self.has(Flaw::RescueKeepsEpoch) {
                    record.epoch = epoch;
                }
                if self.has(Flaw::RescueGivesAttemptBack) {
                    record.attempt = attempt - 1;
                }
                rescued.tasks.push(id);
                if !self.has(Flaw::RescueWakesNobody) {
                    self.note(tasks, id);
                }
            }
            let leases = tasks.entries.values().filter_map(|entry| entry.record.lease);
            let leases = leases.filter(|_| !self.has(Flaw::RescueHidesNext));
            rescued.next_in = leases.map(|holder| holder.expires_at.since(now)).min();
            rescued
        }))
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<usize> {
        let mut retention = *retention;
        if self.has(Flaw::PruneKnowsOneRetention) {
            retention = Retention::all(retention.completed);
        }
        let limit = if self.has(Flaw::PruneIgnoresLimit) { usize::MAX } else { limit };
        let prunable = |record: &TaskRecord, now| {
            let old = record.created_at + retention.completed <= now;
            machine::is_prunable(record, &retention, now)
                || self.has(Flaw::PruneTakesLiveTasks) && old
        };
        Ok(self.atomically(|tasks, now| {
            let records = tasks.entries.values().map(|entry| &entry.record);
            let prunable = records.filter(|record| prunable(record, now));
            let ids: Vec<_> = prunable.take(limit).map(|record| record.id).collect();
            for id in &ids {
                let entry = tasks.entries.remove(id).unwrap();
                if self.has(Flaw::PruneKeepsKey) && entry.record.idempotency_key.is_some() {
                    tasks.left_behind.push(left_behind(entry));
                }
            }
            ids.len()
        }))
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.hub.subscribe(topic)
    }
}

fn left_behind(entry: Entry) -> NewTask {
    NewTask {
        id: entry.record.id,
        kind: entry.record.kind,
        queue: entry.record.queue,
        priority: 0,
        tenant: entry.record.tenant,
        labels: entry.record.labels,
        idempotency_key: entry.record.idempotency_key,
        retry_of: None,
        start_at: artos_core::model::StartAt::Now,
        expires_after: None,
        input: entry.input,
        checkpoint: None,
    }
}
