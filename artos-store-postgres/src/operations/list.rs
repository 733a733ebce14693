//! Listing and counting tasks.
//!
//! These statements are planned for each call: which index is right depends on what is asked for.

use artos_core::model::{Cursor, Filter, ListQuery, Name, Page, StateCounts, TaskState};
use async_trait::async_trait;
use sqlx::{Connection as _, PgConnection, Postgres, SqlStr, postgres::PgArguments, query::Query};

use super::{limit, new_tasks::label_objects, text};
use crate::{
    call::Operation,
    numbers::Numbered as _,
    record::Columns,
    statements::{Ordered, Statements, end_with},
};

/// Lists a page.
pub(crate) struct List<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) query: &'a ListQuery,
}

/// Returns the states of a filter, if it names any.
fn states(filter: &Filter) -> Option<Vec<i16>> {
    let states: Vec<i16> = filter.states.iter().map(|state| state.number()).collect();
    Some(states).filter(|states| !states.is_empty())
}

/// Returns the kinds of a filter, if it names any.
fn kinds(filter: &Filter) -> Option<Vec<&str>> {
    let kinds: Vec<&str> = filter.kinds.iter().map(Name::as_str).collect();
    Some(kinds).filter(|kinds| !kinds.is_empty())
}

/// Binds a filter to the first five parameters of a statement.
fn filtered<'q>(sql: &SqlStr, filter: &'q Filter) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql.clone())
        .persistent(false)
        .bind(states(filter))
        .bind(kinds(filter))
        .bind(text(filter.queue.as_ref()))
        .bind(text(filter.tenant.as_ref()))
        .bind(label_objects(&filter.labels))
}

impl List<'_> {
    /// Returns the statement that goes the right way to what is asked for.
    fn way(&self) -> &Ordered {
        let Filter { states, kinds, queue, tenant, labels } = &self.query.filter;
        if !labels.is_empty() {
            &self.statements.list_labels
        } else if queue.is_some() || tenant.is_some() {
            &self.statements.list
        } else if !kinds.is_empty() {
            &self.statements.list_kinds
        } else if !states.is_empty() {
            &self.statements.list_states
        } else {
            &self.statements.list
        }
    }

    async fn page(&self, connection: &mut PgConnection) -> Result<Page, sqlx::Error> {
        if self.query.limit == 0 {
            return Ok(Page::default());
        }
        let sql = self.way().by(self.query.order);
        // One more than asked for tells whether there is a page after this one.
        let mut query = filtered(sql, &self.query.filter)
            .bind(limit(self.query.limit).saturating_add(1))
            .bind(self.query.cursor.map(|cursor| *cursor.after.as_uuid()));
        // The others are looked for in what has this one.
        if let Some((key, value)) = self.query.filter.labels.first() {
            query = query.bind(key.as_str()).bind(value.as_str());
        }
        let rows = self.statements.rows(query, connection).await?;
        let tasks = rows.iter().take(self.query.limit).map(|row| Columns::new(row).record());
        let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > tasks.len();
        let next = tasks.last().filter(|_| more).map(|last| Cursor { after: last.id });
        Ok(Page { tasks, next, counts: None })
    }

    async fn counts(&self, connection: &mut PgConnection) -> Result<StateCounts, sqlx::Error> {
        let filter = &self.query.filter;
        let of_states = Filter { states: filter.states.clone(), ..Filter::default() };
        let of_queue = Filter { queue: filter.queue.clone(), ..of_states.clone() };
        let of_kinds = Filter { kinds: filter.kinds.clone(), ..of_states.clone() };
        let rows = if *filter == of_states {
            let all = || TaskState::ALL.iter().map(|state| state.number()).collect();
            let query = self.statements.query(&self.statements.count_states);
            let query = query.bind(states(filter).unwrap_or_else(all));
            self.statements.rows(query, connection).await?
        } else {
            // What matches is counted in an index, even if reading the whole table were as fast:
            // that would put everything else out of the server's cache.
            let mut transaction = connection.begin().await?;
            let setting = "SELECT set_config('enable_seqscan', 'off', true)";
            sqlx::query(setting).persistent(false).execute(&mut *transaction).await?;
            let query = if *filter == of_queue {
                sqlx::query(self.statements.count_queue.clone())
                    .persistent(false)
                    .bind(states(filter))
                    .bind(text(filter.queue.as_ref()))
            } else if *filter == of_kinds {
                sqlx::query(self.statements.count_kinds.clone())
                    .persistent(false)
                    .bind(states(filter))
                    .bind(kinds(filter))
            } else if let Some((key, value)) = filter.labels.first() {
                filtered(&self.statements.count_labels, filter)
                    .bind(key.as_str())
                    .bind(value.as_str())
            } else {
                filtered(&self.statements.count, filter)
            };
            let counted = query.fetch_all(&mut *transaction).await;
            end_with(counted, transaction).await?
        };
        let mut counts = StateCounts::default();
        for row in rows {
            let mut columns = Columns::new(&row);
            let state: TaskState = columns.numbered()?;
            let count: i64 = columns.next()?;
            let count = u64::try_from(count).unwrap_or(0);
            match state {
                TaskState::Pending => counts.pending = count,
                TaskState::Running => counts.running = count,
                TaskState::Completed => counts.completed = count,
                TaskState::Failed => counts.failed = count,
                TaskState::Cancelled => counts.cancelled = count,
            }
        }
        Ok(counts)
    }
}

#[async_trait]
impl Operation for List<'_> {
    type Answer = Page;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Page, sqlx::Error> {
        let mut page = self.page(connection).await?;
        if self.query.counts {
            page.counts = Some(self.counts(connection).await?);
        }
        Ok(page)
    }
}
