//! Asking for tasks: filters, order, pages and counts.

use std::{fmt, str::FromStr};

use super::{Name, TaskId, TaskRecord, TaskState};

/// Which tasks to list, in which order, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Which tasks.
    pub filter: Filter,
    /// In which order.
    pub order: ListOrder,
    /// Longest page wanted. A store may return shorter pages; only an absent cursor ends the list.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
    /// Whether to count every task that matches the filter, by state, besides listing a page.
    pub counts: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            order: ListOrder::default(),
            limit: 50,
            cursor: None,
            counts: false,
        }
    }
}

/// Which tasks a listing wants. An empty filter wants all; every part that is set must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Any of these states; empty for every state.
    pub states: Vec<TaskState>,
    /// Any of these kinds; empty for every kind.
    pub kinds: Vec<Name>,
    /// In this queue.
    pub queue: Option<Name>,
    /// Of this tenant.
    pub tenant: Option<Name>,
    /// Carrying all of these labels with these values.
    pub labels: Vec<(Name, Name)>,
}

impl Filter {
    /// Returns whether the filter wants `record`.
    #[must_use]
    pub fn matches(&self, record: &TaskRecord) -> bool {
        (self.states.is_empty() || self.states.contains(&record.state))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.queue.as_ref().is_none_or(|queue| *queue == record.queue)
            && self.tenant.as_ref().is_none_or(|tenant| Some(tenant) == record.tenant.as_ref())
            && self.labels.iter().all(|(key, value)| record.labels.get(key) == Some(value))
    }
}

/// The order of a listing: by id, which is the order of submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    /// The youngest task first.
    #[default]
    NewestFirst,
    /// The oldest task first.
    OldestFirst,
}

/// An opaque position in a listing: the last task of a page.
///
/// It stays valid when tasks are inserted or pruned in between: no task is listed twice or skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last task of the page before.
    pub after: TaskId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.after.as_uuid().simple())
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: expected the `next` value of an earlier page")]
pub struct ParseCursorError;

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        if text.len() != 32 {
            return Err(ParseCursorError);
        }
        let id = uuid::Uuid::try_parse(text).map_err(|_| ParseCursorError)?;
        Ok(Self { after: TaskId::from_uuid(id) })
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The tasks, in the order asked for.
    pub tasks: Vec<TaskRecord>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
    /// How many tasks match the filter, if that was asked for.
    pub counts: Option<StateCounts>,
}

/// How many tasks are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateCounts {
    /// Tasks in `Pending`.
    pub pending: u64,
    /// Tasks in `Running`.
    pub running: u64,
    /// Tasks in `Completed`.
    pub completed: u64,
    /// Tasks in `Failed`.
    pub failed: u64,
    /// Tasks in `Cancelled`.
    pub cancelled: u64,
}

impl StateCounts {
    /// Counts one more task in `state`.
    pub const fn add(&mut self, state: TaskState) {
        let count = match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running => &mut self.running,
            TaskState::Completed => &mut self.completed,
            TaskState::Failed => &mut self.failed,
            TaskState::Cancelled => &mut self.cancelled,
        };
        *count += 1;
    }

    /// Returns the number of tasks in all states.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pending + self.running + self.completed + self.failed + self.cancelled
    }
}
