//! The orders in which tasks are looked for, and the only place that writes them.

use artos_core::{
    Timestamp,
    model::{TaskId, TaskRecord, TaskState},
    store::{StoreError, StoreResult},
};

use crate::{
    envelope::{self, Sort, corrupt},
    group::Group,
    keys,
};

/// Moves a task in all indexes from where one record is listed to where another is; `None` is
/// outside the store.
pub(crate) fn place(group: &mut Group<'_>, from: Option<&TaskRecord>, to: Option<&TaskRecord>) {
    let (old, new) = (from.map(keys_of), to.map(keys_of));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    for key in old.iter().filter(|key| !new.contains(key)) {
        group.remove(key.clone());
    }
    for key in new.iter().filter(|key| !old.contains(key)) {
        group.put(key.clone(), Vec::new());
    }
    place_lease(group, from, to);
}

/// Returns the keys without a value that list a record.
fn keys_of(record: &TaskRecord) -> Vec<Vec<u8>> {
    let mut keys = Vec::with_capacity(3);
    if let Some(tenant) = &record.tenant {
        keys.push(keys::listed(&keys::tenant(tenant), record.id));
    }
    match record.state {
        TaskState::Pending => {
            let TaskRecord { queue, priority, run_at, id, .. } = record;
            keys.push(keys::ready(queue, *priority, *run_at, *id));
        }
        TaskState::Running => {}
        state => {
            keys.extend(record.finished_at.map(|at| keys::ended(state, at, record.id)));
            if state != TaskState::Completed {
                keys.push(keys::listed(keys::UNSUCCESSFUL, record.id));
            }
        }
    }
    keys
}

/// Keeps the list of tasks that are not terminal, and the times their leases lapse.
fn place_lease(group: &mut Group<'_>, from: Option<&TaskRecord>, to: Option<&TaskRecord>) {
    let place = |record: Option<&TaskRecord>| {
        let record = record.filter(|record| !record.is_terminal())?;
        Some((record.id, record.lease.map(|holder| holder.expires_at)))
    };
    let (from, to) = (place(from), place(to));
    if from == to {
        return;
    }
    let Some((id, _)) = from.or(to) else {
        return;
    };
    let key = keys::listed(keys::LIVE, id);
    let (from, until) = (from.and_then(|(_, until)| until), to.and_then(|(_, until)| until));
    match to {
        Some(_) => {
            let content =
                until.map_or_else(Vec::new, |until| until.as_micros().to_be_bytes().into());
            let value = envelope::seal(&key, Sort::Lease, &content);
            group.put(key, value);
        }
        None => group.remove(key),
    }
    group.move_lease(id, from, until);
}

/// Reads when a lease lapses off the value of a task that is not terminal.
pub(crate) fn parse_lease(key: &[u8], value: &[u8]) -> StoreResult<Option<Timestamp>> {
    match *envelope::open_as(key, value, Sort::Lease)? {
        [] => Ok(None),
        [a, b, c, d, e, f, g, h] => {
            let micros = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
            Ok(Some(Timestamp::from_micros(micros)))
        }
        _ => Err(corrupt(key, "it does not say when a lease lapses")),
    }
}

/// Returns up to `limit` due tasks of a queue, in the order they should start.
pub(crate) fn due(
    group: &Group<'_>,
    queue: &[u8],
    now: Timestamp,
    limit: usize,
) -> StoreResult<Vec<TaskId>> {
    let mut due = Vec::new();
    let mut rank = Some([0, 0]);
    while let Some(from) = rank
        && due.len() < limit
    {
        rank = None;
        for key in group.scan(queue, &keys::ready_rank(queue, from)) {
            let (found, run_at, id) = parse_ready(&key?, queue)?;
            if run_at > now {
                // The others of this priority are due later still.
                rank = u16::from_be_bytes(found).checked_add(1).map(u16::to_be_bytes);
                break;
            }
            due.push(id);
            if due.len() == limit {
                break;
            }
        }
    }
    Ok(due)
}

/// Returns when the next pending task of a queue is, or was, due.
pub(crate) fn next_due(group: &Group<'_>, queue: &[u8]) -> StoreResult<Option<Timestamp>> {
    let mut next: Option<Timestamp> = None;
    let mut rank = Some([0, 0]);
    while let Some(from) = rank {
        let Some(key) = group.scan(queue, &keys::ready_rank(queue, from)).next() else {
            break;
        };
        let (found, run_at, _) = parse_ready(&key?, queue)?;
        next = Some(next.map_or(run_at, |next| next.min(run_at)));
        rank = u16::from_be_bytes(found).checked_add(1).map(u16::to_be_bytes);
    }
    Ok(next)
}

/// Returns up to `limit` tasks that ended in `state`, the ones that did so longest ago first.
pub(crate) fn ended(group: &Group<'_>, state: TaskState, limit: usize) -> StoreResult<Vec<TaskId>> {
    let prefix = keys::ended_in(state);
    let tasks = group.scan(&prefix, &prefix).take(limit).map(|key| {
        let key = key?;
        let parts = key.strip_prefix(prefix.as_slice()).and_then(keys::parse_timed);
        parts.map(|(_, id)| id).ok_or_else(|| odd(&key))
    });
    tasks.collect()
}

fn parse_ready(key: &[u8], queue: &[u8]) -> StoreResult<([u8; 2], Timestamp, TaskId)> {
    keys::parse_ready(key, queue).ok_or_else(|| odd(key))
}

fn odd(key: &[u8]) -> StoreError {
    corrupt(key, "the key does not name a time and a task")
}
