//! Reading tasks and their payloads, from the tree or from a group that is about to be written.
//!
//! Chunks are never overwritten: new ones get a new generation, and the old ones go in the same
//! step. So a reader without a lock finds the chunks a record names, or else a newer record.

use artos_core::{
    model::{TaskId, TaskState},
    store::{Part, StoreResult},
};
use bytes::{Bytes, BytesMut};
use sled::IVec;

use crate::{
    codec::{self, Kept, Reader, Stored},
    envelope::{self, CONTENT_BYTES_MAX, Sort, corrupt},
    keys,
};

/// Something that knows the value of a key.
pub(crate) trait Lookup {
    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>>;
}

/// A task as it was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) stored: Stored,
    /// The chunks of the record itself, if it is too large for one value.
    pub(crate) spilled: Option<Chunks>,
}

/// Chunks that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    pub(crate) generation: u32,
    pub(crate) len: u32,
}

impl Chunks {
    /// Returns the keys of the chunks, in order.
    pub(crate) fn keys(self, id: TaskId) -> impl Iterator<Item = Vec<u8>> {
        let count = u64::from(self.len).div_ceil(CONTENT_BYTES_MAX as u64);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        (0..count).map(move |index| keys::chunk(id, self.generation, index))
    }
}

impl Kept {
    /// Returns the chunks, if there are any.
    pub(crate) const fn chunks(&self) -> Option<Chunks> {
        match *self {
            Self::Inline(_) => None,
            Self::Chunked { generation, len } => Some(Chunks { generation, len }),
        }
    }
}

impl Stored {
    /// Returns where a payload is, if the task has it.
    pub(crate) fn kept(&self, part: Part) -> Option<&Kept> {
        let completed = self.record.state == TaskState::Completed;
        match part {
            Part::Record => None,
            Part::Input => Some(&self.input),
            Part::Checkpoint => self.result.as_ref().filter(|_| !completed),
            Part::Output => self.result.as_ref().filter(|_| completed),
        }
    }
}

/// Reads a task and one of its payloads, as of one moment.
pub(crate) fn load(
    lookup: &impl Lookup,
    id: TaskId,
    part: Part,
) -> StoreResult<Option<(Loaded, Option<Bytes>)>> {
    let key = keys::task(id);
    match lookup.value(&key)? {
        Some(head) => load_from(lookup, id, head, part),
        None => Ok(None),
    }
}

/// Reads a task whose record's value has been read, and one of its payloads.
pub(crate) fn load_from(
    lookup: &impl Lookup,
    id: TaskId,
    mut head: IVec,
    part: Part,
) -> StoreResult<Option<(Loaded, Option<Bytes>)>> {
    let key = keys::task(id);
    loop {
        if let Some(found) = attempt(lookup, id, &key, &head, part)? {
            return Ok(Some(found));
        }
        match lookup.value(&key)? {
            // The task was pruned meanwhile.
            None => return Ok(None),
            Some(same) if same == head => {
                return Err(corrupt(&key, "it names chunks that do not exist"));
            }
            Some(newer) => head = newer,
        }
    }
}

/// Reads what a record's value names; `None` if some of it does not exist.
fn attempt(
    lookup: &impl Lookup,
    id: TaskId,
    key: &[u8],
    head: &IVec,
    part: Part,
) -> StoreResult<Option<(Loaded, Option<Bytes>)>> {
    let decode =
        |bytes: &[u8]| codec::decode(id, bytes).map_err(|malformed| corrupt(key, malformed.0));
    let loaded = match envelope::open(key, head)? {
        (Sort::Record, content) => Loaded { stored: decode(content)?, spilled: None },
        (Sort::SpilledRecord, content) => {
            let chunks = parse_chunks(content)
                .ok_or_else(|| corrupt(key, "it does not say where the record is"))?;
            match read_chunks(lookup, id, chunks)? {
                Some(content) => Loaded { stored: decode(&content)?, spilled: Some(chunks) },
                None => return Ok(None),
            }
        }
        (sort, _) => return Err(corrupt(key, &format!("a value of sort {sort:?}, not a record"))),
    };
    let payload = match loaded.stored.kept(part) {
        None => None,
        Some(Kept::Inline(bytes)) => Some(bytes.clone()),
        Some(Kept::Chunked { generation, len }) => {
            let chunks = Chunks { generation: *generation, len: *len };
            match read_chunks(lookup, id, chunks)? {
                Some(bytes) => Some(bytes),
                None => return Ok(None),
            }
        }
    };
    Ok(Some((loaded, payload)))
}

/// Reads chunks; `None` if one does not exist.
fn read_chunks(lookup: &impl Lookup, id: TaskId, chunks: Chunks) -> StoreResult<Option<Bytes>> {
    // The length was under a checksum, and grows with what is really there.
    let mut bytes = BytesMut::new();
    for key in chunks.keys(id) {
        match lookup.value(&key)? {
            Some(value) => {
                bytes.extend_from_slice(envelope::open_as(&key, &value, Sort::Chunk)?);
            }
            None => return Ok(None),
        }
    }
    if u32::try_from(bytes.len()) != Ok(chunks.len) {
        let found = format!("chunks of {} bytes, expected {}", bytes.len(), chunks.len);
        return Err(corrupt(&keys::task(id), &found));
    }
    Ok(Some(bytes.freeze()))
}

fn parse_chunks(content: &[u8]) -> Option<Chunks> {
    let mut reader = Reader::new(content);
    let chunks = Chunks { generation: reader.u32().ok()?, len: reader.u32().ok()? };
    reader.end().ok().map(|()| chunks)
}
