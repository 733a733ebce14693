//! Runs one claimed task: stage by stage, each checkpointed, until it is settled or lost.

use std::sync::{Arc, OnceLock, atomic::Ordering};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    attempt::{self, AttemptEnd, CurrentAttempt},
    engine::{Engine, Refused, Settling},
    pool::TURN,
    registry::Place,
    running::{Execution, StopReason},
};
use crate::{
    StageContext,
    follow_ups::FollowUps,
    model::{
        Checkpoint, Name, NewTask, Outcome, OutcomeKind, Settlement, TaskId, TaskRecord, TaskState,
        Timestamp,
    },
    pipeline::Ended,
    retry,
    spawn::step_aside,
    stage_context::Attempt,
    store::{Claimed, Settled, StoreError},
};

/// Takes an execution off the books when it is over, however it ends: settled, panicked or killed.
pub(crate) struct Ending {
    engine: Arc<Engine>,
    execution: Arc<Execution>,
    /// The store said how the task was settled. Without that, a shutdown has to name it.
    known: bool,
    /// Somebody else has seen to it, or will.
    seen_to: bool,
}

impl Ending {
    const fn new(engine: Arc<Engine>, execution: Arc<Execution>) -> Self {
        Self { engine, execution, known: false, seen_to: false }
    }

    /// Notes that the store said how the task was settled.
    const fn told(&mut self) {
        self.known = true;
    }

    /// Says how a task was settled.
    pub(super) fn note(&self, outcome: &Outcome, settled: Settled) {
        match settled {
            Settled::Applied(state) => note_applied(&self.execution, outcome, state),
            Settled::Stale => note_stale(&self.execution, outcome.kind()),
        }
    }

    /// Takes executions off the books that were settled together.
    pub(super) fn finish(mut ended: Vec<Self>) {
        // All of them are of one runtime: a committer belongs to one.
        if let Some(first) = ended.first() {
            let running = Arc::clone(&first.engine.running);
            running.remove(ended.iter().map(|ending| ending.execution.as_ref()));
        }
        ended.iter_mut().for_each(|ending| ending.seen_to = true);
    }

    /// Goes on with a settlement that the store did not take.
    pub(super) fn repeat(mut self, refused: Refused) {
        let engine = Arc::clone(&self.engine);
        engine.start_beside(|engine| async move {
            let execution = Arc::clone(&self.execution);
            let Refused { settlement, error } = refused;
            match engine.settle_again(&settlement, error, worth_it(&execution)).await {
                Ok(settled) => {
                    self.note(&settlement.outcome, settled);
                    self.told();
                }
                Err(error) => note_unsettled(&execution, settlement.outcome.kind(), &error),
            }
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.seen_to {
            if !self.known {
                note_lost(&self.engine, &self.execution);
            }
            self.engine.running.remove([self.execution.as_ref()].into_iter());
        }
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
///
/// Answers whether that may have woken somebody who waits for this thread, such as a worker that
/// waits for the slot.
pub(super) async fn run(
    engine: Arc<Engine>,
    claimed: ClaimedTask,
    execution: Arc<Execution>,
    now: Instant,
) -> bool {
    let mut ending = Ending::new(engine, execution);
    let (mut task, mut now) = (claimed, now);
    loop {
        let (engine, execution) = (&ending.engine, &ending.execution);
        let (back, attempted) = task.run_stage(engine, execution, now).await;
        task = back;
        let (outcome, mut follow_ups) = match attempted {
            Attempted::Settle(outcome, follow_ups) => (outcome, follow_ups),
            Attempted::Lost => return true,
            Attempted::TakenOver => {
                ending.seen_to = true;
                return false;
            }
        };
        let lease = execution.lease;
        if !matches!(outcome, Outcome::Advance(_)) {
            // Nothing is left to do here, so nothing has to wake up for the answer.
            let freed = !engine.settles.answers_at_once() && execution.settling(&engine.running);
            follow_ups = with_ends(engine, &task.record, task.last_id, outcome.kind(), follow_ups);
            let engine = Arc::clone(engine);
            let settlement = Settlement { lease, outcome, follow_ups };
            return match engine.settles.commit([settlement], Settling::Ending(ending)) {
                Ok(woke) => freed || woke,
                // The committer is gone, and what it gave back has freed the slot.
                Err(_) => true,
            };
        }
        let has_followers = !follow_ups.is_empty();
        let settlement = Settlement { lease, outcome, follow_ups };
        let settled = settle(engine, execution, &settlement).await;
        match (settled, settlement.outcome) {
            (Some(Settled::Applied(TaskState::Running)), Outcome::Advance(checkpoint)) => {
                let Checkpoint { stage, payload, .. } = checkpoint;
                // Said only once the store has answered: whoever reads it may rely on it.
                tracing::debug!(task_id = %lease.task_id, kind = %execution.kind,
                    next_stage = %stage, "checkpoint recorded");
                task.advance(stage, payload);
                now = Instant::now();
                // A worker that heard of them may wait for this thread.
                if has_followers || now.saturating_duration_since(task.turn) > TURN {
                    step_aside().await;
                    now = Instant::now();
                }
            }
            (Some(Settled::Applied(state)), _) => {
                tracing::debug!(task_id = %lease.task_id, kind = %execution.kind,
                    outcome = %OutcomeKind::Advance, %state, "attempt settled");
                ending.told();
                return true;
            }
            (Some(Settled::Stale), _) => {
                ending.told();
                return true;
            }
            (None, _) => return true,
        }
    }
}

/// Gives a task back that was claimed while the runtime was told to stop.
pub(super) async fn hand_back(engine: Arc<Engine>, execution: Arc<Execution>) {
    let mut ending = Ending::new(engine, execution);
    let lease = ending.execution.lease;
    let settlement = Settlement { lease, outcome: Outcome::Interrupt, follow_ups: Vec::new() };
    if settle(&ending.engine, &ending.execution, &settlement).await.is_some() {
        ending.told();
    }
}

/// Ends an attempt whose future does not yield: its stage is left behind, its slot is freed.
pub(super) fn abandon(
    engine: Arc<Engine>,
    execution: Arc<Execution>,
    attempt: CurrentAttempt,
) -> impl Future<Output = ()> + Send {
    // Made here, so that a future that is dropped before its first poll ends it, too.
    let mut ending = Ending::new(engine, execution);
    async move {
        if conclude_abandoned(&ending, &attempt).await {
            ending.told();
        }
    }
}

/// Settles it as it ended; answers whether the store said how it was settled.
async fn conclude_abandoned(ending: &Ending, attempt: &CurrentAttempt) -> bool {
    let (engine, execution) = (&ending.engine, &ending.execution);
    tracing::error!(
        task_id = %execution.lease.task_id,
        kind = %execution.kind,
        stage = attempt.context.stage(),
        "a stage does not yield: its attempt is given up, its thread stays busy until it returns; \
         use tokio::task::spawn_blocking for work that does not await"
    );
    let stop = execution.stop_reason();
    let end = if stop.is_some() { AttemptEnd::Dropped } else { AttemptEnd::TimedOut };
    let Ok(place) = engine.registry.place(attempt.context.record()) else {
        return false;
    };
    let options = &place.stage.options;
    let outcome = attempt::conclude(attempt, options, end, stop, &engine.ids.random);
    let Some(outcome) = outcome else { return false };
    let context = &attempt.context;
    let follow_ups =
        with_ends(engine, context.record(), context.last_id(), outcome.kind(), Vec::new());
    let settlement = Settlement { lease: execution.lease, outcome, follow_ups };
    let settled = settle(engine, execution, &settlement).await;
    if let Some(Settled::Applied(state)) = settled {
        note_applied(execution, &settlement.outcome, state);
    }
    settled.is_some()
}

/// Adds what the runtime was told to submit with the end of a task.
fn with_ends(
    engine: &Engine,
    record: &TaskRecord,
    last: TaskId,
    outcome: OutcomeKind,
    mut follow_ups: Vec<NewTask>,
) -> Vec<NewTask> {
    follow_ups.extend(engine.ends.of(record, last, outcome, &engine.ids));
    follow_ups
}

/// Reports how an attempt ended; nothing if the store never said what became of that.
async fn settle(
    engine: &Engine,
    execution: &Execution,
    settlement: &Settlement,
) -> Option<Settled> {
    let kind = settlement.outcome.kind();
    match engine.settle(settlement, worth_it(execution)).await {
        Ok(settled) => {
            if settled == Settled::Stale {
                note_stale(execution, kind);
            }
            Some(settled)
        }
        Err(error) => {
            note_unsettled(execution, kind, &error);
            None
        }
    }
}

/// Says whether to repeat a settlement: once the lease is lost the store could only refuse.
fn worth_it(execution: &Execution) -> impl Fn() -> bool + Send {
    || execution.stop_reason() != Some(StopReason::LeaseLost)
}

fn note_applied(execution: &Execution, outcome: &Outcome, state: TaskState) {
    let (task_id, kind) = (execution.lease.task_id, &execution.kind);
    tracing::debug!(%task_id, %kind, outcome = %outcome.kind(), %state, "attempt settled");
    let (failure, again_in) = match outcome {
        Outcome::Retry { failure, delay } => (failure, Some(delay)),
        Outcome::Fail { failure } => (failure, None),
        _ => return,
    };
    let (stage, attempt, cause) = (failure.stage.as_deref(), failure.attempt, failure.cause);
    let error = &failure.message;
    match again_in {
        Some(_) if cause.is_unknown() => {
            tracing::warn!(%task_id, %kind, stage, %cause, error,
                "a task is unknown here; it waits for a process that can run it");
        }
        Some(again_in) if state == TaskState::Pending => {
            tracing::warn!(%task_id, %kind, stage, attempt, %cause, error, ?again_in,
                "an attempt failed; the task is tried again");
        }
        // A cancel may have come first.
        Some(_) => {}
        None => {
            tracing::error!(%task_id, %kind, stage, attempt, %cause, error,
                "a task failed for good");
        }
    }
}

fn note_stale(execution: &Execution, outcome: OutcomeKind) {
    tracing::warn!(task_id = %execution.lease.task_id, epoch = %execution.lease.epoch,
        %outcome, "the lease was lost before the attempt was settled; its result is dropped; \
        leases are lost when a stage blocks tokio's threads, or when the store is away");
}

fn note_unsettled(execution: &Execution, outcome: OutcomeKind, error: &StoreError) {
    tracing::error!(%error, task_id = %execution.lease.task_id, %outcome,
        "the attempt could not be settled; the task comes back when its lease lapses");
}

/// Remembers a task for the error of a shutdown; at other times nobody asks.
fn note_lost(engine: &Engine, execution: &Execution) {
    if engine.stop.is_cancelled() {
        engine.running.note_lost(execution.lease.task_id);
    }
}

/// A claimed task on its way through the pipeline.
pub(super) struct ClaimedTask {
    /// The record, kept in step with the store's by each checkpoint.
    record: Box<TaskRecord>,
    payload: Bytes,
    /// The id of the last follow-up of its stages; its own before there is one.
    last_id: TaskId,
    /// The store's time and ours at the claim: the difference carries one to the other.
    claimed_at: (Timestamp, Instant),
    /// When the last stage started; a thread is not kept for long without a break.
    turn: Instant,
}

impl ClaimedTask {
    pub(super) fn new(claimed: Claimed, now: Instant) -> Self {
        let Claimed { record, payload } = claimed;
        Self {
            claimed_at: (record.updated_at, now),
            last_id: record.id,
            record,
            payload,
            turn: now,
        }
    }

    /// Runs the stage the task is at, and returns the task with what became of the attempt.
    async fn run_stage(
        mut self,
        engine: &Engine,
        execution: &Arc<Execution>,
        now: Instant,
    ) -> (Self, Attempted) {
        let (stamp, claimed) = self.claimed_at;
        self.record.updated_at = stamp + now.saturating_duration_since(claimed);
        let place = match engine.registry.place(&self.record) {
            Ok(place) => place,
            Err(outcome) => {
                return (self, Attempted::Settle(*outcome, Vec::new()));
            }
        };
        let options = &place.stage.options;
        if let Some(outcome) = retry::before_attempt(&self.record, &place.stage.name, options) {
            return (self, Attempted::Settle(outcome, Vec::new()));
        }
        match execution.stop_reason_at(now) {
            Some(StopReason::LeaseLost) => return (self, Attempted::Lost),
            Some(StopReason::Shutdown) => {
                let outcome = retry::after_interrupt(&self.record, options);
                return (self, Attempted::Settle(outcome, Vec::new()));
            }
            Some(StopReason::CancelRequested) | None => {}
        }
        let Self { record, payload, claimed_at, last_id, .. } = self;
        let attempt = attempt(record, last_id, execution, &place, now);
        let context = attempt.context.clone();
        let span = tracing::info_span!("stage", task_id = %context.task_id(),
            kind = %context.kind(), stage = %context.stage(), attempt = context.attempt());
        span.in_scope(|| tracing::debug!(epoch = %execution.lease.epoch, "stage started"));
        execution.begin(attempt);
        let grace = engine.options.cancel_grace;
        let end =
            attempt::run(place.stage, &context, execution, payload, grace).instrument(span).await;
        let (ended, stop) = execution.end();
        let attempted = match &ended {
            None => Attempted::TakenOver,
            Some(attempt) => {
                if matches!(end, AttemptEnd::Stage(Ended::Undecodable(_))) {
                    engine.unreadable.store(true, Ordering::Relaxed);
                }
                match attempt::conclude(attempt, options, end, stop, &engine.ids.random) {
                    None => Attempted::Lost,
                    // Follow-up tasks belong to a success: an attempt that did not succeed has
                    // none.
                    Some(outcome @ (Outcome::Advance(_) | Outcome::Complete { .. })) => {
                        Attempted::Settle(outcome, context.take_follow_ups())
                    }
                    Some(outcome) => Attempted::Settle(outcome, Vec::new()),
                }
            }
        };
        let stored_stage = ended.and_then(|attempt| attempt.stored_stage);
        let last_id = context.last_id();
        let mut record = context.into_record();
        record.stage = stored_stage;
        (Self { record, payload: Bytes::new(), last_id, claimed_at, turn: now }, attempted)
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

fn attempt(
    mut record: Box<TaskRecord>,
    last_id: TaskId,
    execution: &Arc<Execution>,
    place: &Place<'_>,
    now: Instant,
) -> CurrentAttempt {
    let stored_stage = record.stage.replace(place.stage.name.clone());
    let timeout = place.stage.options.attempt_timeout;
    let lifetime = record.expires_at.map(|at| at.since(record.updated_at));
    let expires = lifetime.is_some_and(|lifetime| lifetime <= timeout);
    let time_left = lifetime.map_or(timeout, |lifetime| lifetime.min(timeout));
    let context = StageContext::new(Attempt {
        record,
        stage: place.stage.name.clone(),
        stage_number: place.number,
        stage_count: place.count,
        // Too far to add means that there is no deadline worth the name.
        deadline: now.checked_add(time_left).unwrap_or_else(|| now + FAR),
        signals: Arc::<Execution>::clone(execution),
        cancellation: OnceLock::new(),
        follow_ups: std::sync::Mutex::new(FollowUps::after(last_id)),
    });
    CurrentAttempt {
        stored_stage,
        next: place.next.map(|next| next.name.clone()),
        context,
        started: now,
        expires,
    }
}

/// A deadline for attempts without one.
const FAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);
