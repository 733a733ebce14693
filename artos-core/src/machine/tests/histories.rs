//! Promises that hold whatever happens to a task, in any order.

use std::time::Duration;

use proptest::prelude::*;

use super::samples::{START, WORKER, new_task, outcome, progress};
use crate::{
    machine::{self, Applied, Cancelled},
    model::{Epoch, FailureCause, Lease, Outcome, OutcomeKind, TaskRecord, TaskState, Timestamp},
};

#[derive(Debug, Clone)]
enum Event {
    Claim { lease_for: Duration },
    Heartbeat { held: Held, reports: bool },
    Settle { held: Held, kind: OutcomeKind, unknown: bool },
    Cancel,
    Rescue,
    Pass(Duration),
}

/// Which lease a worker shows, as the distance from the record's epoch.
#[derive(Debug, Clone, Copy)]
struct Held(i64);

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        6 => (0..200_u64).prop_map(Duration::from_secs),
        1 => Just(Duration::MAX),
        1 => Just(Duration::from_micros(1)),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let held = || prop_oneof![5 => Just(Held(0)), 1 => (-3..=3_i64).prop_map(Held)];
    let kind = proptest::sample::select(OutcomeKind::ALL.to_vec());
    prop_oneof![
        4 => any_duration().prop_map(|lease_for| Event::Claim { lease_for }),
        2 => (held(), any::<bool>()).prop_map(|(held, reports)| Event::Heartbeat { held, reports }),
        5 => (held(), kind, any::<bool>())
            .prop_map(|(held, kind, unknown)| Event::Settle { held, kind, unknown }),
        1 => Just(Event::Cancel),
        2 => Just(Event::Rescue),
        2 => (0..120_u64).prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
    ]
}

/// What an event may do to the attempts, told from the event alone.
fn attempts_after(before: &TaskRecord, event: &Event) -> u32 {
    match event {
        Event::Claim { .. } => before.attempt + 1,
        Event::Settle { kind: OutcomeKind::Advance, .. } => 1,
        Event::Settle { kind: OutcomeKind::Snooze | OutcomeKind::Interrupt, .. }
        | Event::Settle { kind: OutcomeKind::Retry, unknown: true, .. } => {
            before.attempt.saturating_sub(1)
        }
        _ => before.attempt,
    }
}

fn settlement(record: &TaskRecord, kind: OutcomeKind, unknown: bool) -> Outcome {
    match outcome(kind) {
        Outcome::Advance(mut checkpoint) => {
            if unknown {
                // Stays within the fence: it leaves whatever stage the task is at.
                checkpoint.from.clone_from(&record.stage);
            }
            Outcome::Advance(checkpoint)
        }
        Outcome::Retry { mut failure, delay } => {
            if unknown {
                failure.cause = FailureCause::UnknownKind;
            }
            Outcome::Retry { failure, delay }
        }
        other => other,
    }
}

/// Lets an event happen. Returns whether it was accepted and was not a repetition.
fn happen(record: &mut TaskRecord, event: &Event, now: Timestamp) -> bool {
    let lease = |held: Held, record: &TaskRecord| Lease {
        task_id: record.id,
        epoch: Epoch(record.epoch.0.saturating_add_signed(held.0)),
    };
    match event {
        Event::Claim { lease_for } => machine::claim(record, WORKER, *lease_for, now).is_ok(),
        Event::Heartbeat { held, reports } => {
            let report = reports.then(|| progress(record.stage.as_deref().unwrap_or("first")));
            let lease = lease(*held, record);
            machine::heartbeat(record, lease, Duration::from_secs(60), report.as_ref(), now).is_ok()
        }
        Event::Settle { held, kind, unknown } => {
            let outcome = settlement(record, *kind, *unknown);
            let lease = lease(*held, record);
            machine::settle(record, lease, &outcome, now) == Ok(Applied::Now)
        }
        Event::Cancel => {
            matches!(machine::cancel(record, now), Cancelled::Now | Cancelled::Requested)
        }
        Event::Rescue => machine::rescue(record, now),
        Event::Pass(_) => false,
    }
}

fn check(before: &TaskRecord, after: &TaskRecord, event: &Event, accepted: bool) {
    if !accepted {
        assert_eq!(before, after, "what is refused, or repeated, changes nothing");
        return;
    }
    assert!(!before.is_terminal(), "terminal stays terminal");
    assert!(after.revision >= before.revision, "the revision never falls");
    assert!(after.epoch >= before.epoch, "the epoch never falls");
    let raises = matches!(event, Event::Claim { .. } | Event::Rescue);
    assert_eq!(after.epoch > before.epoch, raises, "only claims and rescues raise the epoch");
    assert_eq!(after.attempt, attempts_after(before, event), "an attempt is charged once");
    assert_eq!(after.lease.is_some(), after.state == TaskState::Running);
    assert_eq!(after.finished_at.is_some(), after.is_terminal());
    let same = (&before.id, &before.kind, &before.queue, &before.created_at, &before.expires_at);
    let kept = (&after.id, &after.kind, &after.queue, &after.created_at, &after.expires_at);
    assert_eq!(same, kept, "what was submitted never changes");
    if after.started_at != before.started_at {
        assert_eq!(before.started_at, None, "a task starts once");
    }
    if let Event::Heartbeat { held, .. } | Event::Settle { held, .. } = event {
        assert_eq!(held.0, 0, "only the last lease writes");
    }
    if before.cancel_requested {
        assert_ne!(after.state, TaskState::Pending, "a wish to cancel outlives the attempt");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_promises(events in prop::collection::vec(any_event(), 1..60)) {
        let mut record = machine::insert(&new_task(), START);
        let mut now = START;
        for event in &events {
            if let Event::Pass(time) = event {
                now = now + *time;
            }
            let before = record.clone();
            let accepted = happen(&mut record, event, now);
            check(&before, &record, event, accepted);
        }
    }

    #[test]
    fn a_settlement_counts_once_however_often_it_is_sent(
        kind in prop::sample::select(OutcomeKind::ALL.to_vec()),
        times in 1..5_usize,
        wanted in any::<bool>(),
    ) {
        let mut record = super::samples::running();
        let now = START + super::samples::MINUTE;
        if wanted {
            machine::cancel(&mut record, now);
        }
        let lease = record.lease_token();
        let first = machine::settle(&mut record, lease, &outcome(kind), now);
        prop_assert_eq!(first, Ok(Applied::Now));
        let settled = record.clone();
        for _ in 0..times {
            let again = machine::settle(&mut record, lease, &outcome(kind), now);
            prop_assert_eq!(again, Ok(Applied::Before));
        }
        prop_assert_eq!(record, settled);
    }

    #[test]
    fn time_saturates(micros in any::<i64>(), duration in any_duration()) {
        let time = Timestamp::from_micros(micros);
        prop_assert!(time + duration >= time);
        prop_assert!(time.before(duration) <= time);
        prop_assert!((time + duration) <= Timestamp::MAX);
    }
}
