//! The orders in which tasks are looked for, and the only place that writes them.

use artos_core::{
    model::{TaskId, TaskRecord, TaskState},
    store::StoreResult,
};

use sled::IVec;

use crate::{envelope::corrupt, group::Group, keys, live::Place};

/// Moves a task in all indexes from where one record is listed to where another is; `None` is
/// outside the store.
pub(crate) fn place(group: &mut Group<'_>, from: Option<&TaskRecord>, to: Option<&TaskRecord>) {
    if let (None, Some(record)) | (Some(record), None) = (from, to) {
        for key in lasting(record) {
            list(group, key, to.is_some());
        }
    }
    let live = |record: Option<&TaskRecord>| record.is_some_and(|record| !record.is_terminal());
    if let Some(record) = to.or(from)
        && live(from) != live(to)
    {
        list(group, keys::listed(keys::LIVE, record.id), live(to));
    }
    if from.and_then(end) != to.and_then(end) {
        for (record, here) in [(from, false), (to, true)] {
            for key in record.into_iter().flat_map(ended) {
                list(group, key, here);
            }
        }
    }
    let (waited, waits) = (from.and_then(Place::of), to.and_then(Place::of));
    if waited != waits {
        for (place, here) in [(waited, false), (waits, true)] {
            if let Some(place) = place {
                group.place(place, here);
            }
        }
    }
    let (from, to) = (from.map(|record| record.state), to.map(|record| record.state));
    if from != to {
        group.count(from, to);
    }
}

fn list(group: &mut Group<'_>, key: IVec, here: bool) {
    if here {
        group.put(key, IVec::default());
    } else {
        group.remove(key);
    }
}

/// Returns the keys that list a task by what never changes.
pub(crate) fn lasting(record: &TaskRecord) -> impl Iterator<Item = IVec> {
    let tenant = record.tenant.as_ref().map(keys::tenant);
    let labels = record.labels.iter().map(|(label, value)| keys::label(label, value));
    let lists = std::iter::once(keys::kind(&record.kind)).chain(tenant).chain(labels);
    lists.map(|list| keys::listed(&list, record.id))
}

/// Returns what decides where a terminal task is listed.
fn end(record: &TaskRecord) -> Option<(TaskState, artos_core::Timestamp)> {
    record.is_terminal().then_some(record.state).zip(record.finished_at)
}

/// Returns the keys that list a terminal task.
pub(crate) fn ended(record: &TaskRecord) -> impl Iterator<Item = IVec> {
    let id = record.id;
    end(record).into_iter().flat_map(move |(state, at)| {
        [keys::ended(state, at, id), keys::listed(&keys::state(state), id)]
    })
}

/// Returns up to `limit` tasks that ended in `state`, the ones that did so longest ago first.
pub(crate) fn oldest(
    group: &Group<'_>,
    state: TaskState,
    limit: usize,
) -> StoreResult<Vec<TaskId>> {
    let keys = group.first_keys(&keys::ended_in(state), limit)?;
    let ids =
        keys.iter().map(|key| keys::parse_id(key).ok_or_else(|| corrupt(key, "it names no task")));
    ids.collect()
}
