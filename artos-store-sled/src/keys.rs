//! The keys of the tree: one prefix byte for each sort of record, then big-endian parts in order.
//!
//! The order of keys is the order in which they are looked for, and no key is longer than 96 bytes.

use artos_core::{
    Name, Timestamp,
    model::{TaskId, TaskState},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The format of the store.
pub(crate) const FORMAT: &[u8] = b"f";
/// All tasks, by id.
pub(crate) const TASKS: &[u8] = b"t";
/// Tasks that are not terminal, by id.
pub(crate) const LIVE: &[u8] = b"v";
/// Failed and cancelled tasks, by id.
pub(crate) const UNSUCCESSFUL: &[u8] = b"x";

/// Longest name that stands in a key as it is; a longer one is replaced by its digest.
const NAME_BYTES_MAX: usize = 48;
/// Marks a digest where a name's length would stand.
const DIGEST: u8 = 0xFF;
/// Bytes of an id at the end of a key.
const ID_BYTES: usize = 16;

/// Returns the key of a task in one of the lists by id.
pub(crate) fn listed(list: &[u8], id: TaskId) -> Vec<u8> {
    let mut key = Vec::with_capacity(list.len() + ID_BYTES);
    key.extend_from_slice(list);
    push_id(&mut key, id);
    key
}

/// Returns the key of a task's record.
pub(crate) fn task(id: TaskId) -> Vec<u8> {
    listed(TASKS, id)
}

/// Returns the key of one chunk of a task's payload or of its record.
pub(crate) fn chunk(id: TaskId, generation: u32, index: u32) -> Vec<u8> {
    let mut key = listed(b"p", id);
    key.extend_from_slice(&generation.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Returns what the keys of a queue's pending tasks begin with.
pub(crate) fn queue(queue: &Name) -> Vec<u8> {
    let mut key = vec![b'r'];
    push_name(&mut key, queue);
    key
}

/// Returns what the keys of a queue's pending tasks of one priority begin with.
pub(crate) fn ready_rank(queue: &[u8], rank: [u8; 2]) -> Vec<u8> {
    let mut key = queue.to_vec();
    key.extend_from_slice(&rank);
    key
}

/// Returns the key that lists a pending task in its queue.
pub(crate) fn ready(name: &Name, priority: i16, run_at: Timestamp, id: TaskId) -> Vec<u8> {
    let mut key = ready_rank(&queue(name), rank(priority));
    push_time(&mut key, run_at);
    push_id(&mut key, id);
    key
}

/// Reads rank, time and id off a key of a queue; `None` if it is not one.
pub(crate) fn parse_ready(key: &[u8], queue: &[u8]) -> Option<([u8; 2], Timestamp, TaskId)> {
    let (rank, rest) = key.strip_prefix(queue)?.split_first_chunk()?;
    let (time, id) = parse_timed(rest)?;
    Some((*rank, time, id))
}

/// Returns what the keys of tasks that ended in `state` begin with.
pub(crate) fn ended_in(state: TaskState) -> Vec<u8> {
    let place = match state {
        TaskState::Pending => 0,
        TaskState::Running => 1,
        TaskState::Completed => 2,
        TaskState::Failed => 3,
        TaskState::Cancelled => 4,
    };
    vec![b'e', place]
}

/// Returns the key that lists a terminal task by when it became so.
pub(crate) fn ended(state: TaskState, finished_at: Timestamp, id: TaskId) -> Vec<u8> {
    let mut key = ended_in(state);
    push_time(&mut key, finished_at);
    push_id(&mut key, id);
    key
}

/// Reads time and id off what follows a prefix.
pub(crate) fn parse_timed(rest: &[u8]) -> Option<(Timestamp, TaskId)> {
    let (time, id) = rest.split_first_chunk()?;
    Some((Timestamp::from_micros(i64::from_be_bytes(*time)), parse_id(id)?))
}

/// Reads the id off what follows a prefix.
pub(crate) fn parse_id(rest: &[u8]) -> Option<TaskId> {
    Uuid::from_slice(rest).ok().map(TaskId::from_uuid)
}

/// Returns what the keys of a tenant's tasks begin with; they go on with the id.
pub(crate) fn tenant(tenant: &Name) -> Vec<u8> {
    let mut key = vec![b'n'];
    push_name(&mut key, tenant);
    key
}

/// Returns the key of an idempotency key. Three names would be too long, so it is a digest.
pub(crate) fn unique(tenant: Option<&Name>, kind: &Name, idempotency_key: &Name) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update([u8::from(tenant.is_some())]);
    for name in tenant.into_iter().chain([kind, idempotency_key]) {
        // The length in front keeps ("a", "bc") and ("ab", "c") apart.
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name.as_bytes());
    }
    let mut key = vec![b'k'];
    key.extend_from_slice(&digest.finalize());
    key
}

/// Returns a key as people read it in a message.
pub(crate) fn show(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// A higher priority has a lower rank, so that it comes first.
fn rank(priority: i16) -> [u8; 2] {
    // Flipping the sign bit makes signed numbers sort as bytes; inverting all turns the order.
    (!(priority.cast_unsigned() ^ 0x8000)).to_be_bytes()
}

fn push_name(key: &mut Vec<u8>, name: &Name) {
    match u8::try_from(name.len()) {
        Ok(len) if name.len() <= NAME_BYTES_MAX => {
            key.push(len);
            key.extend_from_slice(name.as_bytes());
        }
        _ => {
            key.push(DIGEST);
            key.extend_from_slice(&Sha256::digest(name.as_bytes()));
        }
    }
}

fn push_time(key: &mut Vec<u8>, time: Timestamp) {
    // Timestamps are never negative, so their bytes sort as they do.
    key.extend_from_slice(&time.as_micros().to_be_bytes());
}

fn push_id(key: &mut Vec<u8>, id: TaskId) {
    key.extend_from_slice(id.as_uuid().as_bytes());
}
