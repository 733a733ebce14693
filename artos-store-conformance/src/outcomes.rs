//! Outcomes to settle with.

use std::time::Duration;

use artos_core::model::{
    Checkpoint, Failure, FailureCause, Lease, Name, NewTask, Outcome, OutcomeKind, Progress,
    Settlement, Timestamp,
};
use bytes::Bytes;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// Finishes the task's first stage; `to` comes next.
pub(crate) fn advance(to: &str, payload: &str) -> Outcome {
    advance_from(None, to, payload)
}

pub(crate) fn advance_from(from: Option<&str>, to: &str, payload: &str) -> Outcome {
    Outcome::Advance(Checkpoint {
        from: from.map(Name::from),
        stage: Name::from(to),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        progress: progress(to, 0, ""),
    })
}

pub(crate) fn complete(output: &str) -> Outcome {
    Outcome::Complete { output: Bytes::copy_from_slice(output.as_bytes()) }
}

pub(crate) fn retry(delay: Duration) -> Outcome {
    Outcome::Retry { failure: failure(FailureCause::Error, "no luck"), delay }
}

pub(crate) const fn snooze(delay: Duration) -> Outcome {
    Outcome::Snooze { delay }
}

pub(crate) fn fail() -> Outcome {
    Outcome::Fail { failure: failure(FailureCause::Fatal, "no hope") }
}

/// An outcome of each kind, as the first stage of a task may end.
pub(crate) fn outcome(kind: OutcomeKind) -> Outcome {
    match kind {
        OutcomeKind::Advance => advance("second", "\"checkpoint\""),
        OutcomeKind::Complete => complete("\"output\""),
        OutcomeKind::Retry => retry(HOUR),
        OutcomeKind::Snooze => snooze(HOUR),
        OutcomeKind::Fail => fail(),
        OutcomeKind::Cancel => Outcome::Cancel,
        OutcomeKind::Interrupt => Outcome::Interrupt,
    }
}

pub(crate) fn failure(cause: FailureCause, message: &str) -> Failure {
    Failure {
        cause,
        stage: Some(Name::from_static("first")),
        attempt: 1,
        message: String::from(message),
        at: Timestamp::MIN,
    }
}

pub(crate) fn progress(stage: &str, percent: u8, message: &str) -> Progress {
    Progress {
        stage: Name::from(stage),
        stage_number: 2,
        stage_count: 3,
        percent,
        message: String::from(message),
        updated_at: Timestamp::MIN,
    }
}

pub(crate) const fn settlement(lease: Lease, outcome: Outcome) -> Settlement {
    Settlement { lease, outcome, follow_ups: Vec::new() }
}

pub(crate) const fn settlement_with(
    lease: Lease,
    outcome: Outcome,
    follow_ups: Vec<NewTask>,
) -> Settlement {
    Settlement { lease, outcome, follow_ups }
}
