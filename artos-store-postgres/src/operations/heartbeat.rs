//! Extending leases, and taking in progress.

use std::time::Duration;

use artos_core::{
    model::Progress,
    store::{Beat, Pulse},
};
use async_trait::async_trait;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{item, message, micros, position, sparse};
use crate::{
    call::Operation,
    record::Columns,
    rounds::{in_order_of_ids, rounds},
    statements::Statements,
};

/// Extends leases.
pub(crate) struct Heartbeat<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) lease_for: Duration,
    pub(crate) beats: &'a [Beat],
}

#[async_trait]
impl Operation for Heartbeat<'_> {
    type Answer = Vec<Pulse>;

    async fn run(&mut self, connection: &mut PgConnection) -> Result<Vec<Pulse>, sqlx::Error> {
        let mut answers = vec![Pulse::Lost; self.beats.len()];
        for round in rounds(self.beats.iter().map(|beat| beat.lease.task_id)) {
            let id = |at: usize| self.beats.get(at).map(|beat| beat.lease.task_id);
            let round = in_order_of_ids(round, id);
            let beats = || round.iter().filter_map(|position| self.beats.get(*position));
            let reports = || beats().map(|beat| beat.progress.as_ref());
            let column = |of: fn(&Progress) -> i64| -> Vec<Option<i64>> {
                reports().map(|report| report.map(of)).collect()
            };
            let positions: Vec<i64> = round.iter().map(|at| position(*at)).collect();
            let ids: Vec<Uuid> = beats().map(|beat| *beat.lease.task_id.as_uuid()).collect();
            let epochs: Vec<i64> = beats().map(|beat| epoch(beat.lease.epoch.0)).collect();
            let stages: Vec<Option<&str>> =
                reports().map(|report| report.map(|report| report.stage.as_str())).collect();
            let percents: Vec<Option<i16>> =
                reports().map(|report| report.map(|report| i16::from(report.percent))).collect();
            let messages: Vec<_> =
                reports().map(|report| report.map(|report| message(&report.message))).collect();
            let query = self
                .statements
                .query(&self.statements.heartbeat)
                .bind(micros(self.lease_for))
                .bind(positions)
                .bind(ids)
                .bind(epochs)
                .bind(sparse(stages))
                .bind(sparse(column(|report| report.stage_number.into())))
                .bind(sparse(column(|report| report.stage_count.into())))
                .bind(sparse(percents))
                .bind(sparse(messages));
            for row in self.statements.rows(query, connection).await? {
                let mut columns = Columns::new(&row);
                let answer = item(&mut answers, columns.next()?)?;
                let cancel: bool = columns.next()?;
                *answer = if cancel { Pulse::CancelRequested } else { Pulse::Alive };
            }
        }
        Ok(answers)
    }
}

/// Returns an epoch as SQL carries it. No task has as many leases as do not fit.
pub(super) fn epoch(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}
