//! Deleting tasks that outlived their retention.

use std::time::Duration;

use artos_core::{
    model::{Retention, TaskState},
    store::Pruned,
};
use async_trait::async_trait;
use sqlx::PgConnection;

use super::{limit, micros};
use crate::{call::Operation, numbers::Numbered as _, record::Columns, statements::Statements};

/// Prunes at most one batch.
pub(crate) struct Prune<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) retention: &'a Retention,
    pub(crate) limit: usize,
}

#[async_trait]
impl Operation for Prune<'_> {
    type Answer = Pruned;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Pruned, sqlx::Error> {
        let kept = TaskState::ALL
            .into_iter()
            .filter_map(|state| Some((state.number(), micros(self.retention.of(state)?))));
        let (states, keep): (Vec<i16>, Vec<i64>) = kept.unzip();
        let query = self.statements.query(&self.statements.prune);
        let query = query.bind(states).bind(keep).bind(limit(self.limit));
        let row = self.statements.row(query, connection).await?;
        let mut columns = Columns::new(&row);
        let pruned: i64 = columns.next()?;
        let next: Option<i64> = columns.next()?;
        Ok(Pruned {
            count: usize::try_from(pruned).unwrap_or(0),
            next_in: next.map(|next| Duration::from_micros(u64::try_from(next).unwrap_or(0))),
        })
    }
}
