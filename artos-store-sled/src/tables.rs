//! The operations of the store on a group: the machine decides, and the indexes follow.

use std::time::Duration;

use artos_core::{
    Name, Timestamp,
    machine::{self, Applied, Cancelled},
    model::{NewTask, Outcome, Retention, Settlement, TaskId, TaskRecord, TaskState},
    store::{
        Beat, Claim, Claimed, Claims, Inserted, Part, Pulse, Rescued, Settled, StoreError,
        StoreResult,
    },
};
use bytes::Bytes;

use crate::{
    codec::Stored,
    disk::Disk,
    envelope::{self, Sort, corrupt},
    group::{Group, Leases},
    index, keys,
    lookup::{self, Loaded, Lookup as _},
    news::News,
    payloads,
};

/// The tasks of the store while a group is made.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    pub(crate) group: Group<'a>,
    pub(crate) news: News,
}

impl<'a> Tables<'a> {
    pub(crate) fn new(disk: &'a Disk, leases: &'a mut Leases) -> Self {
        Self { group: Group::new(disk, leases), news: News::default() }
    }

    /// Runs one atomic operation; one that fails leaves nothing behind.
    pub(crate) fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> StoreResult<T>,
    ) -> StoreResult<T> {
        let earlier = std::mem::take(&mut self.news);
        let answer = operation(self);
        let own = std::mem::replace(&mut self.news, earlier);
        if answer.is_ok() {
            self.group.keep();
            self.news.append(own);
        } else {
            self.group.take_back();
        }
        answer
    }

    pub(crate) fn insert(
        &mut self,
        tasks: &[NewTask],
        now: Timestamp,
    ) -> StoreResult<Vec<Inserted>> {
        tasks.iter().map(|task| self.insert_one(task, now)).collect()
    }

    fn insert_one(&mut self, task: &NewTask, now: Timestamp) -> StoreResult<Inserted> {
        let unique = task
            .idempotency_key
            .as_ref()
            .map(|key| keys::unique(task.tenant.as_ref(), &task.kind, key));
        let mut existing = lookup::load(&self.group, task.id, Part::Input)?;
        if existing.is_none()
            && let Some(key) = &unique
            && let Some(owner) = self.owner(key)?
        {
            existing = lookup::load(&self.group, owner, Part::Input)?;
            if existing.is_none() {
                return Err(corrupt(key, &format!("it names task {owner}, which does not exist")));
            }
        }
        if let Some((existing, input)) = existing {
            let same_input = input.as_ref() == Some(&task.input);
            return Ok(Inserted::Existing { id: existing.stored.record.id, same_input });
        }
        let record = machine::insert(task, now);
        let mut generation = 0;
        let input = payloads::keep(&mut self.group, task.id, &task.input, &mut generation)?;
        let result = match &task.checkpoint {
            Some((_, payload)) => {
                Some(payloads::keep(&mut self.group, task.id, payload, &mut generation)?)
            }
            None => None,
        };
        let mut stored = Stored { record, input, result, generation };
        index::place(&mut self.group, None, Some(&stored.record));
        if let Some(key) = unique {
            let value = envelope::seal(&key, Sort::Owner, task.id.as_uuid().as_bytes());
            self.group.put(key, value);
        }
        self.news.task(task.id);
        self.news.queue(&stored.record.queue);
        payloads::write_record(&mut self.group, &mut stored, None)?;
        Ok(Inserted::Created)
    }

    /// Returns whose an idempotency key is.
    fn owner(&self, key: &[u8]) -> StoreResult<Option<TaskId>> {
        let Some(value) = self.group.value(key)? else {
            return Ok(None);
        };
        let content = envelope::open_as(key, &value, Sort::Owner)?;
        keys::parse_id(content).map(Some).ok_or_else(|| corrupt(key, "it names no task"))
    }

    /// Lets the machine change a task, and keeps payloads, indexes and news in step.
    ///
    /// What `change` answers says whether there is a new result; `None` from here: no such task.
    fn change<T>(
        &mut self,
        id: TaskId,
        change: impl FnOnce(&mut TaskRecord) -> (T, Option<Bytes>),
    ) -> StoreResult<Option<(T, Stored)>> {
        let Some((loaded, _)) = lookup::load(&self.group, id, Part::Record)? else {
            return Ok(None);
        };
        let Loaded { mut stored, spilled } = loaded;
        let before = stored.record.clone();
        let (answer, result) = change(&mut stored.record);
        if let Some(payload) = &result {
            if let Some(old) = &stored.result {
                payloads::drop_kept(&mut self.group, id, old);
            }
            let kept = payloads::keep(&mut self.group, id, payload, &mut stored.generation)?;
            stored.result = Some(kept);
        }
        let after = &stored.record;
        if *after == before && result.is_none() {
            return Ok(Some((answer, stored)));
        }
        index::place(&mut self.group, Some(&before), Some(after));
        if after.revision != before.revision {
            self.news.task(id);
        }
        self.news.cancellation |= after.cancel_requested && !before.cancel_requested;
        if after.state == TaskState::Pending && before.state != TaskState::Pending {
            self.news.queue(&after.queue);
        }
        payloads::write_record(&mut self.group, &mut stored, spilled)?;
        Ok(Some((answer, stored)))
    }

    pub(crate) fn claim(&mut self, request: &Claim, now: Timestamp) -> StoreResult<Claims> {
        let queue = keys::queue(&request.queue);
        let mut tasks = Vec::new();
        for id in index::due(&self.group, &queue, now, request.limit)? {
            let claim = |record: &mut TaskRecord| {
                (machine::claim(record, request.worker, request.lease_for, now), None)
            };
            match self.change(id, claim)? {
                Some((Ok(()), stored)) => {
                    let payload = self.payload_of_next_stage(&stored)?;
                    tasks.push(Claimed { record: stored.record, payload });
                }
                _ => return Err(self.misplaced(id, &request.queue)),
            }
        }
        let next_due = index::next_due(&self.group, &queue)?;
        Ok(Claims { tasks, next_due_in: next_due.map(|due| due.since(now)) })
    }

    fn payload_of_next_stage(&self, stored: &Stored) -> StoreResult<Bytes> {
        let id = stored.record.id;
        let part = if stored.result.is_some() { Part::Checkpoint } else { Part::Input };
        let found = lookup::load(&self.group, id, part)?.and_then(|(_, payload)| payload);
        found.ok_or_else(|| corrupt(&keys::task(id), "it has no payload"))
    }

    fn misplaced(&self, id: TaskId, queue: &Name) -> StoreError {
        let found = format!("queue {queue} lists it as due, and it cannot be claimed");
        corrupt(&keys::task(id), &found)
    }

    pub(crate) fn heartbeat(
        &mut self,
        lease_for: Duration,
        beats: &[Beat],
        now: Timestamp,
    ) -> StoreResult<Vec<Pulse>> {
        let mut beat = |beat: &Beat| {
            let report = beat.progress.as_ref();
            let change = |record: &mut TaskRecord| {
                (machine::heartbeat(record, beat.lease, lease_for, report, now), None)
            };
            Ok(match self.change(beat.lease.task_id, change)? {
                Some((Ok(false), _)) => Pulse::Alive,
                Some((Ok(true), _)) => Pulse::CancelRequested,
                Some((Err(_), _)) | None => Pulse::Lost,
            })
        };
        beats.iter().map(&mut beat).collect()
    }

    pub(crate) fn settle(
        &mut self,
        settlements: &[Settlement],
        now: Timestamp,
    ) -> StoreResult<Vec<Settled>> {
        settlements.iter().map(|settlement| self.settle_one(settlement, now)).collect()
    }

    fn settle_one(&mut self, settlement: &Settlement, now: Timestamp) -> StoreResult<Settled> {
        let Settlement { lease, outcome, .. } = settlement;
        let change = |record: &mut TaskRecord| {
            let applied = machine::settle(record, *lease, outcome, now);
            let result = match (&applied, outcome) {
                (Ok(Applied::Now), Outcome::Advance(_) | Outcome::Complete { .. }) => {
                    outcome.payload().cloned()
                }
                _ => None,
            };
            (applied, result)
        };
        let Some((Ok(applied), stored)) = self.change(lease.task_id, change)? else {
            return Ok(Settled::Stale);
        };
        if applied == Applied::Now {
            self.insert(&settlement.follow_ups, now)?;
        }
        Ok(Settled::Applied(stored.record.state))
    }

    pub(crate) fn cancel(&mut self, id: TaskId, now: Timestamp) -> StoreResult<Cancelled> {
        let cancelled = self.change(id, |record| (machine::cancel(record, now), None))?;
        Ok(cancelled.map_or(Cancelled::Unknown, |(cancelled, _)| cancelled))
    }

    pub(crate) fn rescue(&mut self, limit: usize, now: Timestamp) -> StoreResult<Rescued> {
        let mut tasks = Vec::new();
        let mut next = self.group.first_lease();
        while let Some((_, id)) = next
            && tasks.len() < limit
            && let Some((true, _)) =
                self.change(id, |record| (machine::rescue(record, now), None))?
        {
            tasks.push(id);
            next = self.group.first_lease();
        }
        Ok(Rescued { tasks, next_in: next.map(|(lapses_at, _)| lapses_at.since(now)) })
    }

    pub(crate) fn prune(
        &mut self,
        retention: &Retention,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<usize> {
        let mut pruned = 0;
        for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
            for id in index::ended(&self.group, state, limit - pruned)? {
                let Some((loaded, _)) = lookup::load(&self.group, id, Part::Record)? else {
                    let found = format!("it is listed as {state}, and does not exist");
                    return Err(corrupt(&keys::task(id), &found));
                };
                if !machine::is_prunable(&loaded.stored.record, retention, now) {
                    break;
                }
                self.remove(&loaded);
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    fn remove(&mut self, loaded: &Loaded) {
        let Stored { record, input, result, .. } = &loaded.stored;
        index::place(&mut self.group, Some(record), None);
        if let Some(key) = &record.idempotency_key {
            self.group.remove(keys::unique(record.tenant.as_ref(), &record.kind, key));
        }
        for kept in [Some(input), result.as_ref()].into_iter().flatten() {
            payloads::drop_kept(&mut self.group, record.id, kept);
        }
        if let Some(chunks) = loaded.spilled {
            payloads::drop_chunks(&mut self.group, record.id, chunks);
        }
        self.group.remove(keys::task(record.id));
        self.news.task(record.id);
    }
}
