//! Listing tasks in short steps, so that no listing keeps the others waiting.

use std::{collections::BTreeSet, ops::Bound};

use artos_core::model::{
    Cursor, Filter, ListOrder, ListQuery, Page, StateCounts, TaskId, TaskRecord, TaskState,
};

use crate::{index::PerState, tables::Tables};

/// Tasks looked at while the lock is held once: less than a millisecond.
const STEP: usize = 1_024;

/// A listing that goes on from step to step; between steps other operations run.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    query: &'a ListQuery,
    page: Page,
    /// The last task looked at.
    position: Option<TaskId>,
    /// The last task counted, while counting.
    counted: Option<TaskId>,
    /// Whether the page is filled; what is left then is to count.
    filled: bool,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(query: &'a ListQuery) -> Self {
        Self {
            query,
            page: Page::default(),
            position: query.cursor.map(|cursor| cursor.after),
            counted: None,
            filled: false,
        }
    }

    /// Goes one step on, and returns the page once it is complete.
    pub(crate) fn step(&mut self, tables: &Tables) -> Option<Page> {
        let done = if self.filled {
            self.count_step(tables)
        } else {
            self.filled = self.fill_step(tables);
            self.filled && !self.query.counts
        };
        done.then(|| std::mem::take(&mut self.page))
    }

    /// Adds to the page; returns whether it is complete.
    fn fill_step(&mut self, tables: &Tables) -> bool {
        let ListQuery { filter, order, .. } = self.query;
        let mut candidates = candidates(tables, filter, *order, self.position);
        for _ in 0..STEP {
            let Some(id) = candidates.next() else {
                return true;
            };
            if let Some(record) = matching(tables, id, filter) {
                // One more match than asked for tells a full last page from a page with a next one.
                if self.page.tasks.len() >= self.query.limit {
                    self.page.next = match self.page.tasks.last() {
                        Some(last) => Some(Cursor { after: last.id }),
                        None => self.query.cursor,
                    };
                    return true;
                }
                self.page.tasks.push(record);
            }
            self.position = Some(id);
        }
        false
    }

    /// Adds to the counts; returns whether they are complete.
    fn count_step(&mut self, tables: &Tables) -> bool {
        let filter = &self.query.filter;
        let mut counts = self.page.counts.take().unwrap_or_default();
        let done = if filter.kinds.is_empty() && filter.queue.is_none() && filter.labels.is_empty()
        {
            counts = counts_of(tables, filter);
            true
        } else {
            let mut candidates = candidates(tables, filter, ListOrder::OldestFirst, self.counted);
            let mut looked_at = 0;
            for id in candidates.by_ref().take(STEP) {
                looked_at += 1;
                self.counted = Some(id);
                if let Some(record) = matching(tables, id, filter) {
                    counts.add(record.state);
                }
            }
            looked_at < STEP
        };
        self.page.counts = Some(counts);
        done
    }
}

fn matching(tables: &Tables, id: TaskId, filter: &Filter) -> Option<TaskRecord> {
    tables.record(id).filter(|record| filter.matches(record))
}

/// Reads the counts off the indexes, for a filter that asks for no more than tenant and states.
fn counts_of(tables: &Tables, filter: &Filter) -> StateCounts {
    let count = |state| {
        let wanted = filter.states.is_empty() || filter.states.contains(&state);
        let list = lists(tables, filter).filter(|_| wanted).map(|lists| lists.of(state).len());
        list.and_then(|len| u64::try_from(len).ok()).unwrap_or(0)
    };
    StateCounts {
        pending: count(TaskState::Pending),
        running: count(TaskState::Running),
        completed: count(TaskState::Completed),
        failed: count(TaskState::Failed),
        cancelled: count(TaskState::Cancelled),
    }
}

/// Returns the shortest index lists that hold every task the filter wants.
fn lists<'a>(tables: &'a Tables, filter: &Filter) -> Option<&'a PerState<BTreeSet<TaskId>>> {
    match &filter.tenant {
        Some(tenant) => tables.indexes.of_tenant(tables.names.find(tenant)?),
        None => Some(tables.indexes.all()),
    }
}

type Ids<'a> = Box<dyn Iterator<Item = TaskId> + 'a>;

/// Returns the ids of all tasks that the filter may want, in order, after `after`.
fn candidates<'a>(
    tables: &'a Tables,
    filter: &Filter,
    order: ListOrder,
    after: Option<TaskId>,
) -> Ids<'a> {
    let bounds = match (order, after) {
        (_, None) => (Bound::Unbounded, Bound::Unbounded),
        (ListOrder::OldestFirst, Some(id)) => (Bound::Excluded(id), Bound::Unbounded),
        (ListOrder::NewestFirst, Some(id)) => (Bound::Unbounded, Bound::Excluded(id)),
    };
    if filter.tenant.is_none() && filter.states.is_empty() {
        let ids = tables.tasks.range(bounds).map(|(id, _)| *id);
        return match order {
            ListOrder::OldestFirst => Box::new(ids),
            ListOrder::NewestFirst => Box::new(ids.rev()),
        };
    }
    let Some(lists) = lists(tables, filter) else {
        return Box::new(std::iter::empty());
    };
    let states = TaskState::ALL
        .into_iter()
        .filter(|state| filter.states.is_empty() || filter.states.contains(state));
    let lists = states.map(|state| -> Ids<'a> {
        let ids = lists.of(state).range(bounds).copied();
        match order {
            ListOrder::OldestFirst => Box::new(ids),
            ListOrder::NewestFirst => Box::new(ids.rev()),
        }
    });
    Box::new(Merge { lists: lists.map(Iterator::peekable).collect(), order })
}

/// Several ordered lists, as one.
struct Merge<'a> {
    lists: Vec<std::iter::Peekable<Ids<'a>>>,
    order: ListOrder,
}

impl Iterator for Merge<'_> {
    type Item = TaskId;

    fn next(&mut self) -> Option<TaskId> {
        let heads = self.lists.iter_mut().filter_map(|list| {
            let head = *list.peek()?;
            Some((head, list))
        });
        let first = match self.order {
            ListOrder::OldestFirst => heads.min_by_key(|(head, _)| *head),
            ListOrder::NewestFirst => heads.max_by_key(|(head, _)| *head),
        };
        first.and_then(|(_, list)| list.next())
    }
}
