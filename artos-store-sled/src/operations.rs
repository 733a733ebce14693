//! The operations of the store on a group: the machine decides, and the indexes follow.

use std::{sync::Arc, time::Duration};

use artos_core::{
    Name, Timestamp,
    machine::{self, Applied, Cancelled},
    model::{NewTask, Outcome, Retention, Settlement, TaskId, TaskRecord, TaskState},
    store::{
        Beat, Claim, Claimed, Claims, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreError,
        StoreResult,
    },
};
use bytes::Bytes;

use crate::{
    codec::Stored,
    envelope::corrupt,
    group::Group,
    index, keys,
    lookup::{self, Apart, Loaded, Lookup as _},
    news::News,
    payloads,
};

/// The tasks of the store while a group is made.
#[derive(Debug)]
pub(crate) struct Operations<'a> {
    pub(crate) group: Group<'a>,
    pub(crate) news: News,
}

impl<'a> Operations<'a> {
    pub(crate) fn new(group: Group<'a>) -> Self {
        Self { group, news: News::default() }
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
        self.group.tick();
        let key = task
            .idempotency_key
            .as_ref()
            .map(|key| keys::owner(task.tenant.as_ref(), &task.kind, key));
        let mut existing = lookup::load(&self.group, task.id, Part::Input)?;
        if existing.is_none()
            && let Some(key) = &key
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
        index::place(&mut self.group, None, Some(&record));
        let stored = Stored { record, input, result, generation };
        let mut task = Loaded { stored, spilled: None, apart: Apart::Nothing };
        payloads::write_task(&mut self.group, &mut task)?;
        let record = &task.stored.record;
        if let Some(key) = key {
            self.group.put(key, record.id.as_uuid().as_bytes());
        }
        self.news.task(record.id);
        self.news.queue(&record.queue);
        Ok(Inserted::Created)
    }

    /// Returns whose an idempotency key is.
    fn owner(&self, key: &[u8]) -> StoreResult<Option<TaskId>> {
        let Some(value) = self.group.value(key)? else {
            return Ok(None);
        };
        keys::parse_id(&value).map(Some).ok_or_else(|| corrupt(key, "it names no task"))
    }

    /// Lets the machine change a task, and keeps payloads, indexes and news in step.
    ///
    /// What `change` answers says whether there is a new result; `None` from here: no such task.
    fn change<T>(
        &mut self,
        id: TaskId,
        change: impl FnOnce(&mut TaskRecord) -> (T, Option<Bytes>),
    ) -> StoreResult<Option<(T, Arc<Loaded>)>> {
        self.group.tick();
        let Some((before, _)) = lookup::load(&self.group, id, Part::Record)? else {
            return Ok(None);
        };
        let mut task = Loaded::clone(&before);
        let (answer, result) = change(&mut task.stored.record);
        if let Some(payload) = &result {
            if let Some(old) = &task.stored.result {
                payloads::drop_kept(&mut self.group, id, old);
            }
            let generation = &mut task.stored.generation;
            let kept = payloads::keep(&mut self.group, id, payload, generation)?;
            task.stored.result = Some(kept);
        }
        let (old, new) = (&before.stored.record, &task.stored.record);
        if new == old && result.is_none() {
            return Ok(Some((answer, before)));
        }
        index::place(&mut self.group, Some(old), Some(new));
        if new.revision != old.revision {
            self.news.task(id);
        }
        self.news.cancellation |= new.cancel_requested && !old.cancel_requested;
        if new.state == TaskState::Pending && old.state != TaskState::Pending {
            self.news.queue(&new.queue);
        }
        payloads::write_change(&mut self.group, &mut task, result.is_some())?;
        let (ran, runs) = (old.state == TaskState::Running, new_runs(&task));
        let task = Arc::new(task);
        if ran || runs {
            self.group.run(id, runs.then(|| Arc::clone(&task)));
        }
        Ok(Some((answer, task)))
    }

    pub(crate) fn claim(&mut self, request: &Claim, now: Timestamp) -> StoreResult<Claims> {
        let mut tasks = Vec::new();
        for id in self.group.live.due(&request.queue, now, request.limit) {
            let claim = |record: &mut TaskRecord| {
                (machine::claim(record, request.worker, request.lease_for, now), None)
            };
            match self.change(id, claim)? {
                Some((Ok(()), task)) => {
                    let payload = self.payload_of_next_stage(&task.stored)?;
                    tasks.push(Claimed { record: Box::new(task.stored.record.clone()), payload });
                }
                _ => return Err(self.misplaced(id, &request.queue)),
            }
        }
        self.news.leased |= !tasks.is_empty();
        let next_due = self.group.live.next_due(&request.queue);
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
        let Some((Ok(applied), task)) = self.change(lease.task_id, change)? else {
            return Ok(Settled::Stale);
        };
        if applied == Applied::Now {
            self.insert(&settlement.follow_ups, now)?;
        }
        Ok(Settled::Applied(task.stored.record.state))
    }

    pub(crate) fn cancel(&mut self, id: TaskId, now: Timestamp) -> StoreResult<Cancelled> {
        let cancelled = self.change(id, |record| (machine::cancel(record, now), None))?;
        Ok(cancelled.map_or(Cancelled::Unknown, |(cancelled, _)| cancelled))
    }

    pub(crate) fn rescue(&mut self, limit: usize, now: Timestamp) -> StoreResult<Rescued> {
        let mut tasks = Vec::new();
        let mut next = self.group.live.first_lease();
        while let Some((_, id)) = next
            && tasks.len() < limit
            && let Some((true, _)) =
                self.change(id, |record| (machine::rescue(record, now), None))?
        {
            tasks.push(id);
            next = self.group.live.first_lease();
        }
        Ok(Rescued { tasks, next_in: next.map(|(lapses_at, _)| lapses_at.since(now)) })
    }

    pub(crate) fn prune(
        &mut self,
        retention: &Retention,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Pruned> {
        let mut pruned = Pruned::default();
        for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
            // One more than may go, to know when the next may.
            let most = (limit - pruned.count).saturating_add(1);
            for id in index::oldest(&self.group, state, most)? {
                let Some((loaded, _)) = lookup::load(&self.group, id, Part::Record)? else {
                    let found = format!("it is listed as {state}, and does not exist");
                    return Err(corrupt(&keys::task(id), &found));
                };
                let record = &loaded.stored.record;
                let at = machine::prunable_at(record, retention);
                let Some(at) = at.filter(|_| record.state == state) else {
                    let (is, ended) = (record.state, record.finished_at);
                    let found = format!("it is listed as {state}, is {is}, and ended at {ended:?}");
                    return Err(corrupt(&keys::task(id), &found));
                };
                if pruned.count == limit || at > now {
                    pruned.note_next(at.since(now));
                    break;
                }
                self.remove(&loaded);
                pruned.count += 1;
            }
        }
        Ok(pruned)
    }

    fn remove(&mut self, loaded: &Loaded) {
        let Stored { record, input, result, .. } = &loaded.stored;
        index::place(&mut self.group, Some(record), None);
        if let Some(key) = &record.idempotency_key {
            self.group.remove(keys::owner(record.tenant.as_ref(), &record.kind, key));
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

fn new_runs(task: &Loaded) -> bool {
    task.stored.record.state == TaskState::Running
}
