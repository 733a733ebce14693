//! Reading tasks and their payloads, from the tree or from a group that is about to be written.
//!
//! Chunks are never overwritten: new ones get a new generation, and the old ones go in the same
//! step. So a reader without a lock finds the chunks a record names, or else a newer record.

use std::{cell::RefCell, sync::Arc};

use artos_core::{
    model::{TaskId, TaskState},
    store::{Part, StoreResult},
};
use bytes::{Bytes, BytesMut};
use sled::IVec;

use crate::{
    codec::{self, Kept, Malformed, Reader, Stored},
    disk::Disk,
    envelope::{self, CONTENT_BYTES_MAX, Sort, corrupt},
    keys,
    scan::BlockCache,
};

/// In front of a record in its row.
pub(crate) const RECORD: u8 = 0;
/// In front of where a record is that does not fit a row.
pub(crate) const SPILLED: u8 = 1;

/// Something that knows the values of keys, and which tasks run.
pub(crate) trait Lookup {
    /// Returns a task that runs. Its row is older.
    fn running(&self, id: TaskId) -> Option<Arc<Loaded>>;

    /// Returns the value of a row, or of a key that has its own.
    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>>;
}

/// Rows that are asked for in about the order of their keys, while nothing is written.
#[derive(Debug)]
pub(crate) struct InOrder<'a> {
    disk: &'a Disk,
    blocks: RefCell<BlockCache<'a>>,
}

impl<'a> InOrder<'a> {
    pub(crate) fn new(disk: &'a Disk) -> Self {
        Self { disk, blocks: RefCell::default() }
    }
}

impl Lookup for InOrder<'_> {
    fn running(&self, _: TaskId) -> Option<Arc<Loaded>> {
        None
    }

    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        if keys::is_row(key) {
            self.blocks.borrow_mut().row(self.disk, key)
        } else {
            self.disk.value(key)
        }
    }
}

/// A task as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) stored: Stored,
    /// The chunks of the record itself, if it is too large for a row.
    pub(crate) spilled: Option<Chunks>,
    pub(crate) apart: Apart,
}

#[cfg(test)]
impl Loaded {
    /// A task that was just submitted, for tests.
    pub(crate) fn submitted(id: TaskId) -> Arc<Self> {
        let task = artos_core::model::NewTask::new(id, "kind", "queue", Bytes::new());
        let record = artos_core::machine::insert(&task, artos_core::Timestamp::from_micros(1));
        let input = Kept::Inline(Bytes::new());
        let stored = Stored { record, input, result: None, generation: 0 };
        Arc::new(Self { stored, spilled: None, apart: Apart::Nothing })
    }
}

/// What a running task has in a row of its own, because it changed since the task was claimed. Its
/// row is older then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    Nothing,
    /// Its record.
    Record,
    /// Its record and its result.
    RecordAndResult,
}

impl Loaded {
    /// Takes over what is in a row of its own.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if that makes no sense; the task is unchanged then.
    pub(crate) fn take_over(&mut self, changes: &[u8]) -> Result<(), Malformed> {
        let result = codec::decode_changing(&mut self.stored.record, changes)?;
        self.apart = if result.is_some() { Apart::RecordAndResult } else { Apart::Record };
        if let Some(result) = result {
            self.stored.result = Some(Kept::Inline(result));
        }
        Ok(())
    }
}

/// Chunks that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    pub(crate) generation: u32,
    pub(crate) len: u32,
}

impl Chunks {
    fn parse(content: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(content);
        let chunks = Self { generation: reader.u32()?, len: reader.u32()? };
        reader.end().map(|()| chunks)
    }

    /// Returns the keys of the chunks, in order.
    pub(crate) fn keys(self, id: TaskId) -> impl Iterator<Item = IVec> {
        let count = u64::from(self.len).div_ceil(CONTENT_BYTES_MAX as u64);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        (0..count).map(move |index| keys::chunk(id, self.generation, index))
    }
}

impl Kept {
    /// Returns the bytes, if they are in the record.
    pub(crate) const fn inline(&self) -> Option<&Bytes> {
        match self {
            Self::Inline(bytes) => Some(bytes),
            Self::Chunked { .. } => None,
        }
    }

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
) -> StoreResult<Option<(Arc<Loaded>, Option<Bytes>)>> {
    let mut last = None;
    loop {
        let task = lookup.running(id);
        let row = if task.is_none() { lookup.value(&keys::task(id))? } else { None };
        if task.is_none() && row.is_none() {
            return Ok(None);
        }
        let found = match (&task, &row) {
            (Some(task), _) => Some(Arc::clone(task)),
            (None, Some(row)) => decode(lookup, id, row)?.map(Arc::new),
            (None, None) => None,
        };
        if let Some(found) = found
            && let Some(payload) = payload(lookup, &found.stored, part)?
        {
            return Ok(Some((found, payload)));
        }
        // It names chunks that are gone, so there has to be a newer record by now.
        let read = Some((task, row));
        if read == last {
            return Err(corrupt(&keys::task(id), "it names chunks that do not exist"));
        }
        last = read;
    }
}

/// Reads a task off its row; `None` if chunks of its record are gone.
pub(crate) fn decode(lookup: &impl Lookup, id: TaskId, row: &[u8]) -> StoreResult<Option<Loaded>> {
    let odd = |malformed: Malformed| corrupt(&keys::task(id), malformed.0);
    match row.split_first() {
        Some((&RECORD, content)) => {
            let stored = codec::decode(id, content).map_err(odd)?;
            Ok(Some(Loaded { stored, spilled: None, apart: Apart::Nothing }))
        }
        Some((&SPILLED, content)) => {
            let chunks = Chunks::parse(content).map_err(odd)?;
            let Some(content) = read_chunks(lookup, id, chunks)? else { return Ok(None) };
            let stored = codec::decode(id, &content).map_err(odd)?;
            Ok(Some(Loaded { stored, spilled: Some(chunks), apart: Apart::Nothing }))
        }
        _ => Err(corrupt(&keys::task(id), "it holds neither a record nor where one is")),
    }
}

/// Reads one of a task's payloads; the outer `None` if chunks of it are gone.
pub(crate) fn payload(
    lookup: &impl Lookup,
    stored: &Stored,
    part: Part,
) -> StoreResult<Option<Option<Bytes>>> {
    match stored.kept(part) {
        None => Ok(Some(None)),
        Some(Kept::Inline(bytes)) => Ok(Some(Some(bytes.clone()))),
        Some(Kept::Chunked { generation, len }) => {
            let chunks = Chunks { generation: *generation, len: *len };
            Ok(read_chunks(lookup, stored.record.id, chunks)?.map(Some))
        }
    }
}

/// Reads chunks; `None` if one does not exist.
pub(crate) fn read_chunks(
    lookup: &impl Lookup,
    id: TaskId,
    chunks: Chunks,
) -> StoreResult<Option<Bytes>> {
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
