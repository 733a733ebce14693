//! Mistakes of those who read.

use std::sync::atomic::Ordering;

use artos_core::{
    ListOrder, ListQuery, Page, TaskId, TaskState,
    model::{Cursor, StateCounts},
    store::{Found, Part},
};

use crate::{bug::Bug, store::BuggyStore};

impl BuggyStore {
    /// Reads a task.
    pub(crate) fn read(&self, id: TaskId, part: Part) -> Option<Found> {
        let tasks = self.lock();
        tasks.entries.get(&id).map(|entry| {
            let payload = match part {
                Part::Record => None,
                Part::Input => Some(entry.input.clone()),
                Part::Checkpoint => entry.checkpoint.clone(),
                Part::Output if self.has(Bug::OutputIsOfAnother) => {
                    let outputs = tasks.entries.values().filter_map(|other| other.output.clone());
                    entry.output.as_ref().and_then(|_| outputs.last())
                }
                Part::Output => entry.output.clone(),
            };
            let mut record = entry.record.clone();
            let reads = entry.reads.fetch_add(1, Ordering::Relaxed);
            let first = entry.first_read.get_or_init(|| record.clone());
            if self.has(Bug::GetGoesBack) && reads % 2 == 1 {
                record = first.clone();
            }
            if self.has(Bug::EndIsHidden) && record.is_terminal() {
                record.state = TaskState::Running;
            }
            Found { record, payload }
        })
    }

    /// Lists a page.
    pub(crate) fn page(&self, query: &ListQuery) -> Page {
        let tasks = self.lock();
        let records = tasks.entries.values().map(|entry| &entry.record);
        let mut matching: Vec<_> = records.filter(|record| query.filter.matches(record)).collect();
        let mut counts = StateCounts::default();
        matching.iter().for_each(|record| counts.add(record.state));
        if query.order == ListOrder::NewestFirst {
            matching.reverse();
        }
        if let Some(Cursor { after }) = query.cursor {
            matching.retain(|record| match query.order {
                ListOrder::NewestFirst => record.id < after,
                ListOrder::OldestFirst if self.has(Bug::ListRepeats) => record.id >= after,
                ListOrder::OldestFirst => record.id > after,
            });
        }
        let more = matching.len() > query.limit;
        matching.truncate(query.limit);
        let last = matching.last().map(|record| Cursor { after: record.id });
        if more && self.has(Bug::ListSkips) {
            matching.pop();
        }
        let next = if more { last.or(query.cursor) } else { None };
        let counts = query.counts.then_some(counts);
        Page { tasks: matching.into_iter().cloned().collect(), next, counts }
    }
}
