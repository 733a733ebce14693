//! The keys of the tree: a byte that says which table, then big-endian parts in order.
//!
//! The order of keys is the order in which they are looked for.

use artos_core::{
    Name, Timestamp,
    model::{TaskId, TaskState},
};
use sha2::{Digest, Sha256};
use sled::IVec;
use uuid::Uuid;

/// Longest key. Shorter ones keep sled's inner pages small, and rows small beside their values.
pub(crate) const KEY_BYTES_MAX: usize = 96;

/// The head of the store; the only key that is neither a block's nor a chunk's.
pub(crate) const HEAD: &[u8] = b"h";
/// What chunks' keys begin with.
pub(crate) const CHUNKS: u8 = b'p';
/// All tasks, by id.
pub(crate) const TASKS: &[u8] = b"t";
/// Tasks that are not terminal, by id.
pub(crate) const LIVE: &[u8] = b"v";
/// What has changed about running tasks since they were claimed, by id.
pub(crate) const RUNNING: &[u8] = b"c";
/// Whose an idempotency key is, by its digest.
pub(crate) const OWNERS: &[u8] = b"k";

/// Longest name, or pair of names, that stands in a key as it is; a longer one is replaced by its
/// digest.
const NAME_BYTES_MAX: usize = 48;
/// Marks a digest where a name's length would stand.
const DIGEST: u8 = 0xFF;
/// Bytes of an id at the end of a key.
const ID_BYTES: usize = 16;
/// Bytes of a key that is a table and an id.
pub(crate) const ID_KEY_BYTES: usize = 1 + ID_BYTES;

/// Returns whether a key is that of a row, which is inside a block.
pub(crate) fn is_row(key: &[u8]) -> bool {
    key.first().is_some_and(|table| *table != CHUNKS) && key != HEAD
}

/// Returns the key of the first block of the table that a key belongs to.
pub(crate) fn table(key: &[u8]) -> &[u8] {
    key.get(..1).unwrap_or_default()
}

/// Puts a key together; sled keeps short ones without allocating.
struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    len: usize,
}

impl Key {
    fn new(start: &[u8]) -> Self {
        Self { bytes: [0; KEY_BYTES_MAX], len: 0 }.with(start)
    }

    /// Adds bytes. All parts of keys have bounds, and no key comes to more than fits.
    fn with(mut self, part: &[u8]) -> Self {
        let end = self.len + part.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(part);
            self.len = end;
        }
        self
    }

    fn with_names(self, names: &[&Name]) -> Self {
        let len = names.iter().map(|name| name.len()).sum::<usize>();
        if len <= NAME_BYTES_MAX {
            return names.iter().fold(self, |key, name| {
                key.with(&[u8::try_from(name.len()).unwrap_or(DIGEST)]).with(name.as_bytes())
            });
        }
        let mut digest = Sha256::new();
        for name in names {
            update(&mut digest, name);
        }
        self.with(&[DIGEST]).with(&digest.finalize())
    }

    fn finish(self) -> IVec {
        IVec::from(self.bytes.get(..self.len).unwrap_or_default())
    }
}

/// Returns the key of a task in one of the lists by id.
pub(crate) fn listed(list: &[u8], id: TaskId) -> IVec {
    Key::new(list).with(id.as_uuid().as_bytes()).finish()
}

/// Returns the key of a task's record.
pub(crate) fn task(id: TaskId) -> IVec {
    listed(TASKS, id)
}

/// Returns the key of one chunk of a task's payload or of its record.
pub(crate) fn chunk(id: TaskId, generation: u32, index: u32) -> IVec {
    let key = Key::new(&[CHUNKS]).with(id.as_uuid().as_bytes());
    key.with(&generation.to_be_bytes()).with(&index.to_be_bytes()).finish()
}

const fn number(state: TaskState) -> u8 {
    match state {
        TaskState::Pending => 0,
        TaskState::Running => 1,
        TaskState::Completed => 2,
        TaskState::Failed => 3,
        TaskState::Cancelled => 4,
    }
}

/// Returns what the keys of tasks that ended in `state` begin with, in the order of their ends.
pub(crate) fn ended_in(state: TaskState) -> IVec {
    Key::new(&[b'e', number(state)]).finish()
}

/// Returns the key that lists a terminal task by when it became so.
pub(crate) fn ended(state: TaskState, finished_at: Timestamp, id: TaskId) -> IVec {
    // Timestamps are never negative, so their bytes sort as they do.
    let key = Key::new(&[b'e', number(state)]).with(&finished_at.as_micros().to_be_bytes());
    key.with(id.as_uuid().as_bytes()).finish()
}

/// Returns what the keys of tasks that ended in `state` begin with, in the order of their ids.
pub(crate) fn state(state: TaskState) -> IVec {
    Key::new(&[b's', number(state)]).finish()
}

/// Reads the id off the end of a key that lists a task.
pub(crate) fn parse_id(key: &[u8]) -> Option<TaskId> {
    let (_, id) = key.split_last_chunk::<ID_BYTES>()?;
    Some(TaskId::from_uuid(Uuid::from_bytes(*id)))
}

/// Reads the id off the key of a chunk.
pub(crate) fn parse_chunk(key: &[u8]) -> Option<TaskId> {
    let (rest, _generation_and_index) = key.split_last_chunk::<8>()?;
    if rest.len() == ID_KEY_BYTES { parse_id(rest) } else { None }
}

/// Returns what the keys of a kind's tasks begin with; they go on with the id.
pub(crate) fn kind(kind: &Name) -> IVec {
    Key::new(b"nk").with_names(&[kind]).finish()
}

/// Returns what the keys of a tenant's tasks begin with; they go on with the id.
pub(crate) fn tenant(tenant: &Name) -> IVec {
    Key::new(b"nt").with_names(&[tenant]).finish()
}

/// Returns what the keys of tasks with a label begin with; they go on with the id.
pub(crate) fn label(label: &Name, value: &Name) -> IVec {
    Key::new(b"l").with_names(&[label, value]).finish()
}

/// Returns the key of an idempotency key. Three names would be too long, so it is a digest.
pub(crate) fn owner(tenant: Option<&Name>, kind: &Name, idempotency_key: &Name) -> IVec {
    let mut digest = Sha256::new();
    digest.update([u8::from(tenant.is_some())]);
    for name in tenant.into_iter().chain([kind, idempotency_key]) {
        update(&mut digest, name);
    }
    Key::new(OWNERS).with(&digest.finalize()).finish()
}

/// Returns a key as people read it in a message.
pub(crate) fn show(key: &[u8]) -> String {
    match (key.split_first(), parse_id(key)) {
        (Some((table, rest)), Some(id)) if rest.len() == ID_BYTES => {
            format!("{}:{id}", table.escape_ascii())
        }
        _ => key.escape_ascii().to_string(),
    }
}

fn update(digest: &mut Sha256, name: &Name) {
    // The length in front keeps ("a", "bc") and ("ab", "c") apart.
    digest.update((name.len() as u64).to_be_bytes());
    digest.update(name.as_bytes());
}
