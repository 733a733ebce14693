//! Inserting tasks in a transaction of somebody else's.

use std::fmt;

use artos_core::{
    model::NewTask,
    store::{Inserted, StoreResult, Transaction},
};
use async_trait::async_trait;
use sqlx::PgConnection;

use crate::{
    call::Operation as _,
    fault::store_error,
    hints::{self, News},
    operations::Insert,
    statements::Statements,
};

/// A transaction of yours that tasks are submitted in; made by
/// [`PostgresStore::join`](crate::PostgresStore::join).
///
/// Whoever waits for work hears of the tasks when the transaction commits.
pub struct Joined<'t> {
    connection: &'t mut PgConnection,
    statements: Statements,
    channel: Option<String>,
}

impl<'t> Joined<'t> {
    pub(crate) fn new(
        connection: &'t mut PgConnection,
        statements: Statements,
        channel: Option<String>,
    ) -> Self {
        Self { connection, statements, channel }
    }
}

#[async_trait]
impl Transaction for Joined<'_> {
    async fn insert(&mut self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        let mut insert = Insert::within(&self.statements, tasks);
        let answers = insert.run(self.connection).await.map_err(store_error)?;
        let mut news = News::default();
        for (task, _) in tasks.iter().zip(&answers).filter(|(_, a)| **a == Inserted::Created) {
            news.queue(&task.queue);
        }
        if let Some(channel) = self.channel.as_ref().filter(|_| !news.is_empty()) {
            // Postgres passes it on when the transaction commits, and forgets it if it does not.
            let sql = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload";
            let notify = sqlx::query(sql).bind(channel).bind(hints::within(&news));
            notify.execute(&mut *self.connection).await.map_err(store_error)?;
        }
        Ok(answers)
    }
}

impl fmt::Debug for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Joined")
    }
}
