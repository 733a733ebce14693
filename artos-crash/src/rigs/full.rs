//! Fills the file system until the store has no room, makes room, and lets it go on.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use artos_oracle::{Dice, Invariant};

use super::power::place;
use crate::{
    child::{ChildDuty, REFUSED, STOPPED},
    disk::Disk,
    healthy::{hangs, opening, shown, work_and_die},
    options::FileSystem,
    rig::{Rig, Round},
    session::{Seen, Session},
    subject::{Believe, Subject},
    watch::Deadline,
};

/// Room that is left to a store in the beginning, at least.
const ROOM: u64 = 4 << 20;
/// How long it may take to fill that.
const FULL_WITHIN: Duration = Duration::from_secs(20);
/// Bytes that are written at once where room is taken away.
const BLOCK: usize = 1 << 16;

pub(crate) struct Full {
    disk: Disk,
}

impl Full {
    pub(crate) fn new(worker: u64) -> anyhow::Result<Self> {
        Ok(Self { disk: Disk::new(FileSystem::Ext4, worker)? })
    }

    /// The file that takes the room away.
    fn ballast(&self) -> PathBuf {
        self.disk.path().join("ballast")
    }

    /// Leaves no more than so many bytes of room.
    fn leave(&self, room: u64) -> anyhow::Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        // Everything, and then some of it back.
        let block = vec![0x5a; BLOCK];
        while ballast.write_all(&block).is_ok() {}
        let _ = ballast.sync_all();
        let length = ballast.metadata()?.len();
        ballast.set_len(length.saturating_sub(room))?;
        Ok(())
    }
}

impl Rig for Full {
    fn begin(&mut self, notes: &Path, seed: u64) -> anyhow::Result<Subject> {
        self.disk.format()?;
        Subject::new(notes, &place(&self.disk, seed), seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        self.leave(ROOM + dice.below(ROOM))?;
        subject.options.large = true;
        let mut session =
            Session::start(subject.command(ChildDuty::Load, &[])?, &subject.complaints())?;
        let seen = session.read_until(subject, Deadline::after(FULL_WITHIN), |_| false)?;
        session.close();
        if session.read_rest(subject, Believe::All)? == Seen::Nothing {
            hangs(&mut session, subject, "the process hangs on a full disk")?;
            return Ok(Round::Broken);
        }
        let code = session.wait()?;
        let noticed = [REFUSED, STOPPED].map(|code| Some(i32::from(code))).contains(&code);
        if !noticed && code != Some(0) {
            let message = format!("the process ended with {} on a full disk", shown(code));
            subject.find(Invariant::Opens, message);
        }
        subject.crash("the disk is full")?;
        if dice.permille(500) {
            look(subject)?;
        }
        fs::remove_file(self.ballast())?;
        subject.note("there is room again")?;
        subject.options.large = false;
        work_and_die(subject, Duration::from_millis(dice.between(50, 200)), "killed")?;
        Ok(if noticed && seen == Seen::End { Round::Noticed } else { Round::NotReached })
    }

    fn rounds_of_a_store(&self) -> u64 {
        2
    }
}

/// Opens the store while there is no room: it may refuse, but must not lose anything.
fn look(subject: &mut Subject) -> anyhow::Result<()> {
    subject.keep_as_it_is()?;
    let mut session =
        Session::start(subject.command(ChildDuty::Dump, &[])?, &subject.complaints())?;
    opening(&mut session, subject)?;
    session.close();
    session.read_rest(subject, Believe::All)?;
    session.wait()?;
    subject.crash("looked at while the disk is full")
}
