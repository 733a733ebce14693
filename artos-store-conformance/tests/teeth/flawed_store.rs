//! A naive store that makes one chosen mistake, and is right otherwise.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use artos_core::{
    Clock, Timestamp,
    machine::{self, Cancelled},
    model::{
        Cursor, Lease, ListOrder, ListQuery, NewTask, Page, Retention, Settlement, StateCounts,
        TaskId, TaskRecord, TaskState, WorkerId,
    },
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use artos_store_conformance::ManualClock;
use async_trait::async_trait;
use bytes::Bytes;

use crate::{flaw::Flaw, steps::left_behind};

#[derive(Debug)]
pub(crate) struct FlawedStore {
    flaw: Option<Flaw>,
    clock: ManualClock,
    tasks: Mutex<Tasks>,
    hub: ChangeHub,
}

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) entries: BTreeMap<TaskId, Entry>,
    /// What pruned tasks leave behind, if they do.
    pub(crate) left_behind: Vec<NewTask>,
    pub(crate) topics: Vec<Topic>,
    /// Which worker got which lease.
    pub(crate) workers: BTreeMap<Lease, WorkerId>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: TaskRecord,
    pub(crate) input: Bytes,
    pub(crate) checkpoint: Option<Bytes>,
    pub(crate) output: Option<Bytes>,
}

impl FlawedStore {
    pub(crate) fn new(flaw: Option<Flaw>, clock: ManualClock) -> Self {
        Self { flaw, clock, tasks: Mutex::default(), hub: ChangeHub::lossless() }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
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

    pub(crate) fn note(&self, tasks: &mut Tasks, id: TaskId) {
        let record = &tasks.entries[&id].record;
        if record.state == TaskState::Pending && !self.has(Flaw::WaitingWakesNobody) {
            tasks.topics.push(Topic::Queue(record.queue.clone()));
        }
        if !self.has(Flaw::WakesBeforeTheChange) {
            tasks.topics.push(Topic::Task(id));
        }
    }
}

#[async_trait]
impl TaskStore for FlawedStore {
    async fn insert(&self, batch: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        if self.has(Flaw::InsertInTwoSteps) {
            let later = self.atomically(|tasks, now| self.insert_without_input(tasks, batch, now));
            tokio::task::yield_now().await;
            return Ok(self.atomically(|tasks, _| later.finish(tasks, batch)));
        }
        if self.has(Flaw::WakesBeforeTheTask) {
            batch.iter().for_each(|task| self.hub.publish(&Topic::Queue(task.queue.clone())));
            tokio::task::yield_now().await;
        }
        Ok(self.atomically(|tasks, now| {
            let old: Vec<_> = tasks.entries.keys().copied().collect();
            let checks = |id| !self.has(Flaw::KeyIgnoresOwnBatch) || old.contains(&id);
            let inserted =
                batch.iter().map(|task| self.insert_one(tasks, task, now, checks)).collect();
            let is_silent = self.has(Flaw::WakesBeforeTheTask);
            tasks.topics.retain(|topic| !is_silent || !matches!(topic, Topic::Queue(_)));
            inserted
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
                &tasks.workers,
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
                let odd = self.has(Flaw::RescueDistrustsTheClock) && record.updated_at > now;
                let takes = self.has(Flaw::RescueTakesLiveLeases) || odd;
                let seen = if takes { Timestamp::MAX } else { now };
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

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        let mut retention = *retention;
        if self.has(Flaw::PruneKnowsOneRetention) {
            retention = Retention::all(retention.completed);
        }
        let limit = if self.has(Flaw::PruneIgnoresLimit) { usize::MAX } else { limit };
        let prunable = |record: &TaskRecord, now| {
            let old = record.created_at + retention.completed <= now;
            let ahead = record.finished_at.is_some_and(|finished| {
                retention.of(record.state).is_some_and(|keep| finished.since(now) > keep)
            });
            machine::is_prunable(record, &retention, now)
                || self.has(Flaw::PruneTakesLiveTasks) && old
                || self.has(Flaw::PruneForgetsTheSign) && ahead
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
            let kept = tasks.entries.values().filter(|_| !self.has(Flaw::PruneHidesNext));
            let next = kept.filter_map(|entry| machine::prunable_at(&entry.record, &retention));
            Pruned { count: ids.len(), next_in: next.min().map(|at| at.since(now)) }
        }))
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.hub.subscribe(topic)
    }
}
