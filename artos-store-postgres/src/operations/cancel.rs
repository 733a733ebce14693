//! Cancelling a task, or asking for it.

use artos_core::{
    machine::Cancelled,
    model::{TaskId, TaskState},
};
use async_trait::async_trait;
use sqlx::PgConnection;

use crate::{call::Operation, record::Columns, statements::Statements};

/// Cancels a task.
pub(crate) struct Cancel<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) id: TaskId,
}

#[async_trait]
impl Operation for Cancel<'_> {
    type Answer = Cancelled;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Cancelled, sqlx::Error> {
        loop {
            let query = self.statements.query(&self.statements.cancel).bind(*self.id.as_uuid());
            if let Some(row) = self.statements.rows(query, connection).await?.first() {
                let state: TaskState = Columns::new(row).numbered()?;
                let now = state == TaskState::Cancelled;
                return Ok(if now { Cancelled::Now } else { Cancelled::Requested });
            }
            let query = self.statements.query(&self.statements.state).bind(*self.id.as_uuid());
            let rows = self.statements.rows(query, connection).await?;
            let Some(row) = rows.first() else {
                return Ok(Cancelled::Unknown);
            };
            let mut columns = Columns::new(row);
            let state: TaskState = columns.numbered()?;
            if state.is_terminal() {
                return Ok(Cancelled::AlreadyTerminal(state));
            }
            if state == TaskState::Running && columns.next()? {
                return Ok(Cancelled::Requested);
            }
            // It changed between the two statements; this is what a cancel is for.
        }
    }
}
