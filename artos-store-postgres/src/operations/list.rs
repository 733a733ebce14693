//! Listing and counting tasks.
//!
//! These statements are planned for each call: which index is right depends on what is asked for.

use artos_core::model::{Cursor, Filter, ListOrder, ListQuery, Name, Page, StateCounts, TaskState};
use async_trait::async_trait;
use sqlx::{Connection as _, PgConnection, Postgres, SqlStr, postgres::PgArguments, query::Query};

use super::{limit, new_tasks::label_objects, text};
use crate::{
    call::Operation,
    numbers::Numbered as _,
    record::Columns,
    statements::{Statements, end_with},
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

/// Binds a filter to the first seven parameters of a statement.
fn filtered<'q>(sql: &SqlStr, filter: &'q Filter) -> Query<'q, Postgres, PgArguments> {
    let kinds: Vec<&str> = filter.kinds.iter().map(Name::as_str).collect();
    let label = filter.labels.first();
    sqlx::query(sql.clone())
        .persistent(false)
        .bind(states(filter))
        .bind(Some(kinds).filter(|kinds| !kinds.is_empty()))
        .bind(text(filter.queue.as_ref()))
        .bind(text(filter.tenant.as_ref()))
        .bind(label.map(|(key, _)| key.as_str()))
        .bind(label.map(|(_, value)| value.as_str()))
        .bind(label_objects(&filter.labels))
}

impl List<'_> {
    async fn page(&self, connection: &mut PgConnection) -> Result<Page, sqlx::Error> {
        if self.query.limit == 0 {
            return Ok(Page::default());
        }
        let sql = match self.query.order {
            ListOrder::OldestFirst => &self.statements.list_oldest,
            ListOrder::NewestFirst => &self.statements.list_newest,
        };
        // One more than asked for tells whether there is a page after this one.
        let query = filtered(sql, &self.query.filter)
            .bind(limit(self.query.limit).saturating_add(1))
            .bind(self.query.cursor.map(|cursor| *cursor.after.as_uuid()));
        let rows = self.statements.rows(query, connection).await?;
        let tasks = rows.iter().take(self.query.limit).map(|row| Columns::new(row).record());
        let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > tasks.len();
        let next = tasks.last().filter(|_| more).map(|last| Cursor { after: last.id });
        Ok(Page { tasks, next, counts: None })
    }

    async fn counts(&self, connection: &mut PgConnection) -> Result<StateCounts, sqlx::Error> {
        let filter = &self.query.filter;
        let rest = Filter { states: Vec::new(), queue: None, ..filter.clone() };
        let by_queue = filter.queue.as_ref().filter(|_| rest == Filter::default());
        let rows = if rest == Filter::default() && filter.queue.is_none() {
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
            let query = match by_queue {
                Some(queue) => sqlx::query(self.statements.count_queue.clone())
                    .persistent(false)
                    .bind(states(filter))
                    .bind(queue.as_str()),
                None => filtered(&self.statements.count, filter),
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
