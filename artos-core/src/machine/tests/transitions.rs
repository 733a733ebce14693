//! Every event in every situation, against a table written by hand.

use std::fmt::Write as _;

use super::samples::{MINUTE, START, WORKER, ended, outcome, pending, progress, running};
use crate::{
    machine::{self, Applied, Cancelled, NotClaimable, Stale},
    model::{Epoch, FailureCause, Lease, Outcome, OutcomeKind, TaskRecord, TaskState, Timestamp},
};

type Sample = fn() -> TaskRecord;

/// The columns: what the task was like before.
const SITUATIONS: [(&str, Sample); 9] = [
    ("pending", pending),
    ("pending, for later", pending_for_later),
    ("running", running),
    ("running, cancel requested", wanted),
    ("lapsed", lapsed),
    ("lapsed, cancel requested", lapsed_and_wanted),
    ("completed", || ended(OutcomeKind::Complete)),
    ("failed", || ended(OutcomeKind::Fail)),
    ("cancelled", cancelled),
];

/// The rows. `-`: refused, nothing changed. `=`: accepted, nothing changed. Otherwise the state
/// after, with what else changed of attempt (a), epoch (e), stage, counts and wish.
#[rustfmt::skip]
const EXPECTED: [(&str, [&str; 9]); 11] = [
    ("claim",     ["Running a+1 e+1", "-", "-", "-", "-", "-", "-", "-", "-"]),
    ("heartbeat", ["-", "-", "Running extended", "Running extended", "-", "-", "-", "-", "-"]),
    ("advance",   ["-", "-", "Running a-1 staged", "Cancelled a-1 staged",
                   "-", "-", "-", "-", "-"]),
    ("complete",  ["-", "-", "Completed", "Completed", "-", "-", "=", "-", "-"]),
    ("retry",     ["-", "-", "Pending", "Cancelled", "-", "-", "-", "-", "-"]),
    ("snooze",    ["-", "-", "Pending a-1 snoozed", "Cancelled a-1 snoozed",
                   "-", "-", "-", "-", "-"]),
    ("fail",      ["-", "-", "Failed", "Failed", "-", "-", "-", "=", "-"]),
    ("cancel",    ["-", "-", "Cancelled", "Cancelled", "-", "-", "-", "-", "-"]),
    ("interrupt", ["-", "-", "Pending a-1 interrupted", "Cancelled a-1 interrupted",
                   "-", "-", "-", "-", "-"]),
    ("a cancel request", ["Cancelled", "Cancelled", "Running wanted", "=", "Running wanted", "=",
                          "=", "=", "="]),
    ("a rescue",  ["=", "=", "=", "=", "Pending e+1", "Cancelled e+1", "=", "=", "="]),
];

/// When the events happen: within the lease of a running task.
const NOW: Timestamp = Timestamp::from_micros(START.as_micros() + 90_000_000);

fn pending_for_later() -> TaskRecord {
    let mut record = pending();
    record.run_at = NOW + MINUTE;
    record
}

fn wanted() -> TaskRecord {
    let mut record = running();
    assert_eq!(machine::cancel(&mut record, NOW), Cancelled::Requested);
    record
}

fn lapsed() -> TaskRecord {
    let mut record = running();
    record.lease.as_mut().unwrap().expires_at = NOW;
    record
}

fn lapsed_and_wanted() -> TaskRecord {
    let mut record = lapsed();
    assert_eq!(machine::cancel(&mut record, NOW), Cancelled::Requested);
    record
}

fn cancelled() -> TaskRecord {
    let mut record = pending();
    assert_eq!(machine::cancel(&mut record, NOW), Cancelled::Now);
    record
}

/// Lets the event happen; returns whether it was accepted.
fn happen(event: &str, record: &mut TaskRecord) -> bool {
    let lease = record.lease_token();
    match event {
        "claim" => machine::claim(record, WORKER, MINUTE, NOW).is_ok(),
        "heartbeat" => machine::heartbeat(record, lease, MINUTE, None, NOW).is_ok(),
        "a cancel request" => {
            machine::cancel(record, NOW);
            true
        }
        "a rescue" => {
            let before = record.clone();
            assert_eq!(machine::rescue(record, NOW), *record != before);
            true
        }
        _ => {
            let kind = OutcomeKind::ALL.into_iter().find(|kind| kind.as_str() == event).unwrap();
            machine::settle(record, lease, &outcome(kind), NOW).is_ok()
        }
    }
}

fn describe(accepted: bool, before: &TaskRecord, after: &TaskRecord) -> String {
    if before == after {
        return String::from(if accepted { "=" } else { "-" });
    }
    assert!(accepted, "a refused event changed the record");
    let mut text = format!("{:?}", after.state);
    if after.attempt != before.attempt {
        let change = i64::from(after.attempt) - i64::from(before.attempt);
        write!(text, " a{change:+}").unwrap();
    }
    if after.epoch != before.epoch {
        write!(text, " e+{}", after.epoch.0 - before.epoch.0).unwrap();
    }
    for (changed, word) in [
        (after.stage != before.stage, " staged"),
        (after.snoozes != before.snoozes, " snoozed"),
        (after.interrupts != before.interrupts, " interrupted"),
        (after.cancel_requested != before.cancel_requested, " wanted"),
        (
            after.state == before.state
                && after.stage == before.stage
                && after.lease != before.lease,
            " extended",
        ),
    ] {
        if changed {
            text.push_str(word);
        }
    }
    text
}

#[test]
fn every_event_does_in_every_situation_what_the_table_says() {
    for (event, expected) in EXPECTED {
        for ((situation, sample), expected) in SITUATIONS.into_iter().zip(expected) {
            let before = sample();
            let mut after = before.clone();
            let accepted = happen(event, &mut after);
            let found = describe(accepted, &before, &after);
            assert_eq!(found, expected, "{event} while {situation}");
            let invisible = before == after || event == "heartbeat";
            let revision = before.revision + u64::from(!invisible);
            assert_eq!(after.revision, revision, "{event} while {situation}");
            assert_eq!(after.lease.is_some(), after.state == TaskState::Running);
            assert_eq!(after.finished_at.is_some(), after.is_terminal());
        }
    }
}

#[test]
fn a_refusal_says_why() {
    let mut record = running();
    let lease = record.lease_token();
    let old = Lease { epoch: Epoch(2), ..lease };
    let refusal = |record: &mut TaskRecord, lease, outcome| {
        machine::settle(record, lease, &outcome, NOW).unwrap_err().to_string()
    };
    let id = record.id;
    assert_eq!(
        refusal(&mut record, old, Outcome::Cancel),
        format!("task {id} is at epoch 3, this worker holds epoch 2")
    );
    assert_eq!(
        refusal(&mut lapsed(), lease, Outcome::Cancel),
        format!("the lease of epoch 3 on task {id} lapsed before this write")
    );
    assert_eq!(
        refusal(&mut ended(OutcomeKind::Complete), lease, Outcome::Cancel),
        format!("task {id} is completed: epoch 3 no longer runs it")
    );
    record.stage = None;
    let advance = outcome(OutcomeKind::Advance);
    assert_eq!(
        refusal(&mut record, lease, advance),
        format!("task {id} is at stage the first, this checkpoint leaves stage second for third")
    );
    assert!(matches!(
        machine::heartbeat(&mut record, old, MINUTE, None, NOW),
        Err(Stale::Epoch { .. })
    ));
    assert_eq!(machine::claim(&mut record, WORKER, MINUTE, NOW), Err(NotClaimable));
}

#[test]
fn a_repeated_settlement_is_recognized_and_changes_nothing() {
    for kind in OutcomeKind::ALL {
        let mut record = running();
        let lease = record.lease_token();
        let outcome = outcome(kind);
        assert_eq!(machine::settle(&mut record, lease, &outcome, NOW), Ok(Applied::Now));
        let settled = record.clone();
        for later in [NOW, NOW + MINUTE * 60] {
            let again = machine::settle(&mut record, lease, &outcome, later);
            assert_eq!(again, Ok(Applied::Before), "{kind}");
            assert_eq!(record, settled);
        }
    }
}

#[test]
fn a_report_of_another_stage_extends_the_lease_and_nothing_else() {
    let mut record = running();
    let before = record.clone();
    let lease = record.lease_token();
    let report = progress("first");
    machine::heartbeat(&mut record, lease, MINUTE, Some(&report), NOW).unwrap();
    assert_eq!(record.lease.unwrap().expires_at, NOW + MINUTE);
    record.lease = before.lease;
    assert_eq!(record, before);
}

#[test]
fn waiting_for_somebody_who_knows_the_task_charges_nothing_and_keeps_the_first_time() {
    let mut record = running();
    let unknown = |record: &mut TaskRecord, now| {
        let Outcome::Retry { mut failure, delay } = outcome(OutcomeKind::Retry) else {
            unreachable!()
        };
        failure.cause = FailureCause::UnknownStage;
        let lease = record.lease_token();
        machine::settle(record, lease, &Outcome::Retry { failure, delay }, now).unwrap();
        record.failure.as_ref().map(|failure| failure.at)
    };
    assert_eq!(unknown(&mut record, NOW), Some(NOW));
    assert_eq!(record.attempt, 1);
    let later = NOW + MINUTE;
    machine::claim(&mut record, WORKER, MINUTE, later).unwrap();
    assert_eq!(unknown(&mut record, later), Some(NOW));
    assert_eq!(record.attempt, 1);
}

#[test]
fn nothing_overflows_at_the_extremes() {
    let mut record = pending();
    record.attempt = u32::MAX;
    record.snoozes = u32::MAX;
    record.interrupts = u32::MAX;
    record.revision = u64::MAX;
    record.epoch = Epoch(u64::MAX);
    machine::claim(&mut record, WORKER, std::time::Duration::MAX, Timestamp::MAX).unwrap();
    assert_eq!((record.attempt, record.revision), (u32::MAX, u64::MAX));
    assert_eq!(record.epoch, Epoch(u64::MAX));
    for kind in [OutcomeKind::Snooze, OutcomeKind::Interrupt] {
        let mut record = record.clone();
        // A lease that ends with time itself has lapsed at its last moment.
        record.lease.as_mut().unwrap().expires_at = Timestamp::MAX;
        let lease = record.lease_token();
        let before_the_end = Timestamp::MAX.before(MINUTE);
        machine::settle(&mut record, lease, &outcome(kind), before_the_end).unwrap();
        assert_eq!((record.snoozes, record.interrupts), (u32::MAX, u32::MAX));
    }
    let mut record = running();
    record.attempt = 0;
    let lease = record.lease_token();
    machine::settle(&mut record, lease, &Outcome::Interrupt, NOW).unwrap();
    assert_eq!(record.attempt, 0);
}
