//! Inserting tasks: one statement for all, and others if some of them were there.
//!
//! Tasks that look new are inserted without a look at what is there; the rare batch that meets one
//! of its own is inserted again with care.

use std::{collections::HashSet, ops::Range};

use artos_core::{model::NewTask, store::Inserted};
use async_trait::async_trait;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{item, new_tasks::NewTasks, position};
use crate::{
    call::Operation, digest::key_digest, record::Columns, rounds::rounds, statements::Statements,
};

/// How often what stands in the way of a task may be gone by the time it is looked at.
const LOOKS_MAX: usize = 10;

/// Inserts a batch of tasks.
pub(crate) struct Insert<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) tasks: &'a [NewTask],
    /// One for each task, filled as they come; what is known is not asked again.
    pub(crate) answers: Vec<Option<Inserted>>,
    /// The time of the batch, as its first statement tells it.
    now: Option<i64>,
    /// Nothing can be known of the tasks yet, and an error harms nobody.
    is_new: bool,
}

impl<'a> Insert<'a> {
    pub(crate) fn new(statements: &'a Statements, tasks: &'a [NewTask]) -> Self {
        let is_new = tasks.iter().all(|task| task.idempotency_key.is_none());
        Self { statements, tasks, answers: vec![None; tasks.len()], now: None, is_new }
    }

    /// Makes one for a transaction of somebody else's, which an error would end.
    pub(crate) fn within(statements: &'a Statements, tasks: &'a [NewTask]) -> Self {
        Self { is_new: false, ..Self::new(statements, tasks) }
    }

    /// Inserts all tasks at once; answers whether they were as new as they look.
    async fn insert_new(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let labels = || {
            let labels = |task: &'a NewTask| task.labels.iter().map(|label| (task.id, label));
            self.tasks.iter().flat_map(labels)
        };
        let ids: Vec<Uuid> = labels().map(|(id, _)| *id.as_uuid()).collect();
        let keys: Vec<&str> = labels().map(|(_, (key, _))| key.as_str()).collect();
        let values: Vec<&str> = labels().map(|(_, (_, value))| value.as_str()).collect();
        let query = self.statements.query(&self.statements.insert_new);
        let query = self.tasks.iter().collect::<NewTasks<'_>>().bind_keyless(query);
        let query = query.bind(ids).bind(keys).bind(values);
        match self.statements.rows(query, connection).await {
            Ok(_) => Ok(true),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns which tasks of a round are not answered yet.
    fn open(&self, round: &Range<usize>) -> Vec<usize> {
        let is_open = |position: &usize| self.answers.get(*position).is_some_and(Option::is_none);
        round.clone().filter(is_open).collect()
    }

    async fn insert(
        &mut self,
        connection: &mut PgConnection,
        open: &[usize],
    ) -> Result<(), sqlx::Error> {
        let tasks: NewTasks<'_> = open.iter().filter_map(|open| self.tasks.get(*open)).collect();
        let query = tasks.bind(self.statements.query(&self.statements.insert)).bind(self.now);
        let mut created = HashSet::new();
        for row in self.statements.rows(query, connection).await? {
            let mut columns = Columns::new(&row);
            created.insert(columns.id()?);
            self.now = Some(columns.next()?);
        }
        for position in open {
            let id = self.tasks.get(*position).map(|task| task.id);
            if let Some(answer) = self.answers.get_mut(*position)
                && id.is_some_and(|id| created.contains(&id))
            {
                *answer = Some(Inserted::Created);
            }
        }
        Ok(())
    }

    async fn look_up(
        &mut self,
        connection: &mut PgConnection,
        open: &[usize],
    ) -> Result<(), sqlx::Error> {
        let asked = || open.iter().filter_map(|open| self.tasks.get(*open));
        let positions: Vec<i64> = open.iter().map(|open| position(*open)).collect();
        let ids: Vec<Uuid> = asked().map(|task| *task.id.as_uuid()).collect();
        let digests: Vec<Option<Uuid>> = asked().map(key_digest).collect();
        let inputs: Vec<&[u8]> = asked().map(|task| task.input.as_ref()).collect();
        let query = self.statements.query(&self.statements.existing);
        let query = query.bind(positions).bind(ids).bind(digests).bind(inputs);
        for row in self.statements.rows(query, connection).await? {
            let mut columns = Columns::new(&row);
            let answer = item(&mut self.answers, columns.next()?)?;
            *answer = Some(Inserted::Existing { id: columns.id()?, same_input: columns.next()? });
        }
        Ok(())
    }
}

#[async_trait]
impl Operation for Insert<'_> {
    type Answer = Vec<Inserted>;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Vec<Inserted>, sqlx::Error> {
        // Another run may find what this one inserts.
        if std::mem::take(&mut self.is_new) && self.insert_new(connection).await? {
            return Ok(vec![Inserted::Created; self.tasks.len()]);
        }
        for round in rounds(self.tasks.iter().map(|task| task.id)) {
            let mut looks = 0;
            loop {
                let open = self.open(&round);
                if open.is_empty() {
                    break;
                }
                if looks == LOOKS_MAX {
                    return Err(unseen());
                }
                looks += 1;
                self.insert(connection, &open).await?;
                let there = self.open(&round);
                if !there.is_empty() {
                    self.look_up(connection, &there).await?;
                }
                // What stood in the way may have been pruned before it was looked at.
            }
        }
        Ok(std::mem::take(&mut self.answers).into_iter().flatten().collect())
    }
}

/// A transaction that sees the database as it was cannot find what was committed since.
fn unseen() -> sqlx::Error {
    let message = "a task with the same id or idempotency key stands in the way, and this \
                   transaction cannot see it: use one that is READ COMMITTED";
    sqlx::Error::Encode(message.into())
}
