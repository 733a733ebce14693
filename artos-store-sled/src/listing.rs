//! Listing tasks in the order of their ids, from the shortest list that holds all that may match.
//!
//! No lock is held: a task that is there all the while is listed exactly once, because no list that
//! is read here loses or moves a task that still matches.

use artos_core::{
    model::{
        Cursor, Filter, ListOrder, ListQuery, Page, StateCounts, TaskId, TaskRecord, TaskState,
    },
    store::{Part, StoreResult},
};
use sled::IVec;

use crate::{disk::Disk, envelope::corrupt, keys, lookup};

/// Lists one page.
pub(crate) fn list(disk: &Disk, query: &ListQuery) -> StoreResult<Page> {
    let mut page = Page::default();
    let after = query.cursor.map(|cursor| cursor.after);
    for record in Matching::new(disk, &query.filter, query.order, after) {
        let record = record?;
        // One more match than asked for tells a full last page from a page with a next one.
        if page.tasks.len() >= query.limit {
            page.next = match page.tasks.last() {
                Some(last) => Some(Cursor { after: last.id }),
                None => query.cursor,
            };
            break;
        }
        page.tasks.push(record);
    }
    if query.counts {
        let mut counts = StateCounts::default();
        for record in Matching::new(disk, &query.filter, ListOrder::OldestFirst, None) {
            counts.add(record?.state);
        }
        page.counts = Some(counts);
    }
    Ok(page)
}

/// Returns what the keys of the shortest list begin with that holds all tasks a filter may want.
fn shortest_list(filter: &Filter) -> Vec<u8> {
    let only = |states: &[TaskState]| {
        !filter.states.is_empty() && filter.states.iter().all(|state| states.contains(state))
    };
    // A list is only right for states between which a task cannot move out of it and match still.
    if only(&[TaskState::Pending, TaskState::Running]) {
        keys::LIVE.to_vec()
    } else if only(&[TaskState::Failed, TaskState::Cancelled]) {
        keys::UNSUCCESSFUL.to_vec()
    } else if let Some(tenant) = &filter.tenant {
        keys::tenant(tenant)
    } else {
        keys::TASKS.to_vec()
    }
}

/// The records that match a filter.
struct Matching<'a> {
    disk: &'a Disk,
    filter: &'a Filter,
    order: ListOrder,
    list: Vec<u8>,
    entries: sled::Iter,
}

impl<'a> Matching<'a> {
    fn new(disk: &'a Disk, filter: &'a Filter, order: ListOrder, after: Option<TaskId>) -> Self {
        let list = shortest_list(filter);
        let mut first = list.clone();
        let mut end = list.clone();
        // No id is longer than these.
        end.extend_from_slice(&[u8::MAX; 17]);
        match (order, after) {
            (_, None) => {}
            (ListOrder::OldestFirst, Some(id)) => {
                first = keys::listed(&list, id);
                // The smallest key after that of the cursor.
                first.push(0);
            }
            (ListOrder::NewestFirst, Some(id)) => end = keys::listed(&list, id),
        }
        let entries = disk.tree().range(first..end);
        Self { disk, filter, order, list, entries }
    }

    fn read(&self, key: &[u8], value: IVec) -> StoreResult<Option<TaskRecord>> {
        let id = key.strip_prefix(self.list.as_slice()).and_then(keys::parse_id);
        let id = id.ok_or_else(|| corrupt(key, "the key does not name a task"))?;
        let loaded = if self.list == keys::TASKS {
            lookup::load_from(self.disk, id, value, Part::Record)?
        } else {
            lookup::load(self.disk, id, Part::Record)?
        };
        // A task that is listed and not there was pruned meanwhile.
        let record = loaded.map(|(loaded, _)| loaded.stored.record);
        Ok(record.filter(|record| self.filter.matches(record)))
    }
}

impl Iterator for Matching<'_> {
    type Item = StoreResult<TaskRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.order {
                ListOrder::OldestFirst => self.entries.next()?,
                ListOrder::NewestFirst => self.entries.next_back()?,
            };
            let found = entry.map_err(|error| self.disk.failed("reading", &error));
            match found.and_then(|(key, value)| self.read(&key, value)) {
                Ok(None) => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
