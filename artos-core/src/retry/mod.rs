//! The one retry engine: pure decisions about what follows an attempt.
//!
//! Every bound (attempts, snoozes, interrupts, the task's deadline) is checked here and nowhere
//! else, whichever way an attempt ended.

mod policy;

use std::time::Duration;

use crate::{
    StageOptions,
    model::{Failure, FailureCause, Name, Outcome, TaskRecord},
};

pub use policy::{PolicyError, RetryPolicy};

/// What is known about an attempt that failed, besides the record.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: FailureCause,
    pub(crate) message: String,
    /// The delay the stage asked for, instead of the policy's.
    pub(crate) after: Option<Duration>,
}

impl Failed {
    pub(crate) const fn new(cause: FailureCause, message: String) -> Self {
        Self { cause, message, after: None }
    }
}

/// Decides before any code of `stage` runs whether it may run at all.
///
/// The claim charged the attempt; a stage whose workers all died is found out here.
pub(crate) fn before_attempt(
    record: &TaskRecord,
    stage: &Name,
    options: &StageOptions,
) -> Option<Outcome> {
    let mut failure = match expired(record, Duration::ZERO) {
        Some(failure) => failure,
        None if record.attempt <= options.retry.attempts() => return None,
        None => given_up(record, options.retry.attempts()),
    };
    // The record does not name the first stage before there is a checkpoint.
    failure.stage.get_or_insert_with(|| stage.clone());
    Some(Outcome::Fail { failure })
}

/// Makes the failure of a task that has no attempts left when it is claimed.
fn given_up(record: &TaskRecord, attempts: u32) -> Failure {
    // The last failure says most; an attempt that vanished leaves a lost lease behind.
    let mut failure = record.failure.clone().unwrap_or_else(|| {
        failure(record, FailureCause::LeaseLost, String::from("every lease of this stage lapsed"))
    });
    failure.attempt = attempts;
    if failure.cause == FailureCause::LeaseLost {
        let lapsed = failure.message;
        failure.message = format!(
            "{lapsed}; its process died, stood still or lost its store, in the last of {attempts} \
             attempts"
        );
    }
    failure
}

/// Decides what follows a failed attempt. `fraction` is the jitter's draw, from 0 to 1.
pub(crate) fn after_failure(
    record: &TaskRecord,
    options: &StageOptions,
    failed: Failed,
    fraction: f64,
    ran_for: Duration,
) -> Outcome {
    let failure = failure(record, failed.cause, failed.message);
    if failed.cause.is_final() || record.attempt >= options.retry.attempts() {
        return Outcome::Fail { failure };
    }
    let delay = failed.after.unwrap_or_else(|| options.retry.delay(record.attempt, fraction));
    if would_expire(record, ran_for.saturating_add(delay)) {
        // Waiting for an attempt that can never run would only hide the failure.
        return Outcome::Fail { failure };
    }
    Outcome::Retry { failure, delay }
}

/// Decides what follows a snooze.
pub(crate) fn after_snooze(
    record: &TaskRecord,
    options: &StageOptions,
    delay: Duration,
    ran_for: Duration,
) -> Outcome {
    if record.snoozes >= options.snoozes_max {
        let message = format!("the stage snoozed {} times and never finished", record.snoozes);
        let failure = failure(record, FailureCause::NeverFinished, message);
        return Outcome::Fail { failure };
    }
    match expired(record, ran_for.saturating_add(delay)) {
        Some(failure) => Outcome::Fail { failure },
        None => Outcome::Snooze { delay },
    }
}

/// Decides what follows an interrupt.
pub(crate) fn after_interrupt(record: &TaskRecord, options: &StageOptions) -> Outcome {
    if record.interrupts >= options.interrupts_max {
        let message = format!(
            "shutdowns interrupted the stage {} times and it never finished",
            record.interrupts
        );
        let failure = failure(record, FailureCause::NeverFinished, message);
        return Outcome::Fail { failure };
    }
    Outcome::Interrupt
}

/// Decides about a task whose kind or stage nobody here knows, or whose payload nobody here reads.
///
/// During a rolling deploy another process may, so it waits; but not for ever.
pub(crate) fn unknown(record: &TaskRecord, cause: FailureCause, message: String) -> Outcome {
    let first = record.failure.as_ref().filter(|last| last.cause.is_unknown());
    let waited = first.map_or(Duration::ZERO, |first| record.updated_at.since(first.at));
    let failure = failure(record, cause, message);
    if waited >= UNKNOWN_AGE_MAX {
        return Outcome::Fail { failure };
    }
    match expired(record, UNKNOWN_DELAY) {
        Some(failure) => Outcome::Fail { failure },
        None => Outcome::Retry { failure, delay: UNKNOWN_DELAY },
    }
}

/// How long a task that is unknown here waits before it is looked at again.
const UNKNOWN_DELAY: Duration = Duration::from_secs(30);

/// How long a task may wait for a process that knows it: longer than any deploy.
pub(crate) const UNKNOWN_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the failure of the record's current attempt.
pub(crate) fn failure(record: &TaskRecord, cause: FailureCause, message: String) -> Failure {
    Failure {
        cause,
        stage: record.stage.clone(),
        attempt: record.attempt,
        message,
        at: record.updated_at,
    }
}

/// Returns the failure of a task that is past its deadline `later` than its record's last change.
fn expired(record: &TaskRecord, later: Duration) -> Option<Failure> {
    would_expire(record, later).then(|| {
        let deadline = record.expires_at.map(|at| at.to_string()).unwrap_or_default();
        let message = format!("the task's deadline, {deadline}, passed before it finished");
        failure(record, FailureCause::Expired, message)
    })
}

fn would_expire(record: &TaskRecord, later: Duration) -> bool {
    record.expires_at.is_some_and(|expires_at| record.updated_at + later >= expires_at)
}

#[cfg(test)]
mod tests;
