//! One loop that keeps all leases of a runtime alive, carries progress out and cancels back.

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

use super::{
    engine::Engine,
    executor,
    health::Duty,
    running::{Execution, StopReason},
};
use crate::{
    notify::Topic,
    store::{Beat, Pulse},
};

/// Most leases in one call.
const BEATS_MAX: usize = 1_000;

/// Why a round of heartbeats is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Every lease is to be extended.
    All,
    /// Every lease is to be extended, because somebody may be waiting for a cancel to be heard of.
    Hint,
    /// Only what has progress to report.
    Reports,
}

/// Beats until the runtime is gone; through a shutdown too, since tasks still run then.
pub(super) async fn run(engine: Arc<Engine>) {
    let duty = engine.board.duty(String::from("heartbeat"));
    let mut cancellations = engine.store.changes(Topic::Cancellation);
    let mut next_full = Instant::now() + engine.options.heartbeat;
    let mut earliest = Instant::now();
    loop {
        let ready = Instant::now();
        let round = tokio::select! {
            biased;
            () = tokio::time::sleep_until(next_full) => Round::All,
            () = cancellations.changed() => Round::Hint,
            () = engine.signals.reports_due.notified() => Round::Reports,
        };
        if round != Round::All {
            // A stage may report thousands of times a second; the store hears a few of them.
            tokio::time::sleep_until(earliest).await;
        }
        let started = Instant::now();
        end_overdue(&engine);
        let executions = engine.running.all();
        let late = started.saturating_duration_since(ready.max(next_full));
        if round == Round::All && late > engine.options.heartbeat && !executions.is_empty() {
            tracing::error!(
                ?late,
                tasks = executions.len(),
                "heartbeats come late, and leases are \
                lost for it: a stage blocks tokio's threads, or the process stood still; use \
                tokio::task::spawn_blocking for work that does not await"
            );
        }
        if executions.is_empty() {
            // Nothing is waiting for an answer any more, whatever went wrong before.
            duty.idle();
        }
        // Side by side: with many tasks, a slow store could otherwise take longer than a lease.
        let groups = executions.chunks(BEATS_MAX);
        join_all(groups.map(|group| beat(&engine, &duty, group, round))).await;
        earliest = started + engine.options.report;
        if round != Round::Reports {
            next_full = started + engine.options.heartbeat;
        }
    }
}

/// Passes on that stages have reported, until the runtime is gone.
///
/// What a stage wakes may wait for the stage's thread. If the stage blocks that, as one that
/// computes does, only its progress comes late: the heartbeats must not.
pub(super) async fn pass_on(engine: Arc<Engine>) {
    loop {
        engine.signals.reports_arrived.notified().await;
        engine.signals.reports_due.notify_one();
    }
}

/// Sends one group of heartbeats and acts on the answers.
async fn beat(engine: &Engine, duty: &Duty, executions: &[Arc<Execution>], round: Round) {
    let mut beats = Vec::with_capacity(executions.len());
    let mut beating = Vec::with_capacity(executions.len());
    for execution in executions {
        let progress = execution.signals.take_report();
        if round != Round::Reports || progress.is_some() {
            beats.push(Beat { lease: execution.lease, progress });
            beating.push(execution);
        }
    }
    if beats.is_empty() {
        return;
    }
    let lease = engine.options.lease;
    let sent = Instant::now();
    let mut answer = engine.call(duty, engine.store.as_ref().heartbeat(lease, &beats)).await;
    if let Err(error) = &answer
        && !error.is_transient()
    {
        // The leases matter more than whatever report the store cannot take.
        tracing::error!(%error, "heartbeats were refused; trying without progress");
        beats.iter_mut().for_each(|beat| beat.progress = None);
        answer = engine.call(duty, engine.store.as_ref().heartbeat(lease, &beats)).await;
    }
    match answer {
        Ok(pulses) => {
            for (execution, pulse) in beating.into_iter().zip(pulses) {
                match pulse {
                    Pulse::Alive => execution.lease_extended(sent + lease),
                    Pulse::CancelRequested => {
                        execution.lease_extended(sent + lease);
                        execution.stop(StopReason::CancelRequested);
                    }
                    Pulse::Lost => lose(execution),
                }
            }
        }
        Err(error) => {
            tracing::warn!(%error, tasks = beats.len(), "heartbeats failed; trying again");
            for (execution, beat) in beating.iter().zip(beats) {
                if let Some(progress) = beat.progress {
                    execution.signals.put_back(progress);
                }
            }
            let now = Instant::now();
            // Nothing a stage does under a lapsed lease can be recorded, and somebody else may have
            // started it already.
            executions
                .iter()
                .filter(|execution| execution.has_lapsed(now))
                .for_each(|one| lose(one));
        }
    }
}

fn lose(execution: &Execution) {
    // A task that was settled while its heartbeat was under way has no lease to lose; stopping it
    // then is harmless, because its execution is over.
    tracing::debug!(task_id = %execution.lease.task_id, epoch = %execution.lease.epoch,
        "the lease is lost; the stage is told to stop");
    execution.stop(StopReason::LeaseLost);
}

/// Gives up on stages that neither end nor yield.
fn end_overdue(engine: &Arc<Engine>) {
    let now = Instant::now();
    for execution in engine.running.all() {
        if let Some(attempt) = execution.end_overdue(now, engine.options.cancel_grace) {
            engine.start_beside(|engine| executor::abandon(engine, execution, attempt));
        }
    }
}
