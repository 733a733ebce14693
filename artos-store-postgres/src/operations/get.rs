//! Reading one task.

use artos_core::{
    model::TaskId,
    store::{Found, Part},
};
use async_trait::async_trait;
use sqlx::PgConnection;

use crate::{call::Operation, record::Columns, statements::Statements};

/// Reads a record and one of its payloads.
pub(crate) struct Get<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) id: TaskId,
    pub(crate) part: Part,
}

const fn number(part: Part) -> i16 {
    match part {
        Part::Record => 0,
        Part::Input => 1,
        Part::Checkpoint => 2,
        Part::Output => 3,
    }
}

#[async_trait]
impl Operation for Get<'_> {
    type Answer = Option<Found>;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Option<Found>, sqlx::Error> {
        let query = self.statements.query(&self.statements.get);
        let query = query.bind(*self.id.as_uuid()).bind(number(self.part));
        let rows = self.statements.rows(query, connection).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let mut columns = Columns::new(row);
        let record = columns.record()?;
        Ok(Some(Found { record, payload: columns.payload()? }))
    }
}
