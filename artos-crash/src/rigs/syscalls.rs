//! Kills the process at its Nth system call that writes, syncs or renames, for every N: while the
//! store is made, and while one that exists is opened and written.

use std::{path::Path, time::Duration};

use super::{
    folder::Folder,
    traced::{self, Injection, NAMES, SYNCS, WRITES},
};
use artos_oracle::Dice;

use crate::{
    child::ChildDuty,
    healthy::{make_old, work_and_die},
    rig::{Rig, Round},
    session::{Seen, Session},
    subject::{Believe, Subject},
    watch::Deadline,
};

/// How long a child may take to come to its Nth call, at least.
const REACHED_WITHIN: Duration = Duration::from_millis(1_000);
/// Rounds with the same N: two sorts of calls, each on a new store and on an old one.
const ROUNDS_OF_A_NUMBER: u64 = 4;
/// Rounds at the beginning for calls that change names; a process makes few of them.
const ROUNDS_OF_NAMES: u64 = 8;
/// Stores of which one is healed in the end.
const STORES_OF_A_HEALING: u64 = 8;

pub(crate) struct Syscalls {
    folder: Folder,
    round: u64,
    /// Workers take turns with the numbers.
    workers: u64,
}

impl Syscalls {
    pub(crate) fn new(worker: u64, workers: u64) -> anyhow::Result<Self> {
        Ok(Self { folder: Folder::new()?, round: worker, workers })
    }
}

impl Rig for Syscalls {
    fn begin(&mut self, notes: &Path, seed: u64) -> anyhow::Result<Subject> {
        Subject::new(notes, &self.folder.next()?, seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let (number, calls, is_old) = case(self.round);
        self.round += self.workers;
        if is_old && !make_old(subject, dice)? {
            return Ok(Round::Broken);
        }
        subject.note(&format!("killed at call {number} out of {calls}"))?;
        let tool = traced::inject(calls, Injection::Kill, number);
        let mut session =
            Session::start(subject.command(ChildDuty::Load, &tool)?, &subject.complaints())?;
        let wait = REACHED_WITHIN + Duration::from_millis(number * 2);
        let seen = session.read_until(subject, Deadline::after(wait), |_| false)?;
        session.close();
        if session.read_rest(subject, Believe::All)? == Seen::Nothing {
            anyhow::bail!("a child below strace does not end");
        }
        session.wait()?;
        if subject.refusal.is_some() {
            crate::healthy::refused(subject);
        }
        subject.crash("killed")?;
        work_and_die(subject, Duration::from_millis(dice.below(60)), "killed")?;
        Ok(if seen == Seen::End { Round::Broken } else { Round::NotReached })
    }

    fn rounds_of_a_store(&self) -> u64 {
        1
    }

    fn heals(&self) -> bool {
        (self.round / self.workers).is_multiple_of(STORES_OF_A_HEALING)
    }
}

/// Returns which call is hit in a round, out of which, and whether the store is an old one.
const fn case(round: u64) -> (u64, &'static str, bool) {
    if let Some(round) = round.checked_sub(ROUNDS_OF_NAMES) {
        let calls = if round.is_multiple_of(2) { WRITES } else { SYNCS };
        (1 + round / ROUNDS_OF_A_NUMBER, calls, round % ROUNDS_OF_A_NUMBER >= 2)
    } else {
        (1 + round / 2, NAMES, !round.is_multiple_of(2))
    }
}
