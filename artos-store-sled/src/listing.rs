//! Listing tasks in the order of their ids, from the shortest lists that hold all that may match.
//!
//! No lock is held: a task that is there all the while is listed exactly once, because no list that
//! is read here loses or moves a task that still matches.

use std::{iter::Peekable, sync::Arc};

use artos_core::{
    model::{Cursor, Filter, ListOrder, ListQuery, Page, StateCounts, TaskId, TaskState},
    store::{Part, StoreResult},
};

use sled::IVec;

use crate::{
    disk::Disk,
    envelope::corrupt,
    keys,
    lookup::{self, Loaded},
    scan::Scan,
};

/// Lists one page.
pub(crate) fn list(disk: &Disk, query: &ListQuery) -> StoreResult<Page> {
    let mut page = Page::default();
    let after = query.cursor.map(|cursor| cursor.after);
    for task in Matching::new(disk, &query.filter, query.order, after) {
        let task = task?;
        // One more match than asked for tells a full last page from a page with a next one.
        if page.tasks.len() >= query.limit {
            page.next = match page.tasks.last() {
                Some(last) => Some(Cursor { after: last.id }),
                None => query.cursor,
            };
            break;
        }
        page.tasks.push(task.stored.record.clone());
    }
    if query.counts {
        page.counts = Some(counts(disk, &query.filter)?);
    }
    Ok(page)
}

/// Counts the tasks that a filter wants, by state.
fn counts(disk: &Disk, filter: &Filter) -> StoreResult<StateCounts> {
    let Filter { states, kinds, queue, tenant, labels } = filter;
    if kinds.is_empty() && queue.is_none() && tenant.is_none() && labels.is_empty() {
        let mut counts = disk.counts();
        for state in
            TaskState::ALL.into_iter().filter(|state| !states.is_empty() && !states.contains(state))
        {
            match state {
                TaskState::Pending => counts.pending = 0,
                TaskState::Running => counts.running = 0,
                TaskState::Completed => counts.completed = 0,
                TaskState::Failed => counts.failed = 0,
                TaskState::Cancelled => counts.cancelled = 0,
            }
        }
        return Ok(counts);
    }
    let mut counts = StateCounts::default();
    for task in Matching::new(disk, filter, ListOrder::OldestFirst, None) {
        counts.add(task?.stored.record.state);
    }
    Ok(counts)
}

/// Returns what the keys of the lists begin with that together hold all tasks a filter may want,
/// each of them once.
fn lists(filter: &Filter) -> Vec<IVec> {
    if let Some((label, value)) = filter.labels.first() {
        return vec![keys::label(label, value)];
    }
    if let Some(tenant) = &filter.tenant {
        return vec![keys::tenant(tenant)];
    }
    let states = &filter.states;
    // Lists are only right together if a task cannot move from one to another meanwhile.
    if !states.is_empty() && states.iter().all(|state| state.is_terminal()) {
        let wanted = TaskState::ALL.into_iter().filter(|state| states.contains(state));
        return wanted.map(keys::state).collect();
    }
    if !states.is_empty() && states.iter().all(|state| !state.is_terminal()) {
        return vec![IVec::from(keys::LIVE)];
    }
    if filter.kinds.is_empty() {
        return vec![IVec::from(keys::TASKS)];
    }
    let mut kinds: Vec<_> = filter.kinds.iter().map(keys::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The tasks that match a filter.
struct Matching<'a> {
    disk: &'a Disk,
    filter: &'a Filter,
    order: ListOrder,
    lists: Vec<Peekable<Scan<'a>>>,
}

impl<'a> Matching<'a> {
    fn new(disk: &'a Disk, filter: &'a Filter, order: ListOrder, after: Option<TaskId>) -> Self {
        let scan = |list: IVec| {
            let after = after.map(|id| keys::listed(&list, id));
            Scan::new(disk, list, order, after).peekable()
        };
        Self { disk, filter, order, lists: lists(filter).into_iter().map(scan).collect() }
    }

    /// Returns the next row of all lists, in the order of their ids.
    fn next_row(&mut self) -> Option<StoreResult<(IVec, IVec)>> {
        if let [list] = self.lists.as_mut_slice() {
            return list.next();
        }
        let mut first: Option<(usize, TaskId)> = None;
        for (at, list) in self.lists.iter_mut().enumerate() {
            let id = match list.peek() {
                None => continue,
                Some(Err(_)) => return list.next(),
                Some(Ok((key, _))) => keys::parse_id(key),
            };
            // A key without an id is found out by whoever reads it.
            let Some(id) = id else { return list.next() };
            let comes_first = first.is_none_or(|(_, first)| match self.order {
                ListOrder::OldestFirst => id < first,
                ListOrder::NewestFirst => id > first,
            });
            if comes_first {
                first = Some((at, id));
            }
        }
        let (at, _) = first?;
        self.lists.get_mut(at)?.next()
    }

    /// Reads the task that a row is of, or lists, if the filter wants it.
    fn read(&self, key: &[u8], row: &[u8]) -> StoreResult<Option<Arc<Loaded>>> {
        let id = keys::parse_id(key).ok_or_else(|| corrupt(key, "it names no task"))?;
        let is_task = keys::table(key) == keys::TASKS;
        let task = if is_task { lookup::decode(self.disk, id, row)?.map(Arc::new) } else { None };
        // A row that was read a while ago says nothing about a task that was still to change.
        let task = match task.filter(|task| task.stored.record.is_terminal()) {
            Some(task) => Some(task),
            // A task that is listed and not there was pruned meanwhile.
            None => lookup::load(self.disk, id, Part::Record)?.map(|(task, _)| task),
        };
        Ok(task.filter(|task| self.filter.matches(&task.stored.record)))
    }
}

impl Iterator for Matching<'_> {
    type Item = StoreResult<Arc<Loaded>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let read = match self.next_row()? {
                Ok((key, row)) => self.read(&key, &row),
                Err(error) => Err(error),
            };
            match read {
                Ok(None) => {}
                Ok(Some(task)) => return Some(Ok(task)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
