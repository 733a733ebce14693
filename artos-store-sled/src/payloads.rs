//! Writing payloads and records: small ones whole, large ones in chunks.

use artos_core::{
    model::{TaskId, TaskState},
    store::{StoreError, StoreResult},
};
use bytes::Bytes;

use crate::{
    block::ROW_VALUE_BYTES_MAX,
    codec::{self, Kept, Stored, Writer},
    envelope::{self, CONTENT_BYTES_MAX, Sort},
    group::Group,
    keys,
    lookup::{Apart, Chunks, Loaded, RECORD, SPILLED},
};

/// Largest payload that is kept in its record. Every change of a task writes its record anew, and a
/// chunk of its own costs as much as writing some kilobytes.
const INLINE_BYTES_MAX: usize = 1_024;

/// Puts a payload where it belongs by its size.
///
/// # Errors
///
/// [`StoreError::Invalid`] if it is larger than 4 GiB.
pub(crate) fn keep(
    group: &mut Group<'_>,
    id: TaskId,
    payload: &Bytes,
    generation: &mut u32,
) -> StoreResult<Kept> {
    if payload.len() <= INLINE_BYTES_MAX {
        return Ok(Kept::Inline(payload.clone()));
    }
    let Chunks { generation, len } = write_chunks(group, id, payload, generation)?;
    Ok(Kept::Chunked { generation, len })
}

/// Removes a payload that is not in its record.
pub(crate) fn drop_kept(group: &mut Group<'_>, id: TaskId, kept: &Kept) {
    if let Some(chunks) = kept.chunks() {
        drop_chunks(group, id, chunks);
    }
}

/// Removes chunks.
pub(crate) fn drop_chunks(group: &mut Group<'_>, id: TaskId, chunks: Chunks) {
    for key in chunks.keys(id) {
        group.remove(key);
    }
}

/// Writes a task's row, and removes the chunks that its record had before.
///
/// # Errors
///
/// [`StoreError::Invalid`] if it is larger than 4 GiB.
pub(crate) fn write_task(group: &mut Group<'_>, task: &mut Loaded) -> StoreResult<()> {
    let id = task.stored.record.id;
    if let Some(chunks) = task.spilled.take() {
        drop_chunks(group, id, chunks);
    }
    let content = codec::encode(group.take_room(), RECORD, &task.stored);
    if content.len() <= ROW_VALUE_BYTES_MAX {
        group.put(keys::task(id), content.as_slice());
        group.give_room(content);
        return Ok(());
    }
    // The record has to know the number that its own chunks get.
    let mut generation = task.stored.generation;
    task.stored.generation = next(generation)?;
    let content = codec::encode(content, RECORD, &task.stored);
    let record = content.get(1..).unwrap_or_default();
    let chunks = write_chunks(group, id, record, &mut generation)?;
    let mut place = Writer::default();
    place.u8(SPILLED);
    place.u32(chunks.generation);
    place.u32(chunks.len);
    group.put(keys::task(id), place.finish());
    task.spilled = Some(chunks);
    Ok(())
}

/// Writes what changed about a task.
///
/// While a task runs, that goes into a row of its own, which is shorter than the task's and lies
/// close to those of the tasks that run beside it. So does its result, unless that is in chunks.
///
/// # Errors
///
/// [`StoreError::Invalid`] if it is larger than 4 GiB.
pub(crate) fn write_change(
    group: &mut Group<'_>,
    task: &mut Loaded,
    has_result: bool,
) -> StoreResult<()> {
    let Stored { record, result, .. } = &task.stored;
    let key = keys::listed(keys::RUNNING, record.id);
    let before = task.apart;
    let is_result_apart = has_result || before == Apart::RecordAndResult;
    let result = result.as_ref().and_then(Kept::inline).filter(|_| is_result_apart);
    let runs = record.state == TaskState::Running;
    let changes = runs.then(|| codec::encode_changing(group.take_room(), record, result));
    let changes = changes.filter(|changes| changes.len() <= ROW_VALUE_BYTES_MAX);
    let apart = match (&changes, result) {
        (None, _) => Apart::Nothing,
        (Some(_), None) => Apart::Record,
        (Some(_), Some(_)) => Apart::RecordAndResult,
    };
    task.apart = apart;
    if apart == Apart::Nothing || (has_result && apart == Apart::Record) {
        write_task(group, task)?;
    }
    match changes {
        Some(changes) => {
            group.put(key, changes.as_slice());
            group.give_room(changes);
        }
        None if before != Apart::Nothing => group.remove(key),
        None => {}
    }
    Ok(())
}

fn write_chunks(
    group: &mut Group<'_>,
    id: TaskId,
    bytes: &[u8],
    generation: &mut u32,
) -> StoreResult<Chunks> {
    let too_large = |_| StoreError::Invalid {
        message: format!("{} bytes of task {id}, at most {} are kept", bytes.len(), u32::MAX),
    };
    let len = u32::try_from(bytes.len()).map_err(too_large)?;
    *generation = next(*generation)?;
    let chunks = Chunks { generation: *generation, len };
    for (key, content) in chunks.keys(id).zip(bytes.chunks(CONTENT_BYTES_MAX)) {
        let value = envelope::seal(&key, Sort::Chunk, content);
        group.put(key, value);
    }
    Ok(chunks)
}

fn next(generation: u32) -> StoreResult<u32> {
    generation.checked_add(1).ok_or_else(|| StoreError::Invalid {
        message: format!("a task's payloads changed more than {} times", u32::MAX),
    })
}
