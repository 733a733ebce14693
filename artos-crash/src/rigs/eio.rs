//! Lets the Nth system call that writes, syncs or renames fail with EIO, once and for ever.
//!
//! The store must refuse everything after that, and open again with nothing lost.

use std::{path::Path, time::Duration};

use artos_oracle::{Dice, Invariant};

use super::{
    folder::Folder,
    traced::{self, Injection, NAMES, SYNCS, WRITES},
};
use crate::{
    child::{ChildDuty, REFUSED, STOPPED},
    healthy::{hangs, make_old, shown, work_and_die},
    rig::{Rig, Round},
    session::{Seen, Session},
    subject::{Believe, Subject},
    watch::Deadline,
};

/// How long a child may take to come to its Nth call, at least.
const REACHED_WITHIN: Duration = Duration::from_millis(1_000);
/// Stores of which one is healed in the end.
const STORES_OF_A_HEALING: u64 = 8;
/// Calls that fail, how, and on an old store or a new one.
const CASES: [(&str, Injection, bool); 10] = [
    (SYNCS, Injection::FailOnce, true),
    (WRITES, Injection::FailOnce, true),
    (SYNCS, Injection::FailOn, true),
    (WRITES, Injection::FailOn, true),
    (SYNCS, Injection::FailOnce, false),
    (WRITES, Injection::FailOnce, false),
    (NAMES, Injection::FailOnce, false),
    (SYNCS, Injection::FailOn, false),
    (WRITES, Injection::FailOn, false),
    (NAMES, Injection::FailOn, true),
];

pub(crate) struct Eio {
    folder: Folder,
    round: u64,
    workers: u64,
}

impl Eio {
    pub(crate) fn new(worker: u64, workers: u64) -> anyhow::Result<Self> {
        Ok(Self { folder: Folder::new()?, round: worker, workers })
    }
}

impl Rig for Eio {
    fn begin(&mut self, notes: &Path, seed: u64) -> anyhow::Result<Subject> {
        Subject::new(notes, &self.folder.next()?, seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let cases = CASES.len() as u64;
        let number = 1 + self.round / cases;
        let case = usize::try_from(self.round % cases).unwrap_or(0);
        let (calls, injection, is_old) = CASES[case];
        self.round += self.workers;
        if is_old && !make_old(subject, dice)? {
            return Ok(Round::Broken);
        }
        subject.note(&format!("{injection:?} at call {number} out of {calls}"))?;
        let tool = traced::inject(calls, injection, number);
        let mut session =
            Session::start(subject.command(ChildDuty::Load, &tool)?, &subject.complaints())?;
        let wait = REACHED_WITHIN + Duration::from_millis(number * 2);
        session.read_until(subject, Deadline::after(wait), |_| false)?;
        session.close();
        if session.read_rest(subject, Believe::All)? == Seen::Nothing {
            hangs(&mut session, subject, "the process hangs after an error of its disk")?;
            return Ok(Round::Broken);
        }
        let code = session.wait()?;
        let noticed = [REFUSED, STOPPED].map(|code| Some(i32::from(code))).contains(&code);
        if !noticed && code != Some(0) {
            let message = format!("the process ended with {} after an error", shown(code));
            subject.find(Invariant::Opens, message);
        }
        subject.crash(if noticed { "it noticed" } else { "it noticed nothing" })?;
        work_and_die(subject, Duration::from_millis(dice.below(60)), "killed")?;
        // Else it failed in a thread of sled's whose errors do not matter, or never came.
        Ok(if noticed { Round::Noticed } else { Round::NotReached })
    }

    fn rounds_of_a_store(&self) -> u64 {
        1
    }

    fn heals(&self) -> bool {
        (self.round / self.workers).is_multiple_of(STORES_OF_A_HEALING)
    }
}
