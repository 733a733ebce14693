//! A naive store that makes one chosen mistake, and is right otherwise.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use artos_core::{
    Clock, ListQuery, Page, Retention, TaskId, TaskRecord, TaskState, Timestamp,
    machine::{self, Cancelled},
    model::{Lease, NewTask, Outcome, Settlement},
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use artos_sim::{Base, SimClock};
use async_trait::async_trait;
use bytes::Bytes;

use crate::bug::Bug;

#[derive(Debug)]
pub(crate) struct BuggyStore {
    bug: Option<Bug>,
    clock: SimClock,
    tasks: Mutex<Tasks>,
    hub: ChangeHub,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    pub(crate) entries: BTreeMap<TaskId, Entry>,
    topics: Vec<Topic>,
    /// Whether a task became pending since the last claim.
    has_news: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) record: TaskRecord,
    pub(crate) input: Bytes,
    pub(crate) checkpoint: Option<Bytes>,
    pub(crate) output: Option<Bytes>,
    /// The record as it was when it was first read.
    pub(crate) first_read: OnceLock<TaskRecord>,
    /// How often it was read.
    pub(crate) reads: Arc<AtomicU64>,
}

impl BuggyStore {
    pub(crate) fn new(bug: Option<Bug>, clock: SimClock) -> Self {
        Self { bug, clock, tasks: Mutex::default(), hub: ChangeHub::lossless() }
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn atomically<T>(&self, operation: impl FnOnce(&mut Tasks, Timestamp) -> T) -> T {
        let mut tasks = self.lock();
        let answer = operation(&mut tasks, self.clock.now());
        let topics = std::mem::take(&mut tasks.topics);
        drop(tasks);
        topics.iter().for_each(|topic| self.hub.publish(topic));
        answer
    }

    fn insert_one(
        &self,
        tasks: &mut Tasks,
        task: &NewTask,
        now: Timestamp,
        counts: impl Fn(TaskId) -> bool,
    ) -> Inserted {
        let has_key = |entry: &&Entry| {
            let record = &entry.record;
            task.idempotency_key.is_some()
                && record.idempotency_key == task.idempotency_key
                && record.tenant == task.tenant
                && record.kind == task.kind
                && counts(record.id)
                && !(self.has(Bug::KeyFreedAtTheEnd) && record.is_terminal())
        };
        let by_id = tasks.entries.get(&task.id).filter(|_| !self.has(Bug::InsertOverwrites));
        if let Some(entry) = by_id.or_else(|| tasks.entries.values().find(has_key)) {
            return Inserted::Existing {
                id: entry.record.id,
                same_input: entry.input == task.input,
            };
        }
        let mut record = machine::insert(task, now);
        if self.has(Bug::InsertForgetsDeadline) {
            record.expires_at = None;
        }
        let entry = Entry {
            record,
            input: task.input.clone(),
            checkpoint: task.checkpoint.as_ref().map(|(_, payload)| payload.clone()),
            output: None,
            first_read: OnceLock::new(),
            reads: Arc::default(),
        };
        tasks.entries.insert(task.id, entry);
        self.note(tasks, task.id);
        Inserted::Created
    }

    fn note(&self, tasks: &mut Tasks, id: TaskId) {
        let Some(entry) = tasks.entries.get(&id) else {
            return;
        };
        if entry.record.state == TaskState::Pending {
            tasks.has_news = true;
            if !self.has(Bug::WaitingWakesNobody) {
                tasks.topics.push(Topic::Queue(entry.record.queue.clone()));
            }
        }
        tasks.topics.push(Topic::Task(id));
    }

    /// Returns the lease and the time by which to judge it, true ones unless the bug is this.
    fn fence(
        &self,
        record: &TaskRecord,
        lease: Lease,
        now: Timestamp,
        (epoch, lapse): (Bug, Bug),
    ) -> (Lease, Timestamp) {
        if self.has(epoch) {
            return (record.lease_token(), now);
        }
        let before = |until: Timestamp| Timestamp::from_micros(until.as_micros() - 1);
        match record.lease {
            Some(holder) if self.has(lapse) => (lease, now.min(before(holder.expires_at))),
            _ => (lease, now),
        }
    }

    /// Settles one attempt, but for its follow-up tasks; says whether they are to be inserted.
    fn settle_one(
        &self,
        tasks: &mut Tasks,
        settlement: &Settlement,
        now: Timestamp,
    ) -> (Settled, bool) {
        let Settlement { lease, outcome, .. } = settlement;
        let id = lease.task_id;
        let Some(entry) = tasks.entries.get_mut(&id) else {
            return (Settled::Stale, false);
        };
        let before = entry.record.clone();
        if self.has(Bug::RescueKeepsEpoch) && !before.is_terminal() && before.epoch == lease.epoch {
            let expires_at = now + Duration::from_secs(1);
            let worker = artos_core::model::WorkerId::from_uuid(*id.as_uuid());
            entry.record.state = TaskState::Running;
            entry.record.lease = Some(artos_core::model::LeaseHolder { worker, expires_at });
        }
        let bugs = (Bug::SettleIgnoresEpoch, Bug::SettleIgnoresLapse);
        let (fence, seen) = self.fence(&before, *lease, now, bugs);
        let mut outcome = outcome.clone();
        if let Outcome::Advance(checkpoint) = &mut outcome
            && self.has(Bug::CheckpointIgnoresStage)
        {
            checkpoint.from.clone_from(&before.stage);
        }
        if self.has(Bug::RetryForgetsWish) && matches!(outcome, Outcome::Retry { .. }) {
            entry.record.cancel_requested = false;
        }
        let settled = match machine::settle(&mut entry.record, fence, &outcome, seen) {
            Ok(machine::Applied::Before) if self.has(Bug::RepetitionIsStale) => Settled::Stale,
            Ok(machine::Applied::Before) => Settled::Applied(entry.record.state),
            Err(_) => {
                let settled = if self.has(Bug::RefusalIsHidden) {
                    Settled::Applied(entry.record.state)
                } else {
                    Settled::Stale
                };
                entry.record = before;
                return (settled, self.has(Bug::StaleInsertsFollowUps));
            }
            Ok(machine::Applied::Now) => {
                self.keep_payload(entry, &before, &outcome);
                let state = entry.record.state;
                self.note(tasks, id);
                return (Settled::Applied(state), true);
            }
        };
        (settled, false)
    }

    fn keep_payload(&self, entry: &mut Entry, before: &TaskRecord, outcome: &Outcome) {
        match outcome {
            Outcome::Advance(checkpoint) if !self.has(Bug::CheckpointInTwoSteps) => {
                entry.checkpoint = Some(checkpoint.payload.clone());
            }
            Outcome::Complete { output } => {
                entry.checkpoint = None;
                entry.output =
                    Some(output.clone()).filter(|_| !self.has(Bug::CompletionLosesOutput));
                if before.cancel_requested && self.has(Bug::WishUndoesCompletion) {
                    entry.record.state = TaskState::Cancelled;
                }
            }
            Outcome::Retry { .. } if self.has(Bug::RetryIgnoresDelay) => {
                entry.record.run_at = entry.record.updated_at;
            }
            Outcome::Snooze { .. } if self.has(Bug::SnoozeCharges) => {
                entry.record.attempt = before.attempt;
            }
            Outcome::Interrupt if self.has(Bug::InterruptCharges) => {
                entry.record.attempt = before.attempt;
            }
            _ => {}
        }
    }

    fn insert_follow_ups(&self, tasks: &mut Tasks, settlement: &Settlement, now: Timestamp) {
        for task in &settlement.follow_ups {
            self.insert_one(tasks, task, now, |_| true);
        }
    }

    /// Does what is left of a settlement in a step of its own.
    async fn second_step(&self, settlement: &Settlement, is_new: bool) {
        if !is_new {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.atomically(|tasks, now| {
            if self.has(Bug::FollowUpsInTwoSteps) {
                self.insert_follow_ups(tasks, settlement, now);
            }
            if let Outcome::Advance(checkpoint) = &settlement.outcome
                && self.has(Bug::CheckpointInTwoSteps)
                && let Some(entry) = tasks.entries.get_mut(&settlement.lease.task_id)
            {
                entry.checkpoint = Some(checkpoint.payload.clone());
            }
        });
    }

    fn due(&self, tasks: &Tasks, request: &Claim, now: Timestamp) -> Vec<TaskId> {
        let records = tasks.entries.values().map(|entry| &entry.record);
        let mut due: Vec<_> = records
            .filter(|record| {
                record.state == TaskState::Pending
                    && record.queue == request.queue
                    && (record.run_at <= now || self.has(Bug::ClaimIgnoresRunAt))
            })
            .map(|record| (Reverse(record.priority), record.run_at, record.id))
            .collect();
        due.sort_unstable();
        due.into_iter().take(request.limit).map(|(_, _, id)| id).collect()
    }

    fn lease(
        &self,
        tasks: &mut Tasks,
        due: Vec<TaskId>,
        request: &Claim,
        now: Timestamp,
    ) -> Claims {
        let mut claims = Claims::default();
        for id in due {
            let Some(entry) = tasks.entries.get_mut(&id) else {
                continue;
            };
            let record = &mut entry.record;
            let (epoch, attempt) = (record.epoch, record.attempt);
            if self.has(Bug::ClaimInTwoSteps) && record.state == TaskState::Running {
                record.state = TaskState::Pending;
            }
            if self.has(Bug::ClaimIgnoresRunAt) {
                record.run_at = record.run_at.min(now);
            }
            if machine::claim(record, request.worker, request.lease_for, now).is_err() {
                continue;
            }
            match self.bug {
                Some(Bug::ClaimChargesNothing) => record.attempt = attempt,
                Some(Bug::ClaimChargesTwice) => record.attempt += 1,
                Some(Bug::ClaimKeepsEpoch) => record.epoch = epoch,
                _ => {}
            }
            let checkpoint = entry.checkpoint.as_ref();
            let checkpoint = checkpoint.filter(|_| !self.has(Bug::ClaimForgetsCheckpoint));
            let payload = checkpoint.unwrap_or(&entry.input).clone();
            claims
                .tasks
                .push(artos_core::store::Claimed { record: Box::new(record.clone()), payload });
            self.note(tasks, id);
            if !self.has(Bug::ClaimWakesNobody) {
                tasks.topics.push(Topic::Lease);
            }
        }
        let pending =
            tasks.entries.values().map(|entry| &entry.record).filter(|record| {
                record.state == TaskState::Pending && record.queue == request.queue
            });
        claims.next_due_in = pending.map(|record| record.run_at.since(now)).min();
        claims
    }

    fn beat(&self, tasks: &mut Tasks, beat: &Beat, lease_for: Duration, now: Timestamp) -> Pulse {
        let Some(entry) = tasks.entries.get_mut(&beat.lease.task_id) else {
            return Pulse::Lost;
        };
        let record = &mut entry.record;
        let bugs = (Bug::HeartbeatIgnoresEpoch, Bug::HeartbeatRenewsLapsedLease);
        let (lease, seen) = self.fence(record, beat.lease, now, bugs);
        match machine::heartbeat(record, lease, lease_for, beat.progress.as_ref(), seen) {
            Ok(true) => Pulse::CancelRequested,
            Ok(false) => Pulse::Alive,
            Err(_) if self.has(Bug::LossIsHidden) => Pulse::Alive,
            Err(_) => Pulse::Lost,
        }
    }

    fn rescue_one(&self, record: &mut TaskRecord, now: Timestamp) -> bool {
        let (epoch, attempt) = (record.epoch, record.attempt);
        let has_lapsed = record.lease.is_some_and(|holder| holder.expires_at <= now);
        if self.has(Bug::RescueForgetsWish) && has_lapsed {
            record.cancel_requested = false;
        }
        let early = self.has(Bug::RescueTakesLiveLeases);
        if early && let Some(holder) = &mut record.lease {
            holder.expires_at = holder.expires_at.min(now);
        }
        if self.has(Bug::NothingIsRescued) || !machine::rescue(record, now) {
            return false;
        }
        if self.has(Bug::RescueKeepsEpoch) {
            record.epoch = epoch;
        }
        if self.has(Bug::RescueGivesAttemptBack) {
            record.attempt = attempt.saturating_sub(1);
        }
        true
    }
}

impl Base for BuggyStore {
    fn fork(&self) -> Arc<dyn Base> {
        Arc::new(Self {
            bug: self.bug,
            clock: self.clock.clone(),
            tasks: Mutex::new(self.lock().clone()),
            hub: ChangeHub::lossless(),
        })
    }

    fn waits_for_durability(&self) -> bool {
        !self.has(Bug::AcknowledgesEarly)
    }
}

#[async_trait]
impl TaskStore for BuggyStore {
    async fn insert(&self, batch: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        Ok(self.atomically(|tasks, now| {
            let own = |id| batch.iter().any(|task| task.id == id);
            let counts = |id| !self.has(Bug::KeyIgnoresOwnBatch) || !own(id);
            batch.iter().map(|task| self.insert_one(tasks, task, now, counts)).collect()
        }))
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        Ok(self.read(id, part))
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        Ok(self.page(query))
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        if self.has(Bug::HintIsTruth) {
            let has_news = std::mem::take(&mut self.lock().has_news);
            if !has_news {
                return Ok(Claims::default());
            }
        }
        if self.has(Bug::ClaimInTwoSteps) {
            let due = self.atomically(|tasks, now| self.due(tasks, request, now));
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Ok(self.atomically(|tasks, now| self.lease(tasks, due, request, now)));
        }
        Ok(self.atomically(|tasks, now| {
            let due = self.due(tasks, request, now);
            self.lease(tasks, due, request, now)
        }))
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        Ok(self.atomically(|tasks, now| {
            beats.iter().map(|beat| self.beat(tasks, beat, lease_for, now)).collect()
        }))
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        let in_two_steps =
            self.has(Bug::FollowUpsInTwoSteps) || self.has(Bug::CheckpointInTwoSteps);
        let answers = self.atomically(|tasks, now| {
            let one = |settlement: &Settlement| {
                let (settled, inserts) = self.settle_one(tasks, settlement, now);
                if inserts && !self.has(Bug::FollowUpsInTwoSteps) {
                    self.insert_follow_ups(tasks, settlement, now);
                }
                (settled, inserts)
            };
            settlements.iter().map(one).collect::<Vec<_>>()
        });
        if in_two_steps {
            for (settlement, (_, is_new)) in settlements.iter().zip(&answers) {
                self.second_step(settlement, *is_new).await;
            }
        }
        Ok(answers.into_iter().map(|(settled, _)| settled).collect())
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        Ok(self.atomically(|tasks, now| {
            let Some(entry) = tasks.entries.get_mut(&id) else {
                return Cancelled::Unknown;
            };
            let cancelled = machine::cancel(&mut entry.record, now);
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
                let Some(entry) = tasks.entries.get_mut(&id) else {
                    continue;
                };
                if rescued.tasks.len() < limit && self.rescue_one(&mut entry.record, now) {
                    rescued.tasks.push(id);
                    self.note(tasks, id);
                }
            }
            let leases = tasks.entries.values().filter_map(|entry| entry.record.lease);
            rescued.next_in = leases.map(|holder| holder.expires_at.since(now)).min();
            rescued
        }))
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        Ok(self.atomically(|tasks, now| {
            let is_prunable = |record: &TaskRecord| match self.bug {
                Some(Bug::PruneIgnoresRetention) => record.is_terminal(),
                Some(Bug::PruneTakesLiveTasks) => record.created_at + retention.completed <= now,
                _ => machine::is_prunable(record, retention, now),
            };
            let records = tasks.entries.values().map(|entry| &entry.record);
            let prunable = records.filter(|record| is_prunable(record)).take(limit);
            let ids: Vec<_> = prunable.map(|record| record.id).collect();
            for id in &ids {
                tasks.entries.remove(id);
                tasks.topics.push(Topic::Task(*id));
            }
            let kept = tasks.entries.values();
            let next = kept.filter_map(|entry| machine::prunable_at(&entry.record, retention));
            Pruned { count: ids.len(), next_in: next.min().map(|at| at.since(now)) }
        }))
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.hub.subscribe(topic)
    }
}
