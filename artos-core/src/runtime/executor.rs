//! Runs one claimed task: stage by stage, each checkpointed, until it is settled or lost.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    attempt::{self, AttemptEnd, CurrentAttempt},
    engine::Engine,
    registry::Place,
    running::{Execution, StopReason},
};
use crate::{
    StageContext,
    model::{
        Name, NewTask, Outcome, OutcomeKind, Progress, Settlement, TaskRecord, TaskState, Timestamp,
    },
    retry,
    stage_context::Attempt,
    store::{Claimed, Settled},
};

/// Takes an execution off the books when it is over, however it ends: settled, panicked or killed.
struct Finish<'a> {
    engine: &'a Engine,
    execution: &'a Execution,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.engine.running.remove(self.execution.lease);
        self.execution.release_slot();
    }
}

/// What became of an attempt.
enum Attempted {
    /// It ended, and this is to be recorded.
    Settle(Outcome, Vec<NewTask>),
    /// Nothing may be written: the lease is lost.
    Lost,
    /// The heartbeats gave it up meanwhile, and see to the rest.
    TakenOver,
}

/// Runs a claimed task to its settlement, then frees its slot.
pub(super) async fn run(engine: Arc<Engine>, claimed: Claimed, execution: Arc<Execution>) {
    let finish = Finish { engine: &engine, execution: &execution };
    let Claimed { record, payload } = claimed;
    let claimed_at = (record.updated_at, Instant::now());
    let mut task = ClaimedTask { claimed_at, record, payload };
    loop {
        let (outcome, follow_ups) = match task.run_stage(&engine, &execution).await {
            Attempted::Settle(outcome, follow_ups) => (outcome, follow_ups),
            Attempted::Lost => {
                note_lost(&engine, &execution);
                return;
            }
            Attempted::TakenOver => {
                std::mem::forget(finish);
                return;
            }
        };
        let checkpoint = match &outcome {
            Outcome::Advance(checkpoint) => {
                Some((checkpoint.stage.clone(), checkpoint.payload.clone()))
            }
            _ => {
                execution.settling();
                None
            }
        };
        let kind = outcome.kind();
        let follow_ups = with_ends(&engine, &task.record, kind, follow_ups);
        let settled = settle(&engine, &execution, outcome, follow_ups).await;
        match (settled, checkpoint) {
            (Some(Settled::Applied(TaskState::Running)), Some((stage, payload))) => {
                // Said only once the store has answered: whoever reads it may rely on it.
                tracing::debug!(task_id = %task.record.id, kind = %task.record.kind,
                    next_stage = %stage, "checkpoint recorded");
                task.advance(stage, payload);
            }
            (Some(Settled::Applied(state)), _) => {
                tracing::debug!(task_id = %task.record.id, kind = %task.record.kind,
                    outcome = %kind, %state, "attempt settled");
                return;
            }
            _ => return,
        }
    }
}

/// Gives a task back that was claimed while the runtime was told to stop.
pub(super) async fn hand_back(engine: Arc<Engine>, execution: Arc<Execution>) {
    let _finish = Finish { engine: &engine, execution: &execution };
    settle(&engine, &execution, Outcome::Interrupt, Vec::new()).await;
}

/// Ends an attempt whose future does not yield: its stage is left behind, its slot is freed.
pub(super) async fn abandon(
    engine: Arc<Engine>,
    execution: Arc<Execution>,
    attempt: Arc<CurrentAttempt>,
) {
    let _finish = Finish { engine: &engine, execution: &execution };
    tracing::error!(
        task_id = %execution.lease.task_id,
        kind = %execution.kind,
        stage = attempt.context.stage(),
        "a stage does not yield: its attempt is given up, its thread stays busy until it returns; \
         use tokio::task::spawn_blocking for work that does not await"
    );
    let stop = execution.stop_reason();
    let end = if stop.is_some() { AttemptEnd::Dropped } else { AttemptEnd::TimedOut };
    if let Some(outcome) = attempt::conclude(&attempt, end, stop, &engine.ids.random) {
        let follow_ups = with_ends(&engine, attempt.context.record(), outcome.kind(), Vec::new());
        settle(&engine, &execution, outcome, follow_ups).await;
    }
}

/// Adds what the runtime was told to submit with the end of a task.
fn with_ends(
    engine: &Engine,
    record: &TaskRecord,
    outcome: OutcomeKind,
    mut follow_ups: Vec<NewTask>,
) -> Vec<NewTask> {
    follow_ups.extend(engine.ends.of(record, outcome, &engine.ids));
    follow_ups
}

async fn settle(
    engine: &Engine,
    execution: &Execution,
    outcome: Outcome,
    follow_ups: Vec<NewTask>,
) -> Option<Settled> {
    let (lease, kind) = (execution.lease, outcome.kind());
    let settlement = Settlement { lease, outcome, follow_ups };
    // Once the lease is lost the store could only refuse.
    let worth_it = || execution.stop_reason() != Some(StopReason::LeaseLost);
    match engine.settle(&settlement, worth_it).await {
        Ok(settled) => {
            if settled == Settled::Stale {
                tracing::warn!(task_id = %lease.task_id, epoch = %lease.epoch, outcome = %kind,
                    "the lease was lost before the attempt was settled; its result is dropped");
            }
            Some(settled)
        }
        Err(error) => {
            tracing::error!(%error, task_id = %lease.task_id, outcome = %kind,
                "the attempt could not be settled; the task comes back when its lease lapses");
            note_lost(engine, execution);
            None
        }
    }
}

/// Remembers a task for the error of a shutdown; at other times nobody asks.
fn note_lost(engine: &Engine, execution: &Execution) {
    if engine.stop.is_cancelled() {
        engine.running.note_lost(execution.lease.task_id);
    }
}

/// A claimed task on its way through the pipeline.
struct ClaimedTask {
    /// The record, kept in step with the store's by each checkpoint.
    record: TaskRecord,
    payload: Bytes,
    /// The store's time and ours at the claim: the difference carries one to the other.
    claimed_at: (Timestamp, Instant),
}

impl ClaimedTask {
    /// Runs the stage the task is at.
    async fn run_stage(&mut self, engine: &Engine, execution: &Arc<Execution>) -> Attempted {
        let (stamp, instant) = self.claimed_at;
        self.record.updated_at = stamp + instant.elapsed();
        let place = match engine.registry.place(&self.record) {
            Ok(place) => place,
            Err(outcome) => {
                tracing::warn!(task_id = %self.record.id, kind = %self.record.kind,
                    stage = self.record.stage.as_deref(), outcome = %outcome.kind(),
                    "no pipeline here can run this task");
                return Attempted::Settle(*outcome, Vec::new());
            }
        };
        if let Some(outcome) = retry::before_attempt(&self.record, &place.stage.options) {
            return Attempted::Settle(outcome, Vec::new());
        }
        match execution.stop_reason() {
            Some(StopReason::LeaseLost) => return Attempted::Lost,
            Some(StopReason::Shutdown) => {
                let outcome = retry::after_interrupt(&self.record, &place.stage.options);
                return Attempted::Settle(outcome, Vec::new());
            }
            Some(StopReason::CancelRequested) | None => {}
        }
        let attempt = Arc::new(self.attempt(engine, execution, &place));
        execution.begin(Arc::clone(&attempt));
        let span = tracing::info_span!("stage", task_id = %self.record.id, kind = %self.record.kind,
            stage = %place.stage.name, attempt = self.record.attempt);
        span.in_scope(|| tracing::debug!(epoch = %execution.lease.epoch, "stage started"));
        let payload = std::mem::take(&mut self.payload);
        let grace = engine.options.cancel_grace;
        let end =
            attempt::run(place.stage, &attempt, execution, payload, grace).instrument(span).await;
        if execution.end().is_none() {
            return Attempted::TakenOver;
        }
        let stop = execution.stop_reason();
        let Some(outcome) = attempt::conclude(&attempt, end, stop, &engine.ids.random) else {
            return Attempted::Lost;
        };
        // Follow-up tasks belong to a success: an attempt that did not succeed has none.
        let follow_ups = match &outcome {
            Outcome::Advance(_) | Outcome::Complete { .. } => attempt.context.take_follow_ups(),
            _ => Vec::new(),
        };
        Attempted::Settle(outcome, follow_ups)
    }

    fn attempt(&self, engine: &Engine, execution: &Execution, place: &Place<'_>) -> CurrentAttempt {
        let now = Instant::now();
        let record = TaskRecord { stage: Some(place.stage.name.clone()), ..self.record.clone() };
        let timeout = place.stage.options.attempt_timeout;
        let lifetime = record.expires_at.map(|at| at.since(record.updated_at));
        let expires = lifetime.is_some_and(|lifetime| lifetime <= timeout);
        let time_left = lifetime.map_or(timeout, |lifetime| lifetime.min(timeout));
        let next = place.next.map(|next| {
            let progress = Progress {
                stage: next.name.clone(),
                stage_number: place.number + 1,
                stage_count: place.count,
                percent: 0,
                message: String::new(),
                updated_at: record.updated_at,
            };
            (next.name.clone(), progress)
        });
        let context = StageContext::new(Attempt {
            record,
            stage: place.stage.name.clone(),
            stage_number: place.number,
            stage_count: place.count,
            // Too far to add means that there is no deadline worth the name.
            deadline: now.checked_add(time_left).unwrap_or_else(|| now + FAR),
            stop: execution.cancellation.clone(),
            cancellation: OnceLock::new(),
            reports: Arc::clone(&execution.reports),
            ids: engine.ids.clone(),
            follow_ups: std::sync::Mutex::default(),
        });
        CurrentAttempt {
            stored_stage: self.record.stage.clone(),
            next,
            options: Arc::clone(&place.stage.options),
            context,
            started: now,
            expires,
        }
    }

    /// Moves on to the next stage, as the machine did with the store's record.
    fn advance(&mut self, stage: Name, payload: Bytes) {
        self.record.stage_entered_at = self.record.updated_at;
        self.record.stage = Some(stage);
        self.record.attempt = 1;
        self.record.snoozes = 0;
        self.record.interrupts = 0;
        self.record.failure = None;
        self.payload = payload;
    }
}

/// A deadline for attempts without one.
const FAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);
