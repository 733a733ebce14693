//! A task as it lies in memory: a record packed to a third of its size, with its payloads.
//!
//! A million queued tasks is an ordinary load, so what most tasks lack (labels, a key, a failure,
//! progress, a lease) costs them one empty pointer each, and shared names cost four bytes.

use artos_core::{
    Timestamp,
    model::{
        Epoch, Failure, Labels, LeaseHolder, Name, NewTask, OutcomeKind, Progress, TaskId,
        TaskRecord, TaskState,
    },
};
use bytes::Bytes;

use crate::{
    index::Position,
    names::{Names, Symbol, WorkerSymbol},
    shelf::HasState,
};

/// Payloads up to this size are copied, so that a task does not keep the larger buffer alive that
/// its payload was cut from. Copying less than a page costs about as much as sharing it.
const COPIED_BYTES_MAX: usize = 1_024;

/// A task and its payloads. Its id is the key it is stored under.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    kind: Symbol,
    queue: Symbol,
    tenant: Option<Symbol>,
    stage: Option<Symbol>,
    created_at: Timestamp,
    stage_entered_at: Timestamp,
    run_at: Timestamp,
    updated_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    epoch: Epoch,
    revision: u64,
    attempt: u32,
    snoozes: u32,
    interrupts: u32,
    priority: i16,
    state: TaskState,
    settled_by: Option<OutcomeKind>,
    cancel_requested: bool,
    lease_worker: Option<WorkerSymbol>,
    /// Means something only with a worker.
    lease_until: Timestamp,
    input: Bytes,
    /// The output of a completed task, the payload of the last checkpoint of any other.
    result: Option<Bytes>,
    rare: Option<Box<Rare>>,
}

/// What most tasks do without.
#[derive(Debug, Clone, Default)]
struct Rare {
    labels: Labels,
    idempotency_key: Option<Name>,
    retry_of: Option<TaskId>,
    expires_at: Option<Timestamp>,
    progress: Option<Progress>,
    failure: Option<Failure>,
}

impl Stored {
    /// Packs the record of a new task.
    pub(crate) fn new(record: TaskRecord, task: &NewTask, names: &mut Names) -> Self {
        let mut stored = Self {
            kind: names.intern(&record.kind),
            queue: names.intern(&record.queue),
            tenant: record.tenant.as_ref().map(|tenant| names.intern(tenant)),
            priority: record.priority,
            created_at: record.created_at,
            input: kept(&task.input),
            result: None,
            stage: None,
            stage_entered_at: record.stage_entered_at,
            run_at: record.run_at,
            updated_at: record.updated_at,
            started_at: None,
            finished_at: None,
            epoch: record.epoch,
            revision: record.revision,
            attempt: 0,
            snoozes: 0,
            interrupts: 0,
            state: record.state,
            settled_by: None,
            cancel_requested: false,
            lease_worker: None,
            lease_until: Timestamp::MIN,
            rare: None,
        };
        stored.pack(&record, names);
        stored.keep_rare(record);
        if let Some((_, payload)) = &task.checkpoint {
            stored.set_result(payload);
        }
        stored
    }

    /// Returns a copy of the record.
    pub(crate) fn record(&self, id: TaskId, names: &Names) -> TaskRecord {
        self.unpack(id, names, self.rare.as_deref().cloned().unwrap_or_default())
    }

    /// Lets `change` work on the record.
    pub(crate) fn change<T>(
        &mut self,
        id: TaskId,
        names: &mut Names,
        change: impl FnOnce(&mut TaskRecord) -> T,
    ) -> T {
        let rare = self.rare.as_deref_mut().map(std::mem::take).unwrap_or_default();
        let mut record = self.unpack(id, names, rare);
        let answer = change(&mut record);
        self.pack(&record, names);
        if is_plain(&record) {
            self.rare = None;
        } else {
            self.keep_rare(record);
        }
        answer
    }

    /// Lets `change` work on a copy of the record, and returns the copy.
    pub(crate) fn change_copy<T>(
        &mut self,
        id: TaskId,
        names: &mut Names,
        change: impl FnOnce(&mut TaskRecord) -> T,
    ) -> (T, Box<TaskRecord>) {
        let mut record = Box::new(self.record(id, names));
        let answer = change(&mut record);
        self.pack(&record, names);
        if self.rare.is_some() || !is_plain(&record) {
            self.keep_rare(TaskRecord::clone(&record));
        }
        (answer, record)
    }

    fn unpack(&self, id: TaskId, names: &Names, rare: Rare) -> TaskRecord {
        TaskRecord {
            id,
            kind: names.text(self.kind),
            queue: names.text(self.queue),
            priority: self.priority,
            tenant: self.tenant.map(|tenant| names.text(tenant)),
            labels: rare.labels,
            idempotency_key: rare.idempotency_key,
            retry_of: rare.retry_of,
            created_at: self.created_at,
            expires_at: rare.expires_at,
            state: self.state,
            stage: self.stage.map(|stage| names.text(stage)),
            stage_entered_at: self.stage_entered_at,
            attempt: self.attempt,
            snoozes: self.snoozes,
            interrupts: self.interrupts,
            run_at: self.run_at,
            epoch: self.epoch,
            lease: self.lease(names),
            settled_by: self.settled_by,
            cancel_requested: self.cancel_requested,
            progress: rare.progress,
            failure: rare.failure,
            revision: self.revision,
            started_at: self.started_at,
            updated_at: self.updated_at,
            finished_at: self.finished_at,
        }
    }

    /// Takes over what changes often of a record.
    fn pack(&mut self, record: &TaskRecord, names: &mut Names) {
        self.stage = record.stage.as_ref().map(|stage| names.intern(stage));
        self.stage_entered_at = record.stage_entered_at;
        self.run_at = record.run_at;
        self.updated_at = record.updated_at;
        self.started_at = record.started_at;
        self.finished_at = record.finished_at;
        self.epoch = record.epoch;
        self.revision = record.revision;
        self.attempt = record.attempt;
        self.snoozes = record.snoozes;
        self.interrupts = record.interrupts;
        self.state = record.state;
        self.settled_by = record.settled_by;
        self.cancel_requested = record.cancel_requested;
        self.lease_worker = record.lease.map(|holder| names.intern_worker(holder.worker));
        if let Some(holder) = record.lease {
            self.lease_until = holder.expires_at;
        }
    }

    fn lease(&self, names: &Names) -> Option<LeaseHolder> {
        let worker = names.worker(self.lease_worker?)?;
        Some(LeaseHolder { worker, expires_at: self.lease_until })
    }

    /// Takes over what most tasks do without.
    fn keep_rare(&mut self, record: TaskRecord) {
        if is_plain(&record) {
            self.rare = None;
            return;
        }
        let rare = Rare {
            labels: record.labels,
            idempotency_key: record.idempotency_key,
            retry_of: record.retry_of,
            expires_at: record.expires_at,
            progress: record.progress,
            failure: record.failure,
        };
        match &mut self.rare {
            Some(kept) => **kept = rare,
            none => *none = Some(Box::new(rare)),
        }
    }

    /// Returns where the indexes list this task.
    pub(crate) fn position(&self) -> Position {
        Position {
            queue: self.queue,
            tenant: self.tenant,
            priority: self.priority,
            state: self.state,
            run_at: self.run_at,
            lease_until: self.lease_worker.map(|_| self.lease_until),
            finished_at: self.finished_at,
        }
    }

    /// Returns a number that grows with every change a reader could see.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) const fn cancel_requested(&self) -> bool {
        self.cancel_requested
    }

    pub(crate) const fn kind(&self) -> Symbol {
        self.kind
    }

    pub(crate) fn idempotency_key(&self) -> Option<&Name> {
        self.rare.as_deref()?.idempotency_key.as_ref()
    }

    pub(crate) const fn input(&self) -> &Bytes {
        &self.input
    }

    /// Returns the payload of the last checkpoint of a task that has not completed.
    pub(crate) fn checkpoint(&self) -> Option<&Bytes> {
        self.result.as_ref().filter(|_| self.state != TaskState::Completed)
    }

    /// Returns the output of a completed task.
    pub(crate) fn output(&self) -> Option<&Bytes> {
        self.result.as_ref().filter(|_| self.state == TaskState::Completed)
    }

    /// Keeps a checkpoint's payload, or an output, instead of the one before.
    pub(crate) fn set_result(&mut self, payload: &Bytes) {
        self.result = Some(kept(payload));
    }
}

/// Returns whether a record has nothing that most tasks do without.
fn is_plain(record: &TaskRecord) -> bool {
    record.labels.is_empty()
        && record.idempotency_key.is_none()
        && record.retry_of.is_none()
        && record.expires_at.is_none()
        && record.progress.is_none()
        && record.failure.is_none()
}

fn kept(payload: &Bytes) -> Bytes {
    if payload.len() <= COPIED_BYTES_MAX {
        Bytes::copy_from_slice(payload)
    } else {
        payload.clone()
    }
}

impl HasState for Box<Stored> {
    fn state(&self) -> TaskState {
        self.state
    }
}
