//! Settling attempts: one statement for all, and a look at the record of each that was not applied.
//!
//! A settlement that changes nothing was applied before, or came too late. The machine tells which,
//! from the record as it is after the statement.

use artos_core::{
    Name, Timestamp,
    machine::{self, Applied},
    model::{Checkpoint, Failure, Outcome, Settlement, TaskState},
    store::{Part, Settled},
};
use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::{
    get::Get, heartbeat::epoch, item, message, micros, new_tasks::NewTasks, position, sparse, text,
};
use crate::{
    call::Operation,
    numbers::Numbered as _,
    record::Columns,
    rounds::{in_order_of_ids, rounds},
};
use crate::{hints::News, statements::Statements};

/// Ends attempts.
pub(crate) struct Settle<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) settlements: &'a [Settlement],
    /// One for each settlement. They outlive a lost connection: an advance that was applied could
    /// no longer be told from a late one once the next outcome of its lease was applied, too.
    pub(crate) answers: Vec<Option<Settled>>,
    pub(crate) news: &'a mut News,
    /// The time of the batch, as its first statement tells it.
    now: Option<i64>,
}

impl<'a> Settle<'a> {
    pub(crate) fn new(
        statements: &'a Statements,
        settlements: &'a [Settlement],
        news: &'a mut News,
    ) -> Self {
        Self { statements, settlements, answers: vec![None; settlements.len()], news, now: None }
    }

    /// Settles what is still open of a round.
    async fn settle(
        &mut self,
        connection: &mut PgConnection,
        round: &[usize],
    ) -> Result<(), sqlx::Error> {
        let open: Vec<usize> = round.iter().copied().filter(|at| self.is_open(*at)).collect();
        if open.is_empty() {
            return Ok(());
        }
        self.apply(connection, &open).await?;
        for position in open.into_iter().filter(|at| self.is_open(*at)).collect::<Vec<_>>() {
            self.look_at(connection, position).await?;
        }
        Ok(())
    }

    fn is_open(&self, position: usize) -> bool {
        self.answers.get(position).is_some_and(Option::is_none)
    }

    async fn apply(
        &mut self,
        connection: &mut PgConnection,
        open: &[usize],
    ) -> Result<(), sqlx::Error> {
        let items = Items::new(self.settlements, open);
        let query = items.bind(self.statements.query(&self.statements.settle)).bind(self.now);
        for row in self.statements.rows(query, connection).await? {
            let mut columns = Columns::new(&row);
            self.now = Some(columns.next()?);
            let applied: Option<i64> = columns.next()?;
            let state: TaskState = columns.numbered()?;
            if let Some(applied) = applied {
                *item(&mut self.answers, applied)? = Some(Settled::Applied(state));
            }
            if state == TaskState::Pending {
                self.news.queue(columns.next()?);
            }
        }
        Ok(())
    }

    /// Finds out what became of a settlement that changed nothing.
    async fn look_at(
        &mut self,
        connection: &mut PgConnection,
        position: usize,
    ) -> Result<(), sqlx::Error> {
        let Some(settlement) = self.settlements.get(position) else {
            return Ok(());
        };
        let id = settlement.lease.task_id;
        let mut get = Get { statements: self.statements, id, part: Part::Record };
        let found = get.run(connection).await?;
        let Some(answer) = self.answers.get_mut(position) else {
            return Ok(());
        };
        *answer = match found {
            None => Some(Settled::Stale),
            Some(found) => {
                let mut record = found.record;
                let state = record.state;
                // A time at which no lease is live: then what the machine still accepts was applied
                // before.
                let end = Timestamp::MAX;
                let (lease, outcome) = (settlement.lease, &settlement.outcome);
                match machine::settle(&mut record, lease, outcome, end) {
                    Ok(Applied::Before) => Some(Settled::Applied(state)),
                    Ok(Applied::Now) | Err(_) => Some(Settled::Stale),
                }
            }
        };
        Ok(())
    }
}

#[async_trait]
impl Operation for Settle<'_> {
    type Answer = Vec<Settled>;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Vec<Settled>, sqlx::Error> {
        let settlements = self.settlements;
        for round in rounds(settlements.iter().map(|one| one.lease.task_id)) {
            let id = |at: usize| settlements.get(at).map(|one| one.lease.task_id);
            self.settle(connection, &in_order_of_ids(round, id)).await?;
        }
        Ok(self.answers.iter().flatten().copied().collect())
    }
}

/// Settlements, column by column.
#[derive(Default)]
struct Items<'a> {
    follow_ups: NewTasks<'a>,
    owners: Vec<i64>,
    positions: Vec<i64>,
    ids: Vec<Uuid>,
    epochs: Vec<i64>,
    outcomes: Vec<i16>,
    froms: Vec<Option<&'a str>>,
    stages: Vec<Option<&'a str>>,
    payloads: Vec<Option<&'a [u8]>>,
    delays: Vec<Option<i64>>,
    progress_stages: Vec<Option<&'a str>>,
    progress_numbers: Vec<Option<i64>>,
    progress_counts: Vec<Option<i64>>,
    progress_percents: Vec<Option<i16>>,
    progress_messages: Vec<Option<std::borrow::Cow<'a, str>>>,
    causes: Vec<Option<i16>>,
    failure_stages: Vec<Option<&'a str>>,
    failure_attempts: Vec<Option<i64>>,
    failure_messages: Vec<Option<std::borrow::Cow<'a, str>>>,
}

impl<'a> Items<'a> {
    fn new(settlements: &'a [Settlement], open: &[usize]) -> Self {
        let mut items = Self::default();
        // Rows are locked in the order of ids; follow-up tasks are inserted in that of the batch.
        let mut in_batch = open.to_vec();
        in_batch.sort_unstable();
        for at in in_batch {
            for follow_up in settlements.get(at).iter().flat_map(|one| &one.follow_ups) {
                items.follow_ups.push(follow_up);
                items.owners.push(position(at));
            }
        }
        for at in open {
            let Some(settlement) = settlements.get(*at) else {
                continue;
            };
            items.positions.push(position(*at));
            items.ids.push(*settlement.lease.task_id.as_uuid());
            items.epochs.push(epoch(settlement.lease.epoch.0));
            items.push(&settlement.outcome);
        }
        items
    }

    fn push(&mut self, outcome: &'a Outcome) {
        let checkpoint = match outcome {
            Outcome::Advance(checkpoint) => Some(checkpoint),
            _ => None,
        };
        let (failure, delay) = match outcome {
            Outcome::Retry { failure, delay } => (Some(failure), Some(*delay)),
            Outcome::Snooze { delay } => (None, Some(*delay)),
            Outcome::Fail { failure } => (Some(failure), None),
            Outcome::Interrupt => (None, Some(std::time::Duration::ZERO)),
            Outcome::Advance(_) | Outcome::Complete { .. } | Outcome::Cancel => (None, None),
        };
        self.outcomes.push(outcome.kind().number());
        self.payloads.push(outcome.payload().map(AsRef::as_ref));
        self.delays.push(delay.map(micros));
        self.push_checkpoint(checkpoint);
        self.push_failure(failure);
    }

    fn push_checkpoint(&mut self, checkpoint: Option<&'a Checkpoint>) {
        let progress = checkpoint.map(|checkpoint| &checkpoint.progress);
        self.froms.push(checkpoint.and_then(|checkpoint| text(checkpoint.from.as_ref())));
        self.stages.push(checkpoint.map(|checkpoint| checkpoint.stage.as_str()));
        self.progress_stages.push(progress.map(|progress| progress.stage.as_str()));
        self.progress_numbers.push(progress.map(|progress| progress.stage_number.into()));
        self.progress_counts.push(progress.map(|progress| progress.stage_count.into()));
        self.progress_percents.push(progress.map(|progress| progress.percent.into()));
        self.progress_messages.push(progress.map(|progress| message(&progress.message)));
    }

    fn push_failure(&mut self, failure: Option<&'a Failure>) {
        let stage = failure.and_then(|failure| failure.stage.as_ref()).map(Name::as_str);
        self.causes.push(failure.map(|failure| failure.cause.number()));
        self.failure_stages.push(stage);
        self.failure_attempts.push(failure.map(|failure| failure.attempt.into()));
        self.failure_messages.push(failure.map(|failure| message(&failure.message)));
    }

    fn bind<'q>(self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments>
    where
        'a: 'q,
    {
        self.follow_ups
            .bind(query)
            .bind(self.owners)
            .bind(self.positions)
            .bind(self.ids)
            .bind(self.epochs)
            .bind(self.outcomes)
            .bind(sparse(self.froms))
            .bind(sparse(self.stages))
            .bind(sparse(self.payloads))
            .bind(sparse(self.delays))
            .bind(sparse(self.progress_stages))
            .bind(sparse(self.progress_numbers))
            .bind(sparse(self.progress_counts))
            .bind(sparse(self.progress_percents))
            .bind(sparse(self.progress_messages))
            .bind(sparse(self.causes))
            .bind(sparse(self.failure_stages))
            .bind(sparse(self.failure_attempts))
            .bind(sparse(self.failure_messages))
    }
}
