//! Writing payloads and records: small ones whole, large ones in chunks.

use artos_core::{
    model::TaskId,
    store::{StoreError, StoreResult},
};
use bytes::Bytes;

use crate::{
    codec::{self, Kept, Stored, Writer},
    envelope::{self, CONTENT_BYTES_MAX, Sort},
    group::Group,
    keys,
    lookup::Chunks,
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

/// Writes a record, and removes the chunks it had before.
///
/// # Errors
///
/// [`StoreError::Invalid`] if it is larger than 4 GiB.
pub(crate) fn write_record(
    group: &mut Group<'_>,
    stored: &mut Stored,
    spilled: Option<Chunks>,
) -> StoreResult<()> {
    let id = stored.record.id;
    if let Some(chunks) = spilled {
        drop_chunks(group, id, chunks);
    }
    let key = keys::task(id);
    let content = codec::encode(stored);
    let value = if content.len() <= CONTENT_BYTES_MAX {
        envelope::seal(&key, Sort::Record, &content)
    } else {
        // The record has to know the number that its own chunks get.
        let mut generation = stored.generation;
        stored.generation = next(generation)?;
        let chunks = write_chunks(group, id, &codec::encode(stored), &mut generation)?;
        let mut place = Writer::default();
        place.u32(chunks.generation);
        place.u32(chunks.len);
        envelope::seal(&key, Sort::SpilledRecord, &place.finish())
    };
    group.put(key, value);
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
