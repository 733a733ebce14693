//! The record of a task together with where its payloads are. The crate's page lists the bytes.

use artos_core::model::{
    Epoch, Failure, Labels, LeaseHolder, Progress, TaskId, TaskRecord, WorkerId,
};
use bytes::Bytes;

use super::{Malformed, Reader, Writer, numbers};

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

/// Which of the parts that may be absent are there, one bit each.
struct Present(u16);

impl Present {
    const TENANT: u16 = 1;
    const LABELS: u16 = 1 << 1;
    const KEY: u16 = 1 << 2;
    const RETRY_OF: u16 = 1 << 3;
    const EXPIRES_AT: u16 = 1 << 4;
    const STAGE: u16 = 1 << 5;
    const LEASE: u16 = 1 << 6;
    const SETTLED_BY: u16 = 1 << 7;
    const CANCEL_REQUESTED: u16 = 1 << 8;
    const PROGRESS: u16 = 1 << 9;
    const FAILURE: u16 = 1 << 10;
    const STARTED_AT: u16 = 1 << 11;
    const FINISHED_AT: u16 = 1 << 12;
    const RESULT: u16 = 1 << 13;
    const ALL: u16 = (1 << 14) - 1;

    fn of(stored: &Stored) -> Self {
        let record = &stored.record;
        let bits = [
            (record.tenant.is_some(), Self::TENANT),
            (!record.labels.is_empty(), Self::LABELS),
            (record.idempotency_key.is_some(), Self::KEY),
            (record.retry_of.is_some(), Self::RETRY_OF),
            (record.expires_at.is_some(), Self::EXPIRES_AT),
            (record.stage.is_some(), Self::STAGE),
            (record.lease.is_some(), Self::LEASE),
            (record.settled_by.is_some(), Self::SETTLED_BY),
            (record.cancel_requested, Self::CANCEL_REQUESTED),
            (record.progress.is_some(), Self::PROGRESS),
            (record.failure.is_some(), Self::FAILURE),
            (record.started_at.is_some(), Self::STARTED_AT),
            (record.finished_at.is_some(), Self::FINISHED_AT),
            (stored.result.is_some(), Self::RESULT),
        ];
        Self(bits.into_iter().filter(|(there, _)| *there).fold(0, |all, (_, bit)| all | bit))
    }

    /// Reads a part if it is there.
    fn read<'a, T>(
        &self,
        bit: u16,
        reader: &mut Reader<'a>,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.has(bit) { read(reader).map(Some) } else { Ok(None) }
    }

    const fn has(&self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

/// Writes a task.
pub(crate) fn encode(stored: &Stored) -> Vec<u8> {
    let Stored { record, input, result, generation } = stored;
    let mut w = Writer::with_capacity(320);
    w.u8(numbers::of_state(record.state));
    w.u16(Present::of(stored).0);
    w.u32(*generation);
    w.text(&record.kind);
    w.text(&record.queue);
    w.u16(record.priority.cast_unsigned());
    w.u64(record.epoch.0);
    w.u64(record.revision);
    w.u32(record.attempt);
    w.u32(record.snoozes);
    w.u32(record.interrupts);
    for time in [record.created_at, record.stage_entered_at, record.run_at, record.updated_at] {
        w.time(time);
    }
    write_rest(&mut w, record);
    write_kept(&mut w, input);
    if let Some(result) = result {
        write_kept(&mut w, result);
    }
    w.finish()
}

/// Writes the parts that may be absent.
fn write_rest(w: &mut Writer, record: &TaskRecord) {
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
    let state = numbers::to_state(r.u8()?)?;
    let present = Present(r.u16()?);
    if present.has(!Present::ALL) {
        return Err(Malformed("it has parts that this version does not know"));
    }
    let generation = r.u32()?;
    let record = TaskRecord {
        id,
        state,
        kind: r.name()?,
        queue: r.name()?,
        priority: r.u16()?.cast_signed(),
        epoch: Epoch(r.u64()?),
        revision: r.u64()?,
        attempt: r.u32()?,
        snoozes: r.u32()?,
        interrupts: r.u32()?,
        created_at: r.time()?,
        stage_entered_at: r.time()?,
        run_at: r.time()?,
        updated_at: r.time()?,
        tenant: present.read(Present::TENANT, r, Reader::name)?,
        labels: present.read(Present::LABELS, r, read_labels)?.unwrap_or_default(),
        idempotency_key: present.read(Present::KEY, r, Reader::name)?,
        retry_of: present.read(Present::RETRY_OF, r, |r| r.uuid().map(TaskId::from_uuid))?,
        expires_at: present.read(Present::EXPIRES_AT, r, Reader::time)?,
        stage: present.read(Present::STAGE, r, Reader::name)?,
        lease: present.read(Present::LEASE, r, |r| {
            Ok(LeaseHolder { worker: WorkerId::from_uuid(r.uuid()?), expires_at: r.time()? })
        })?,
        settled_by: present.read(Present::SETTLED_BY, r, |r| numbers::to_outcome(r.u8()?))?,
        cancel_requested: present.has(Present::CANCEL_REQUESTED),
        progress: present.read(Present::PROGRESS, r, read_progress)?,
        failure: present.read(Present::FAILURE, r, read_failure)?,
        started_at: present.read(Present::STARTED_AT, r, Reader::time)?,
        finished_at: present.read(Present::FINISHED_AT, r, Reader::time)?,
    };
    let input = read_kept(r)?;
    let result = present.read(Present::RESULT, r, read_kept)?;
    r.end()?;
    Ok(Stored { record, input, result, generation })
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
