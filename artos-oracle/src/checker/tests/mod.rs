//! Each invariant has a history that breaks it and is caught, and one beside it that does not.

use artos_core::{
    TaskId, TaskState,
    model::OutcomeKind::{self, Advance, Complete, Fail, Retry, Snooze},
};

use super::*;
use crate::{Answer, Asked, Asks, Digest, Refusal, Row, StageRule, Submitted};

const DAY: u64 = 86_400_000_000;
const LEASE: u64 = 20_000_000;

/// Tells a checker a history, one call after the other.
struct Story {
    checker: Checker,
    at: u64,
    call: u64,
}

fn id(number: u128) -> TaskId {
    TaskId::from_uuid(uuid::Uuid::from_u128(number))
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn submitted(number: u128) -> Submitted {
    Submitted {
        id: id(number),
        kind: String::from("kind"),
        options: digest("options"),
        key: None,
        input: digest("input"),
        stage: None,
        checkpoint: None,
        delay: 0,
    }
}

/// A row of a task that was just inserted.
fn row(number: u128) -> Row {
    Row {
        id: id(number),
        kind: String::from("kind"),
        options: digest("options"),
        key: None,
        state: TaskState::Pending,
        stage: None,
        epoch: 0,
        attempt: 0,
        cancel_requested: false,
        input: Some(digest("input")),
        checkpoint: None,
        output: None,
    }
}

impl Story {
    fn new() -> Self {
        let stage = |name: &str| StageRule { name: String::from(name), attempts_max: 3 };
        let stages = ["one", "two", "three"].map(stage);
        let rules = Rules::default().pipeline("kind", stages).fail_stop();
        Self { checker: Checker::new(rules), at: DAY, call: 0 }
    }

    /// A story of a store whose clock is known exactly.
    fn timed() -> Self {
        let mut story = Self::new();
        story.checker.rules = story.checker.rules.clone().exact_clock().may_skip();
        story
    }

    /// Lets time pass.
    fn pass(&mut self, micros: u64) -> &mut Self {
        self.at += micros;
        self
    }

    fn tell(&mut self, what: What) -> &mut Self {
        self.at += 1_000;
        self.checker.read(&Event { at: self.at, what });
        self
    }

    fn ask(&mut self, asks: Asks) -> u64 {
        self.call += 1;
        self.tell(What::Asks(Asked { call: self.call, asks }));
        self.call
    }

    fn say(&mut self, call: u64, answer: Answer) -> &mut Self {
        self.tell(What::Says { call, answer }).tell(What::Ends { call, refusal: None })
    }

    fn submit(&mut self, number: u128) -> &mut Self {
        self.submit_as(submitted(number))
    }

    fn submit_as(&mut self, task: Submitted) -> &mut Self {
        let id = task.id;
        let call = self.ask(Asks::Insert(Box::new(task)));
        self.say(call, Answer::Created { task: id })
    }

    fn claim_at(
        &mut self,
        number: u128,
        (epoch, attempt): (u64, u32),
        stage: Option<&str>,
        payload: &str,
    ) -> &mut Self {
        let call = self.ask(Asks::Claim { queue: String::from("queue"), lease_for: LEASE });
        let claimed = Answer::Claimed {
            task: id(number),
            epoch,
            attempt,
            stage: stage.map(String::from),
            payload: digest(payload),
        };
        self.say(call, claimed)
    }

    /// Claims a task at its first stage.
    fn claim(&mut self, number: u128, epoch: u64, attempt: u32) -> &mut Self {
        self.claim_at(number, (epoch, attempt), None, "input")
    }

    fn start(&mut self, number: u128, stage: &str, attempt: u32) -> &mut Self {
        self.tell(What::Starts { task: id(number), stage: String::from(stage), attempt })
    }

    fn ask_settle(
        &mut self,
        number: u128,
        epoch: u64,
        outcome: OutcomeKind,
        to: Option<(&str, &str)>,
    ) -> u64 {
        let (stage, payload) = match (outcome, to) {
            (Advance, Some((stage, payload))) => (Some(String::from(stage)), Some(payload)),
            (_, Some((_, payload))) => (None, Some(payload)),
            _ => (None, None),
        };
        let payload = payload.map(digest);
        let (task, delay, is_unknown) = (id(number), 0, false);
        self.ask(Asks::Settle { task, epoch, outcome, stage, payload, delay, is_unknown })
    }

    fn settle(
        &mut self,
        number: u128,
        epoch: u64,
        outcome: OutcomeKind,
        to: Option<(&str, &str)>,
        state: TaskState,
    ) -> &mut Self {
        let call = self.ask_settle(number, epoch, outcome, to);
        self.say(call, Answer::Settled { task: id(number), epoch, state: Some(state) })
    }

    fn advance(&mut self, number: u128, epoch: u64, to: (&str, &str)) -> &mut Self {
        self.settle(number, epoch, Advance, Some(to), TaskState::Running)
    }

    fn complete(&mut self, number: u128, epoch: u64, output: &str) -> &mut Self {
        self.settle(number, epoch, Complete, Some(("", output)), TaskState::Completed)
    }

    fn cancel(&mut self, number: u128, answer: Answer) -> &mut Self {
        let call = self.ask(Asks::Cancel { task: id(number) });
        self.say(call, answer)
    }

    fn crash_and_dump(&mut self, rows: &[Row]) -> &mut Self {
        self.checker.crash();
        self.tell(What::DumpBegins);
        for row in rows {
            self.tell(What::Row(Box::new(row.clone())));
        }
        self.tell(What::DumpEnds { tasks: rows.len() as u64 })
    }

    #[track_caller]
    fn is_fine(&self) {
        assert_eq!(self.checker.findings(), []);
    }

    /// Checks that exactly this was found.
    #[track_caller]
    fn breaks(&self, invariant: Invariant) {
        let found: Vec<_> = self.checker.findings().iter().map(|one| one.invariant).collect();
        assert!(found.contains(&invariant), "{:?}", self.checker.findings());
        assert!(found.iter().all(|one| *one == invariant), "{:?}", self.checker.findings());
    }
}

mod acknowledged;
mod dumped;
mod fenced;
mod timely;
