//! Kills the process at random moments. What was handed to the operating system stays.

use std::{path::Path, time::Duration};

use super::folder::Folder;
use artos_oracle::Dice;

use crate::{
    child::ChildDuty,
    healthy::{must_end_well, must_open},
    rig::{Rig, Round},
    session::Session,
    subject::Subject,
    watch::Deadline,
};

/// Rounds of one store.
const ROUNDS_OF_A_STORE: u64 = 40;

pub(crate) struct Kill {
    folder: Folder,
}

impl Kill {
    pub(crate) fn new(_: u64) -> anyhow::Result<Self> {
        Ok(Self { folder: Folder::new()? })
    }
}

impl Rig for Kill {
    fn begin(&mut self, notes: &Path, seed: u64) -> anyhow::Result<Subject> {
        Subject::new(notes, &self.folder.next()?, seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let mut session =
            Session::start(subject.command(ChildDuty::Load, &[])?, &subject.complaints())?;
        let how = dice.below(10);
        // In the middle of opening, too.
        let is_early = how < 3;
        if !is_early && !must_open(&mut session, subject)? {
            return Ok(Round::Broken);
        }
        let wait = if how < 7 { dice.below(40_000) } else { dice.below(250_000) };
        session.read_until(subject, Deadline::after(Duration::from_micros(wait)), |_| false)?;
        if how == 9 {
            // Gently now and then: what is handed back must not be charged.
            session.close();
        } else {
            session.kill();
        }
        must_end_well(&mut session, subject)?;
        subject.crash(if how == 9 { "stopped gently" } else { "killed" })?;
        Ok(Round::Broken)
    }

    fn rounds_of_a_store(&self) -> u64 {
        ROUNDS_OF_A_STORE
    }
}
