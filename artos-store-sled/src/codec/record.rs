//! The record of a task together with where its payloads are. The crate's page lists the bytes.

use artos_core::{
    Name, Timestamp,
    model::{Epoch, Failure, Labels, LeaseHolder, Progress, TaskId, TaskRecord, WorkerId},
};
use bytes::Bytes;
use uuid::Uuid;

use super::{
    Malformed, Reader, Writer, numbers,
    present::{Changing, Lasting, Present},
};

/// A task as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) record: TaskRecord,
    /// What was submitted.
    pub(crate) input: Kept,
    /// The last checkpoint's payload, or a completed task's output.
    pub(crate) result: Option<Kept>,
    /// The last number that was given to chunks of this task.
    pub(crate) generation: u32,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the record.
    Inline(Bytes),
    /// In chunks of their own.
    Chunked {
        /// What tells these chunks from others of the task.
        generation: u32,
        /// How many bytes they are together.
        len: u32,
    },
}

/// Writes a task behind a byte that says so, where other bytes were.
pub(crate) fn encode(room: Vec<u8>, tag: u8, stored: &Stored) -> Vec<u8> {
    let Stored { record, input, result, generation } = stored;
    let mut w = Writer::reusing(room);
    w.u8(tag);
    write_changing(&mut w, record);
    w.u16(Lasting::of(stored));
    w.u32(*generation);
    w.text(&record.kind);
    w.text(&record.queue);
    w.u16(record.priority.cast_unsigned());
    w.time(record.created_at);
    if let Some(tenant) = &record.tenant {
        w.text(tenant);
    }
    if !record.labels.is_empty() {
        w.u32(u32::try_from(record.labels.len()).unwrap_or(u32::MAX));
        for (key, value) in &record.labels {
            w.text(key);
            w.text(value);
        }
    }
    if let Some(key) = &record.idempotency_key {
        w.text(key);
    }
    if let Some(id) = &record.retry_of {
        w.uuid(id.as_uuid());
    }
    if let Some(time) = record.expires_at {
        w.time(time);
    }
    write_kept(&mut w, input);
    if let Some(result) = result {
        write_kept(&mut w, result);
    }
    w.finish()
}

/// Writes what changes about a task while it runs, and its result, if that is not in its row, where
/// other bytes were.
pub(crate) fn encode_changing(
    room: Vec<u8>,
    record: &TaskRecord,
    result: Option<&Bytes>,
) -> Vec<u8> {
    let mut w = Writer::reusing(room);
    write_changing(&mut w, record);
    if let Some(result) = result {
        w.slice(result);
    }
    w.finish()
}

fn write_changing(w: &mut Writer, record: &TaskRecord) {
    w.u8(numbers::of_state(record.state));
    w.u16(Changing::of(record));
    w.u64(record.epoch.0);
    w.u64(record.revision);
    w.u32(record.attempt);
    w.u32(record.snoozes);
    w.u32(record.interrupts);
    for time in [record.stage_entered_at, record.run_at, record.updated_at] {
        w.time(time);
    }
    if let Some(stage) = &record.stage {
        w.text(stage);
    }
    if let Some(holder) = &record.lease {
        w.uuid(holder.worker.as_uuid());
        w.time(holder.expires_at);
    }
    if let Some(outcome) = record.settled_by {
        w.u8(numbers::of_outcome(outcome));
    }
    if let Some(progress) = &record.progress {
        write_progress(w, progress);
    }
    if let Some(failure) = &record.failure {
        write_failure(w, failure);
    }
    for time in [record.started_at, record.finished_at].into_iter().flatten() {
        w.time(time);
    }
}

fn write_progress(w: &mut Writer, progress: &Progress) {
    w.text(&progress.stage);
    w.u32(progress.stage_number);
    w.u32(progress.stage_count);
    w.u8(progress.percent);
    w.text(&progress.message);
    w.time(progress.updated_at);
}

fn write_failure(w: &mut Writer, failure: &Failure) {
    w.u8(numbers::of_cause(failure.cause));
    w.u8(u8::from(failure.stage.is_some()));
    if let Some(stage) = &failure.stage {
        w.text(stage);
    }
    w.u32(failure.attempt);
    w.text(&failure.message);
    w.time(failure.at);
}

fn write_kept(w: &mut Writer, kept: &Kept) {
    match kept {
        Kept::Inline(bytes) => {
            w.u8(0);
            w.slice(bytes);
        }
        Kept::Chunked { generation, len } => {
            w.u8(1);
            w.u32(*generation);
            w.u32(*len);
        }
    }
}

/// Reads a task whose id is known from its key.
///
/// # Errors
///
/// [`Malformed`] if the bytes are not exactly one task.
pub(crate) fn decode(id: TaskId, bytes: &[u8]) -> Result<Stored, Malformed> {
    let r = &mut Reader::new(bytes);
    let changing = Partial::read(r)?;
    let present = Present::parse(r, Lasting::ALL)?;
    let generation = r.u32()?;
    let lasting = TaskRecord {
        id,
        kind: r.name()?,
        queue: r.name()?,
        priority: r.u16()?.cast_signed(),
        created_at: r.time()?,
        tenant: present.read(Lasting::TENANT, r, Reader::name)?,
        labels: present.read(Lasting::LABELS, r, read_labels)?.unwrap_or_default(),
        idempotency_key: present.read(Lasting::KEY, r, Reader::name)?,
        retry_of: present.read(Lasting::RETRY_OF, r, |r| r.uuid().map(TaskId::from_uuid))?,
        expires_at: present.read(Lasting::EXPIRES_AT, r, Reader::time)?,
        ..changing.0
    };
    let input = read_kept(r)?;
    let result = present.read(Lasting::RESULT, r, read_kept)?;
    r.end()?;
    Ok(Stored { record: lasting, input, result, generation })
}

/// Reads what changes about a task, into its record; returns its result, if that is there, too.
///
/// # Errors
///
/// [`Malformed`] if the bytes are not exactly that; the record is unchanged then.
pub(crate) fn decode_changing(
    record: &mut TaskRecord,
    bytes: &[u8],
) -> Result<Option<Bytes>, Malformed> {
    let r = &mut Reader::new(bytes);
    let Partial(changing) = Partial::read(r)?;
    let result = if r.is_at_end() { None } else { Some(Bytes::copy_from_slice(r.slice()?)) };
    r.end()?;
    let lasting = std::mem::replace(record, changing);
    let TaskRecord { id, kind, queue, priority, created_at, .. } = lasting;
    let TaskRecord { tenant, labels, idempotency_key, retry_of, expires_at, .. } = lasting;
    record.id = id;
    record.kind = kind;
    record.queue = queue;
    record.priority = priority;
    record.created_at = created_at;
    record.tenant = tenant;
    record.labels = labels;
    record.idempotency_key = idempotency_key;
    record.retry_of = retry_of;
    record.expires_at = expires_at;
    Ok(result)
}

/// A record of which only the changing part means anything.
struct Partial(TaskRecord);

impl Partial {
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let state = numbers::to_state(r.u8()?)?;
        let present = Present::parse(r, Changing::ALL)?;
        Ok(Self(TaskRecord {
            state,
            epoch: Epoch(r.u64()?),
            revision: r.u64()?,
            attempt: r.u32()?,
            snoozes: r.u32()?,
            interrupts: r.u32()?,
            stage_entered_at: r.time()?,
            run_at: r.time()?,
            updated_at: r.time()?,
            stage: present.read(Changing::STAGE, r, Reader::name)?,
            lease: present.read(Changing::LEASE, r, |r| {
                Ok(LeaseHolder { worker: WorkerId::from_uuid(r.uuid()?), expires_at: r.time()? })
            })?,
            settled_by: present.read(Changing::SETTLED_BY, r, |r| numbers::to_outcome(r.u8()?))?,
            cancel_requested: present.has(Changing::CANCEL_REQUESTED),
            progress: present.read(Changing::PROGRESS, r, read_progress)?,
            failure: present.read(Changing::FAILURE, r, read_failure)?,
            started_at: present.read(Changing::STARTED_AT, r, Reader::time)?,
            finished_at: present.read(Changing::FINISHED_AT, r, Reader::time)?,
            id: TaskId::from_uuid(Uuid::nil()),
            kind: Name::from_static(""),
            queue: Name::from_static(""),
            priority: 0,
            tenant: None,
            labels: Labels::new(),
            idempotency_key: None,
            retry_of: None,
            created_at: Timestamp::MIN,
            expires_at: None,
        }))
    }
}

fn read_labels(r: &mut Reader<'_>) -> Result<Labels, Malformed> {
    (0..r.u32()?).map(|_| Ok((r.name()?, r.name()?))).collect()
}

fn read_progress(r: &mut Reader<'_>) -> Result<Progress, Malformed> {
    Ok(Progress {
        stage: r.name()?,
        stage_number: r.u32()?,
        stage_count: r.u32()?,
        percent: r.u8()?,
        message: String::from(r.text()?),
        updated_at: r.time()?,
    })
}

fn read_failure(r: &mut Reader<'_>) -> Result<Failure, Malformed> {
    let cause = numbers::to_cause(r.u8()?)?;
    let stage = match r.u8()? {
        0 => None,
        1 => Some(r.name()?),
        _ => return Err(Malformed("neither a stage nor none")),
    };
    let attempt = r.u32()?;
    let message = String::from(r.text()?);
    Ok(Failure { cause, stage, attempt, message, at: r.time()? })
}

fn read_kept(r: &mut Reader<'_>) -> Result<Kept, Malformed> {
    match r.u8()? {
        0 => Ok(Kept::Inline(Bytes::copy_from_slice(r.slice()?))),
        1 => Ok(Kept::Chunked { generation: r.u32()?, len: r.u32()? }),
        _ => Err(Malformed("bytes are neither in the record nor in chunks")),
    }
}
