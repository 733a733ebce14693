//! The rules of what a task may do next: pure functions over a record, the only place they live.
//!
//! A store calls these functions inside its own atomic step and makes the result durable; SQL that
//! restates a rule is compared with them by the conformance suite. Every function either changes
//! the record completely or, when it refuses, not at all. Time is an argument.

mod stale;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::{
    Epoch, Failure, FailureCause, Lease, LeaseHolder, NewTask, Outcome, Retention, StartAt,
    TaskRecord, TaskState, Timestamp, WorkerId,
};

pub use stale::Stale;
pub use table::{diagram, transition_table};

/// What a running stage reports with a heartbeat: [`Progress`](crate::model::Progress).
type Report = crate::model::Progress;

/// Whether a settlement changed the record, or had changed it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The record changed now; the store writes it, the payload and the follow-up tasks.
    Now,
    /// This settlement was applied before and its answer got lost; there is nothing to write.
    Before,
}

/// The task cannot be claimed now: it is not pending, or not due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotClaimable;

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cancelled {
    /// The task was pending and is cancelled now.
    Now,
    /// The task is running; its worker will be told.
    Requested,
    /// The task had ended before, in this state; nothing changed.
    AlreadyTerminal(TaskState),
    /// No such task.
    Unknown,
}

/// Makes the record of a task that is inserted at `now`.
#[must_use]
pub fn insert(task: &NewTask, now: Timestamp) -> TaskRecord {
    let run_at = match task.start_at {
        StartAt::Now => now,
        StartAt::After(delay) => now + delay,
        StartAt::At(time) => time.max(now),
    };
    TaskRecord {
        id: task.id,
        kind: task.kind.clone(),
        queue: task.queue.clone(),
        priority: task.priority,
        tenant: task.tenant.clone(),
        labels: task.labels.clone(),
        idempotency_key: task.idempotency_key.clone(),
        retry_of: task.retry_of,
        created_at: now,
        expires_at: task.expires_after.map(|after| now + after),
        state: TaskState::Pending,
        stage: task.checkpoint.as_ref().map(|(stage, _)| stage.clone()),
        stage_entered_at: now,
        attempt: 0,
        snoozes: 0,
        interrupts: 0,
        run_at,
        epoch: Epoch::default(),
        lease: None,
        settled_by: None,
        cancel_requested: false,
        progress: None,
        failure: None,
        revision: 1,
        started_at: None,
        updated_at: now,
        finished_at: None,
    }
}

/// Leases a due, pending task to `worker` until `now + lease_for`.
///
/// The attempt is charged here, before any code of the stage runs, so that a stage that kills its
/// process is charged too.
///
/// # Errors
///
/// [`NotClaimable`] if the task is not pending or not due.
pub fn claim(
    record: &mut TaskRecord,
    worker: WorkerId,
    lease_for: Duration,
    now: Timestamp,
) -> Result<(), NotClaimable> {
    if record.state != TaskState::Pending || record.run_at > now {
        return Err(NotClaimable);
    }
    record.state = TaskState::Running;
    record.epoch = record.epoch.next();
    record.attempt = record.attempt.saturating_add(1);
    record.lease = Some(LeaseHolder { worker, expires_at: now + lease_for });
    record.settled_by = None;
    record.started_at.get_or_insert(now);
    touch(record, now);
    Ok(())
}

/// Extends a lease until `now + lease_for`, takes in a progress report, and answers whether the
/// worker should cancel the task.
///
/// # Errors
///
/// [`Stale`] if the lease lapsed or is not the task's last one.
pub fn heartbeat(
    record: &mut TaskRecord,
    lease: Lease,
    lease_for: Duration,
    report: Option<&Report>,
    now: Timestamp,
) -> Result<bool, Stale> {
    let holder = check_lease(record, lease, now)?;
    record.lease = Some(LeaseHolder { expires_at: now + lease_for, ..holder });
    // A report of a stage the task has left arrived late; it must not turn the progress back.
    if let Some(report) = report
        && record.stage.as_ref().is_none_or(|stage| *stage == report.stage)
    {
        record.progress = Some(Report { updated_at: now, ..report.clone() });
        touch(record, now);
    }
    Ok(record.cancel_requested)
}

/// Ends an attempt: every legal way to leave `Running` but a rescue.
///
/// # Errors
///
/// [`Stale`] if the lease lapsed, is not the task's last one, or ended with another outcome.
pub fn settle(
    record: &mut TaskRecord,
    lease: Lease,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Applied, Stale> {
    if was_applied(record, lease, outcome) {
        return Ok(Applied::Before);
    }
    check_lease(record, lease, now)?;
    if let Outcome::Advance(checkpoint) = outcome
        && checkpoint.from != record.stage
    {
        return Err(Stale::checkpoint(record, lease, checkpoint));
    }
    match outcome {
        Outcome::Advance(checkpoint) => {
            record.stage = Some(checkpoint.stage.clone());
            record.stage_entered_at = now;
            // The next stage starts at once under this lease, so its first attempt is charged now.
            record.attempt = 1;
            record.snoozes = 0;
            record.interrupts = 0;
            record.failure = None;
            record.progress = Some(Report { updated_at: now, ..checkpoint.progress.clone() });
            if record.cancel_requested {
                // The output is kept, so a later retry can go on from here.
                finish(record, TaskState::Cancelled, now);
            }
        }
        Outcome::Complete { .. } => {
            record.failure = None;
            if let Some(progress) = &mut record.progress {
                // The end may have overtaken the last report.
                progress.percent = 100;
                progress.message.clear();
                progress.updated_at = now;
            }
            finish(record, TaskState::Completed, now);
        }
        Outcome::Retry { failure, delay } => {
            let mut since = now;
            if failure.cause.is_unknown() {
                // No stage ran, so no attempt was made; and how long this has lasted decides when
                // to give up, so the time of the first one is kept.
                record.attempt = record.attempt.saturating_sub(1);
                let first = record.failure.as_ref().filter(|last| last.cause.is_unknown());
                since = first.map_or(now, |first| first.at);
            }
            record.failure = Some(Failure { at: since, ..failure.clone() });
            wait(record, *delay, now);
        }
        Outcome::Snooze { delay } => {
            record.attempt = record.attempt.saturating_sub(1);
            record.snoozes = record.snoozes.saturating_add(1);
            wait(record, *delay, now);
        }
        Outcome::Fail { failure } => {
            record.failure = Some(Failure { at: now, ..failure.clone() });
            finish(record, TaskState::Failed, now);
        }
        Outcome::Cancel => finish(record, TaskState::Cancelled, now),
        Outcome::Interrupt => {
            record.attempt = record.attempt.saturating_sub(1);
            record.interrupts = record.interrupts.saturating_add(1);
            wait(record, Duration::ZERO, now);
        }
    }
    record.settled_by = Some(outcome.kind());
    touch(record, now);
    Ok(Applied::Now)
}

/// Cancels a pending task at once, or marks a running one so that its worker is told.
pub fn cancel(record: &mut TaskRecord, now: Timestamp) -> Cancelled {
    match record.state {
        TaskState::Pending => {
            finish(record, TaskState::Cancelled, now);
            touch(record, now);
            Cancelled::Now
        }
        TaskState::Running => {
            if !record.cancel_requested {
                record.cancel_requested = true;
                touch(record, now);
            }
            Cancelled::Requested
        }
        state => Cancelled::AlreadyTerminal(state),
    }
}

/// Takes a task back whose lease lapsed: pending at once, or cancelled if that was wanted.
/// Answers whether anything changed.
///
/// The attempt stays charged. The epoch grows, so that the lost worker's last words are refused
/// even before somebody else claims the task.
pub fn rescue(record: &mut TaskRecord, now: Timestamp) -> bool {
    let Some(holder) = record.lease.filter(|holder| holder.expires_at <= now) else {
        return false;
    };
    // How long a task has been waiting for somebody who knows it must survive a lost lease.
    if !record.failure.as_ref().is_some_and(|last| last.cause.is_unknown()) {
        record.failure = Some(lease_lost(record, holder, now));
    }
    record.epoch = record.epoch.next();
    record.settled_by = None;
    wait(record, Duration::ZERO, now);
    touch(record, now);
    true
}

fn lease_lost(record: &TaskRecord, holder: LeaseHolder, now: Timestamp) -> Failure {
    Failure {
        cause: FailureCause::LeaseLost,
        stage: record.stage.clone(),
        attempt: record.attempt,
        message: format!("the lease of worker {} lapsed at {}", holder.worker, holder.expires_at),
        at: now,
    }
}

/// Returns whether a terminal task has outlived its retention.
#[must_use]
pub fn is_prunable(record: &TaskRecord, retention: &Retention, now: Timestamp) -> bool {
    prunable_at(record, retention).is_some_and(|at| at <= now)
}

/// Returns when a terminal task will have outlived its retention; `None` for any other.
#[must_use]
pub fn prunable_at(record: &TaskRecord, retention: &Retention) -> Option<Timestamp> {
    Some(record.finished_at? + retention.of(record.state)?)
}

/// Returns the holder if `lease` is the live lease of the task.
fn check_lease(record: &TaskRecord, lease: Lease, now: Timestamp) -> Result<LeaseHolder, Stale> {
    match record.lease {
        Some(holder)
            if record.state == TaskState::Running
                && record.epoch == lease.epoch
                && record.id == lease.task_id
                && now < holder.expires_at =>
        {
            Ok(holder)
        }
        _ => Err(Stale::lease(record, lease)),
    }
}

/// Tells a settlement that is sent again, because its answer got lost, from a late one.
fn was_applied(record: &TaskRecord, lease: Lease, outcome: &Outcome) -> bool {
    record.epoch == lease.epoch
        && record.id == lease.task_id
        && record.settled_by == Some(outcome.kind())
        && match outcome {
            Outcome::Advance(checkpoint) => record.stage.as_ref() == Some(&checkpoint.stage),
            _ => record.lease.is_none(),
        }
}

/// Makes a running task pending again, or cancelled if somebody asked for that meanwhile.
fn wait(record: &mut TaskRecord, delay: Duration, now: Timestamp) {
    if record.cancel_requested {
        finish(record, TaskState::Cancelled, now);
    } else {
        record.state = TaskState::Pending;
        record.lease = None;
        record.run_at = now + delay;
    }
}

fn finish(record: &mut TaskRecord, state: TaskState, now: Timestamp) {
    record.state = state;
    record.lease = None;
    record.finished_at = Some(now);
}

fn touch(record: &mut TaskRecord, now: Timestamp) {
    record.revision = record.revision.saturating_add(1);
    record.updated_at = now;
}
