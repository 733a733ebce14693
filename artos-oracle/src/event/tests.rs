//! Lines are events, and events are lines.

use artos_core::{TaskId, TaskState, model::OutcomeKind};

use super::*;
use crate::LINE_BYTES_MAX;

fn id(number: u128) -> TaskId {
    TaskId::from_uuid(uuid::Uuid::from_u128(number))
}

fn digest() -> Digest {
    Digest::of(b"payload")
}

fn asks() -> [Asks; 8] {
    let (task, digest) = (id(1), digest());
    let submitted = Submitted {
        id: task,
        kind: String::from("k"),
        options: digest,
        key: Some("ä\"\\/".repeat(250)),
        input: digest,
        stage: Some(String::from("s")),
        checkpoint: Some(digest),
        delay: 5,
    };
    let outcome = OutcomeKind::Interrupt;
    [
        Asks::Insert(Box::new(submitted.clone())),
        Asks::Claim { queue: String::from("q"), lease_for: 5 },
        Asks::Heartbeat { task, epoch: 7, lease_for: 5 },
        Asks::Settle {
            task,
            epoch: 2,
            outcome,
            stage: None,
            payload: Some(digest),
            delay: 0,
            is_unknown: false,
        },
        Asks::FollowUp { of: task, task: Box::new(submitted) },
        Asks::Cancel { task },
        Asks::Rescue,
        Asks::Prune { completed: 1, failed: 2, cancelled: 3, limit: 4 },
    ]
}

fn answers() -> [Answer; 12] {
    let (task, payload) = (id(1), digest());
    let stage = Some(String::from("s"));
    [
        Answer::Created { task },
        Answer::Existing { task, existing: id(3), same_input: true },
        Answer::Claimed { task, epoch: 1, attempt: 1, stage, payload },
        Answer::Pulse { task, epoch: 1, alive: false },
        Answer::Settled { task, epoch: 1, state: None },
        Answer::Settled { task, epoch: 1, state: Some(TaskState::Completed) },
        Answer::CancelledNow { task },
        Answer::CancelRequested { task },
        Answer::AlreadyTerminal { task, state: TaskState::Failed },
        Answer::NoSuchTask { task },
        Answer::Rescued { task },
        Answer::Pruned { tasks: 9 },
    ]
}

fn every_sort() -> Vec<What> {
    let task = id(1);
    let row = Row {
        id: id(2),
        kind: String::from("k"),
        options: digest(),
        key: None,
        state: TaskState::Cancelled,
        stage: None,
        epoch: 3,
        attempt: 2,
        cancel_requested: true,
        input: Some(digest()),
        checkpoint: None,
        output: Some(digest()),
    };
    let refusal = Refusal { kind: String::from("full"), message: shorten("\u{1}".repeat(9_000)) };
    let others = [
        What::Ends { call: 1, refusal: None },
        What::Ends { call: 1, refusal: Some(refusal.clone()) },
        What::Starts { task, stage: String::from("s"), attempt: 1 },
        What::Opened,
        What::Refused(refusal),
        What::DumpBegins,
        What::Row(Box::new(row)),
        What::DumpEnds { tasks: 1 },
        What::Wrong { message: String::from("no") },
        What::Done,
    ];
    let asks = asks().into_iter().map(|asks| What::Asks(Asked { call: 1, asks }));
    let says = answers().into_iter().map(|answer| What::Says { call: 1, answer });
    asks.chain(says).chain(others).collect()
}

#[test]
fn every_event_is_read_back_from_its_line_as_it_was() {
    for what in every_sort() {
        let event = Event { at: u64::MAX, what };
        let line = event.to_line();
        assert!(line.len() < LINE_BYTES_MAX && !line.contains('\n'), "{line}");
        assert_eq!(line.parse::<Event>().unwrap(), event);
    }
}

#[test]
fn a_line_that_was_cut_off_is_no_event() {
    let line = Event { at: 1, what: What::DumpEnds { tasks: 12 } }.to_line();
    for end in 0..line.len() {
        let error = line[..end].parse::<Event>().unwrap_err().to_string();
        assert!(error.contains("is not an event"), "{error}");
    }
}

#[test]
fn only_questions_are_believed_without_power() {
    for what in every_sort() {
        let expected = matches!(what, What::Asks(_) | What::Wrong { .. });
        assert_eq!(Event { at: 0, what }.acknowledges_nothing(), expected);
    }
}
