//! The transition table and its diagram, drawn from the machine itself.
//!
//! Nothing is written down here twice: every cell comes from running the machine on a sample
//! record, so the documents cannot drift from the code.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use bytes::Bytes;

use crate::model::{
    Checkpoint, Epoch, Failure, FailureCause, Lease, LeaseHolder, Name, NewTask, Outcome,
    OutcomeKind, Progress, TaskId, TaskRecord, TaskState, Timestamp, WorkerId,
};

/// A row's situation: a state, and what else decides.
#[derive(Clone, Copy)]
struct Situation {
    title: &'static str,
    state: TaskState,
    cancel_requested: bool,
    lapsed: bool,
}

const SITUATIONS: [Situation; 6] = [
    situation("Pending", TaskState::Pending, false, false),
    situation("Running", TaskState::Running, false, false),
    situation("Running, cancel requested", TaskState::Running, true, false),
    situation("Running, lease lapsed", TaskState::Running, false, true),
    situation("Running, lapsed, cancel requested", TaskState::Running, true, true),
    situation("Completed, Failed, Cancelled", TaskState::Completed, false, false),
];

const fn situation(
    title: &'static str,
    state: TaskState,
    cancel_requested: bool,
    lapsed: bool,
) -> Situation {
    Situation { title, state, cancel_requested, lapsed }
}

/// Everything that can happen to a task.
#[derive(Clone, Copy)]
enum Event {
    Claim,
    Heartbeat,
    Settle(OutcomeKind),
    Cancel,
    Rescue,
}

const EVENTS: [Event; 11] = [
    Event::Claim,
    Event::Heartbeat,
    Event::Settle(OutcomeKind::Advance),
    Event::Settle(OutcomeKind::Complete),
    Event::Settle(OutcomeKind::Retry),
    Event::Settle(OutcomeKind::Snooze),
    Event::Settle(OutcomeKind::Fail),
    Event::Settle(OutcomeKind::Cancel),
    Event::Settle(OutcomeKind::Interrupt),
    Event::Cancel,
    Event::Rescue,
];

impl Event {
    const fn title(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Heartbeat => "heartbeat",
            Self::Settle(kind) => kind.as_str(),
            Self::Cancel => "cancel request",
            Self::Rescue => "rescue",
        }
    }
}

/// Returns the transition table as Markdown: one row for each event, one column for each situation.
#[must_use]
pub fn transition_table() -> String {
    let mut table = String::from("| event |");
    for situation in SITUATIONS {
        let _ = write!(table, " {} |", situation.title);
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(SITUATIONS.len()));
    table.push('\n');
    for event in EVENTS {
        let _ = write!(table, "| {} |", event.title());
        for situation in SITUATIONS {
            let _ = write!(table, " {} |", cell(situation, event));
        }
        table.push('\n');
    }
    table
}

/// Returns the state diagram in Mermaid's notation.
#[must_use]
pub fn diagram() -> String {
    let mut edges = BTreeSet::new();
    for situation in SITUATIONS {
        for event in EVENTS {
            if let Some(after) = happen(situation, event)
                && !matches!(event, Event::Heartbeat)
                && after != sample(situation)
            {
                edges.insert((situation.state, after.state, event.title()));
            }
        }
    }
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> Pending: insert\n");
    for (from, to, event) in edges {
        let _ = writeln!(diagram, "    {from:?} --> {to:?}: {event}");
    }
    for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
        let _ = writeln!(diagram, "    {state:?} --> [*]: prune");
    }
    diagram
}

/// Describes what an event does to a record: the state it leads to, and what it counts.
fn cell(situation: Situation, event: Event) -> String {
    let Some(after) = happen(situation, event) else {
        return String::from("refused");
    };
    let before = sample(situation);
    if after == before {
        return String::from("no change");
    }
    let mut cell = format!("{:?}", after.state);
    if after.attempt > before.attempt {
        cell.push_str(", attempt + 1");
    } else if after.attempt == 1 && before.attempt > 1 && after.stage != before.stage {
        cell.push_str(", next stage, attempt = 1");
    } else if after.attempt < before.attempt {
        cell.push_str(", attempt given back");
    }
    if after.epoch > before.epoch {
        cell.push_str(", epoch + 1");
    }
    if after.lease.is_some() && before.lease.is_some() && after.lease != before.lease {
        cell.push_str(", lease extended");
    }
    if after.cancel_requested && !before.cancel_requested {
        cell.push_str(", cancel noted");
    }
    cell
}

/// Lets an event happen to a sample record; `None` if the machine refuses it.
fn happen(situation: Situation, event: Event) -> Option<TaskRecord> {
    let mut record = sample(situation);
    let lease = Lease { task_id: record.id, epoch: record.epoch };
    let minute = Duration::from_secs(60);
    let now = NOW;
    match event {
        Event::Claim => super::claim(&mut record, worker(), minute, now).ok()?,
        Event::Heartbeat => {
            super::heartbeat(&mut record, lease, minute, None, now).ok()?;
        }
        Event::Settle(kind) => {
            super::settle(&mut record, lease, &outcome(kind), now).ok()?;
        }
        Event::Cancel => {
            super::cancel(&mut record, now);
        }
        Event::Rescue => {
            super::rescue(&mut record, now);
        }
    }
    Some(record)
}

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

const fn worker() -> WorkerId {
    WorkerId::from_uuid(uuid::Uuid::nil())
}

fn sample(situation: Situation) -> TaskRecord {
    let task = NewTask::new(TaskId::from_uuid(uuid::Uuid::nil()), "sample", "default", "");
    let mut record = super::insert(&task, NOW);
    record.state = situation.state;
    record.epoch = Epoch(3);
    record.attempt = 2;
    record.cancel_requested = situation.cancel_requested;
    if situation.state == TaskState::Running {
        let seconds = if situation.lapsed { 0 } else { 30 };
        let expires_at = NOW + Duration::from_secs(seconds);
        record.lease = Some(LeaseHolder { worker: worker(), expires_at });
    }
    record
}

fn outcome(kind: OutcomeKind) -> Outcome {
    let failure = Failure {
        cause: FailureCause::Error,
        stage: None,
        attempt: 2,
        message: String::new(),
        at: NOW,
    };
    let stage = Name::from_static("second");
    let delay = Duration::from_secs(5);
    match kind {
        OutcomeKind::Advance => Outcome::Advance(Checkpoint {
            from: None,
            stage: stage.clone(),
            payload: Bytes::new(),
            progress: Progress {
                stage,
                stage_number: 2,
                stage_count: 2,
                percent: 0,
                message: String::new(),
                updated_at: NOW,
            },
        }),
        OutcomeKind::Complete => Outcome::Complete { output: Bytes::new() },
        OutcomeKind::Retry => Outcome::Retry { failure, delay },
        OutcomeKind::Snooze => Outcome::Snooze { delay },
        OutcomeKind::Fail => Outcome::Fail { failure },
        OutcomeKind::Cancel => Outcome::Cancel,
        OutcomeKind::Interrupt => Outcome::Interrupt,
    }
}
