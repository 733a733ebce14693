//! Taking back tasks whose leases lapsed.

use artos_core::{Timestamp, model::TaskState, store::Rescued};
use async_trait::async_trait;
use sqlx::PgConnection;

use super::limit;
use crate::{call::Operation, hints::News, record::Columns, statements::Statements};

/// Rescues tasks.
pub(crate) struct Rescue<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) limit: usize,
    pub(crate) news: &'a mut News,
}

#[async_trait]
impl Operation for Rescue<'_> {
    type Answer = Rescued;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Rescued, sqlx::Error> {
        let query = self.statements.query(&self.statements.rescue).bind(limit(self.limit));
        let mut rescued = Rescued::default();
        for row in self.statements.rows(query, connection).await? {
            let mut columns = Columns::new(&row);
            let now = Timestamp::from_micros(columns.next()?);
            rescued.next_in = columns.optional_time()?.map(|next| next.since(now));
            if columns.next_is_null()? {
                continue;
            }
            rescued.tasks.push(columns.id()?);
            if columns.numbered::<TaskState>()? == TaskState::Pending {
                self.news.queue(columns.next()?);
            }
        }
        Ok(rescued)
    }
}
