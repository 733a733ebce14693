//! Every time in a record is the store's, whatever a worker wrote into what it sent.

use std::time::Duration;

use super::samples::{MINUTE, START, WORKER, ended, new_task, outcome, pending, progress, running};
use crate::{
    machine,
    model::{
        FailureCause, Lease, NewTask, Outcome, OutcomeKind, Retention, StartAt, TaskId, TaskRecord,
        TaskState, Timestamp,
    },
};

/// In the middle of the second attempt.
const NOW: Timestamp = Timestamp::from_micros(START.as_micros() + 90_000_000);

fn settled(mut record: TaskRecord, outcome: &Outcome) -> TaskRecord {
    let lease = record.lease_token();
    machine::settle(&mut record, lease, outcome, NOW).unwrap();
    record
}

#[test]
fn progress_has_the_time_at_which_it_arrived() {
    let mut record = running();
    let lease = record.lease_token();
    let report = progress("second");
    machine::heartbeat(&mut record, lease, MINUTE, Some(&report), NOW).unwrap();
    assert_eq!(record.progress.unwrap().updated_at, NOW);
    let record = settled(running(), &outcome(OutcomeKind::Advance));
    assert_eq!(record.progress.unwrap().updated_at, NOW);
    assert_eq!(record.stage_entered_at, NOW);
}

#[test]
fn a_failure_has_the_time_at_which_it_was_recorded() {
    for kind in [OutcomeKind::Retry, OutcomeKind::Fail] {
        let record = settled(running(), &outcome(kind));
        assert_eq!(record.failure.unwrap().at, NOW, "{kind}");
        assert_eq!(record.updated_at, NOW);
    }
    let mut record = running();
    assert!(machine::rescue(&mut record, START + 2 * MINUTE));
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.at), (FailureCause::LeaseLost, START + 2 * MINUTE));
}

#[test]
fn a_lost_lease_hides_no_wait_for_somebody_who_knows_the_task() {
    let Outcome::Retry { mut failure, .. } = outcome(OutcomeKind::Retry) else { unreachable!() };
    failure.cause = FailureCause::UnknownStage;
    let waits = Outcome::Retry { failure, delay: Duration::ZERO };
    let mut record = settled(running(), &waits);
    let since = record.failure.clone();
    machine::claim(&mut record, WORKER, MINUTE, NOW).unwrap();
    assert!(machine::rescue(&mut record, NOW + MINUTE));
    assert_eq!(record.failure, since);
}

#[test]
fn a_task_starts_when_it_was_asked_to_and_never_before_it_was_there() {
    let starts = |start_at| machine::insert(&NewTask { start_at, ..new_task() }, START).run_at;
    assert_eq!(starts(StartAt::Now), START);
    assert_eq!(starts(StartAt::After(MINUTE)), START + MINUTE);
    assert_eq!(starts(StartAt::At(START + MINUTE)), START + MINUTE);
    assert_eq!(starts(StartAt::At(START.before(MINUTE))), START);
    let expires_after = Some(MINUTE);
    let record = machine::insert(&NewTask { expires_after, ..new_task() }, START);
    assert_eq!(record.expires_at, Some(START + MINUTE));
}

#[test]
fn a_terminal_task_is_prunable_once_its_retention_is_over() {
    let keep = Retention { completed: MINUTE, failed: 2 * MINUTE, cancelled: 3 * MINUTE };
    let end = START + MINUTE;
    for (kind, after) in [
        (OutcomeKind::Complete, MINUTE),
        (OutcomeKind::Fail, 2 * MINUTE),
        (OutcomeKind::Cancel, 3 * MINUTE),
    ] {
        let record = ended(kind);
        let instant = Duration::from_micros(1);
        assert!(!machine::is_prunable(&record, &keep, (end + after).before(instant)), "{kind}");
        assert!(machine::is_prunable(&record, &keep, end + after), "{kind}");
        assert!(machine::is_prunable(&record, &keep, Timestamp::MAX), "{kind}");
    }
    for record in [pending(), running()] {
        assert!(!machine::is_prunable(&record, &Retention::all(Duration::ZERO), Timestamp::MAX));
    }
}

#[test]
fn a_lease_of_another_task_is_refused() {
    let other = TaskId::from_uuid(uuid::Uuid::from_u128(2));
    let mut record = running();
    let lease = Lease { task_id: other, ..record.lease_token() };
    assert!(machine::heartbeat(&mut record, lease, MINUTE, None, NOW).is_err());
    assert!(machine::settle(&mut record, lease, &outcome(OutcomeKind::Complete), NOW).is_err());
    assert_eq!(record, running());
    let mut record = ended(OutcomeKind::Complete);
    assert_eq!(record.state, TaskState::Completed);
    assert!(machine::settle(&mut record, lease, &outcome(OutcomeKind::Complete), NOW).is_err());
}

#[test]
fn completing_rounds_the_progress_off() {
    let mut record = running();
    let lease = record.lease_token();
    let report = crate::model::Progress { message: String::from("at it"), ..progress("second") };
    machine::heartbeat(&mut record, lease, MINUTE, Some(&report), START + MINUTE).unwrap();
    let progress = settled(record, &outcome(OutcomeKind::Complete)).progress.unwrap();
    assert_eq!((progress.percent, progress.message.as_str()), (100, ""));
    assert_eq!(progress.updated_at, NOW);
}
