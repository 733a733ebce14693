//! Inserting tasks: one statement for all, and another for those that were there.

use std::collections::HashSet;

use artos_core::{
    model::{NewTask, TaskId},
    store::Inserted,
};
use async_trait::async_trait;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{item, new_tasks::NewTasks, position};
use crate::{call::Operation, digest::key_digest, record::Columns, statements::Statements};

/// Inserts a batch of tasks.
pub(crate) struct Insert<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) tasks: &'a [NewTask],
    /// One for each task, filled as they come; what is known is not asked again.
    pub(crate) answers: Vec<Option<Inserted>>,
}

impl<'a> Insert<'a> {
    pub(crate) fn new(statements: &'a Statements, tasks: &'a [NewTask]) -> Self {
        Self { statements, tasks, answers: vec![None; tasks.len()] }
    }

    fn open(&self) -> Vec<usize> {
        let open = self.answers.iter().enumerate().filter(|(_, answer)| answer.is_none());
        open.map(|(position, _)| position).collect()
    }

    async fn insert(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let open = self.open();
        let tasks: NewTasks<'_> = open.iter().filter_map(|open| self.tasks.get(*open)).collect();
        let query = tasks.bind(self.statements.query(&self.statements.insert));
        let rows = query.fetch_all(&mut *connection).await?;
        let created = rows.iter().map(|row| Columns::new(row).id());
        let mut created = created.collect::<Result<HashSet<TaskId>, _>>()?;
        for (task, answer) in self.tasks.iter().zip(&mut self.answers) {
            // Of an id that comes twice, the first was inserted.
            if answer.is_none() && created.remove(&task.id) {
                *answer = Some(Inserted::Created);
            }
        }
        Ok(())
    }

    async fn look_up(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let open = self.open();
        if open.is_empty() {
            return Ok(());
        }
        let asked = || open.iter().filter_map(|open| self.tasks.get(*open));
        let positions: Vec<i64> = open.iter().map(|open| position(*open)).collect();
        let ids: Vec<Uuid> = asked().map(|task| *task.id.as_uuid()).collect();
        let digests: Vec<Option<Uuid>> = asked().map(key_digest).collect();
        let inputs: Vec<&[u8]> = asked().map(|task| task.input.as_ref()).collect();
        let query = self.statements.query(&self.statements.existing);
        let query = query.bind(positions).bind(ids).bind(digests).bind(inputs);
        for row in query.fetch_all(connection).await? {
            let mut columns = Columns::new(&row);
            let answer = item(&mut self.answers, columns.next()?)?;
            *answer =
                Some(Inserted::Existing { id: columns.id()?, same_input: columns.next()? });
        }
        Ok(())
    }
}

#[async_trait]
impl Operation for Insert<'_> {
    type Answer = Vec<Inserted>;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Vec<Inserted>, sqlx::Error> {
        loop {
            if !self.open().is_empty() {
                self.insert(connection).await?;
            }
            self.look_up(connection).await?;
            // What stood in the way may have been pruned before it was looked at.
            if self.answers.iter().all(Option::is_some) {
                return Ok(std::mem::take(&mut self.answers).into_iter().flatten().collect());
            }
        }
    }
}
