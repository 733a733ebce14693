//! Claiming due tasks, and finding those of a claim whose answer got lost.

use std::{cmp::Reverse, time::Duration};

use artos_core::{
    Timestamp,
    store::{Claim, Claimed, Claims},
};
use async_trait::async_trait;
use sqlx::{PgConnection, postgres::PgRow};

use super::{limit, micros};
use crate::{call::Operation, fault::nonsense, record::Columns, statements::Statements};

/// Most tasks that one statement leases; `claim.sql` knows of it.
const CLAIM_STEP: usize = 1_000;

/// Leases due tasks.
pub(crate) struct ClaimDue<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) request: &'a Claim,
    /// Tells this call from all others, so that what it leased can be found again.
    pub(crate) call: i64,
    pub(crate) has_run: bool,
}

impl ClaimDue<'_> {
    async fn claimed_before(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        let query = self.statements.query(&self.statements.claimed_before);
        let query = query.bind(*self.request.worker.as_uuid()).bind(self.call);
        let rows = self.statements.rows(query, connection).await?;
        rows.iter().map(|row| claimed(&mut Columns::new(row))).collect()
    }
}

fn claimed(columns: &mut Columns<'_>) -> Result<Claimed, sqlx::Error> {
    let record = columns.record()?;
    let payload = columns.payload()?;
    Ok(Claimed {
        record: Box::new(record),
        payload: payload.ok_or_else(|| nonsense("no input".into()))?,
    })
}

fn claims(rows: &[PgRow]) -> Result<Claims, sqlx::Error> {
    let mut claims = Claims::default();
    for row in rows {
        let mut columns = Columns::new(row);
        let now = Timestamp::from_micros(columns.next()?);
        claims.next_due_in = columns.optional_time()?.map(|next| next.since(now));
        if !columns.next_is_null()? {
            claims.tasks.push(claimed(&mut columns)?);
        }
    }
    Ok(claims)
}

#[async_trait]
impl Operation for ClaimDue<'_> {
    type Answer = Claims;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Claims, sqlx::Error> {
        let mut found = Claims::default();
        if std::mem::replace(&mut self.has_run, true) {
            found.tasks = self.claimed_before(connection).await?;
            // Whether more is due was in the answer that got lost; the worker asks again.
            found.next_due_in = Some(Duration::ZERO);
        }
        let mut is_open = found.tasks.is_empty();
        while is_open {
            let asked = (self.request.limit - found.tasks.len()).min(CLAIM_STEP);
            let query = self.statements.query(&self.statements.claim);
            let query = query
                .bind(self.request.queue.as_str())
                .bind(limit(asked))
                .bind(*self.request.worker.as_uuid())
                .bind(micros(self.request.lease_for))
                .bind(self.call);
            let more = claims(&self.statements.rows(query, connection).await?)?;
            is_open = asked > 0 && more.tasks.len() == asked && asked == CLAIM_STEP;
            found.tasks.extend(more.tasks);
            found.next_due_in = more.next_due_in;
        }
        // The server answers in any order; the tasks should start in theirs.
        found.tasks.sort_by_key(|task| {
            (Reverse(task.record.priority), task.record.run_at, task.record.id)
        });
        Ok(found)
    }
}
