//! Listing tasks in short steps, so that no listing keeps the others waiting.

use artos_core::model::{
    Cursor, Filter, ListOrder, ListQuery, Name, Page, StateCounts, TaskId, TaskRecord, TaskState,
};

use crate::{shelf::Shelf, tables::Tables};

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
        let Some(mut candidates) = candidates(tables, filter, *order, self.position) else {
            return true;
        };
        for _ in 0..STEP {
            let Some((id, record)) = candidates.next() else {
                return true;
            };
            if let Some(record) = record.filter(|record| filter.matches(record)) {
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
            let candidates = candidates(tables, filter, ListOrder::OldestFirst, self.counted);
            let mut looked_at = 0;
            for (id, record) in candidates.into_iter().flatten().take(STEP) {
                looked_at += 1;
                self.counted = Some(id);
                if let Some(record) = record.filter(|record| filter.matches(record)) {
                    counts.add(record.state);
                }
            }
            looked_at < STEP
        };
        self.page.counts = Some(counts);
        done
    }
}

/// Reads the counts off the shelves, for a filter that asks for no more than tenant and states.
fn counts_of(tables: &Tables, filter: &Filter) -> StateCounts {
    let all = match &filter.tenant {
        None => Some(tables.tasks.counts()),
        Some(tenant) => of_tenant(tables, tenant).map(Shelf::counts),
    };
    let all = all.unwrap_or_default();
    let wanted = |state, count| {
        if filter.states.is_empty() || filter.states.contains(&state) { count } else { 0 }
    };
    StateCounts {
        pending: wanted(TaskState::Pending, all.pending),
        running: wanted(TaskState::Running, all.running),
        completed: wanted(TaskState::Completed, all.completed),
        failed: wanted(TaskState::Failed, all.failed),
        cancelled: wanted(TaskState::Cancelled, all.cancelled),
    }
}

fn of_tenant<'a>(tables: &'a Tables, tenant: &Name) -> Option<&'a Shelf<TaskState>> {
    tables.indexes.of_tenant(tables.names.find(tenant)?)
}

type Candidates<'a> = Box<dyn Iterator<Item = (TaskId, Option<TaskRecord>)> + 'a>;

/// Returns the ids of all tasks that the filter may want, in order, after `after`; some without a
/// record, because they are not wanted.
fn candidates<'a>(
    tables: &'a Tables,
    filter: &'a Filter,
    order: ListOrder,
    after: Option<TaskId>,
) -> Option<Candidates<'a>> {
    let states = filter.states.as_slice();
    Some(match &filter.tenant {
        None => {
            let tasks = tables.tasks.walk(order, after, states);
            Box::new(
                tasks.map(|(id, stored)| (id, stored.map(|one| one.record(id, &tables.names)))),
            )
        }
        Some(tenant) => {
            let tasks = of_tenant(tables, tenant)?.walk(order, after, states);
            Box::new(tasks.map(|(id, state)| (id, state.and_then(|_| tables.record(id)))))
        }
    })
}
