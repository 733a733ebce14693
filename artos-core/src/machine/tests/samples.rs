//! Records and outcomes to test with, made by the machine itself.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    machine,
    model::{
        Checkpoint, Failure, FailureCause, Name, NewTask, Outcome, OutcomeKind, Progress, TaskId,
        TaskRecord, Timestamp, WorkerId,
    },
};

pub(super) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(7));

pub(super) fn new_task() -> NewTask {
    NewTask {
        checkpoint: Some((Name::from_static("second"), Bytes::from_static(b"1"))),
        ..NewTask::new(TaskId::from_uuid(Uuid::from_u128(1)), "report.generate", "default", "{}")
    }
}

/// A pending task at its second stage, which lost its worker once.
pub(super) fn pending() -> TaskRecord {
    let mut record = machine::insert(&new_task(), START);
    machine::claim(&mut record, WORKER, MINUTE, START).unwrap();
    assert!(machine::rescue(&mut record, START + MINUTE));
    record
}

/// The same task, running its second attempt until [`START`] and two minutes.
pub(super) fn running() -> TaskRecord {
    let mut record = pending();
    machine::claim(&mut record, WORKER, MINUTE, START + MINUTE).unwrap();
    record
}

pub(super) fn ended(kind: OutcomeKind) -> TaskRecord {
    let mut record = running();
    let lease = record.lease_token();
    machine::settle(&mut record, lease, &outcome(kind), START + MINUTE).unwrap();
    record
}

pub(super) fn progress(stage: &str) -> Progress {
    Progress {
        stage: Name::from(stage),
        stage_number: 3,
        stage_count: 3,
        percent: 10,
        message: String::new(),
        updated_at: Timestamp::MIN,
    }
}

/// An outcome of each kind, as a task at its second stage may end its attempt.
pub(super) fn outcome(kind: OutcomeKind) -> Outcome {
    let failure = Failure {
        cause: FailureCause::Error,
        stage: Some(Name::from_static("second")),
        attempt: 2,
        message: String::from("no luck"),
        at: Timestamp::MIN,
    };
    match kind {
        OutcomeKind::Advance => Outcome::Advance(Checkpoint {
            from: Some(Name::from_static("second")),
            stage: Name::from_static("third"),
            payload: Bytes::from_static(b"2"),
            progress: progress("third"),
        }),
        OutcomeKind::Complete => Outcome::Complete { output: Bytes::from_static(b"3") },
        OutcomeKind::Retry => Outcome::Retry { failure, delay: MINUTE },
        OutcomeKind::Snooze => Outcome::Snooze { delay: MINUTE },
        OutcomeKind::Fail => Outcome::Fail { failure },
        OutcomeKind::Cancel => Outcome::Cancel,
        OutcomeKind::Interrupt => Outcome::Interrupt,
    }
}
