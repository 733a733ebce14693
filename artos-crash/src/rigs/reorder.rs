//! Cuts the power of a disk that keeps any part of what was not flushed, in any order, and writes
//! in part.

use std::path::Path;

use anyhow::Context as _;

use super::power::{place, work};
use artos_oracle::Dice;

use crate::{
    child::ChildDuty,
    disk::Disk,
    options::FileSystem,
    rig::{Rig, Round},
    session::Session,
    subject::{Believe, Subject},
    tools,
    volatile::{Survival, VolatileDisk},
};

/// Rounds of one store.
const ROUNDS_OF_A_STORE: u64 = 30;
/// How many of a thousand writes survive, by turns.
const SURVIVALS: [u64; 5] = [0, 250, 500, 750, 1_000];

pub(crate) struct Reorder {
    // Dropped in this order: the disk is on top of the other.
    disk: Disk,
    volatile: VolatileDisk,
}

/// Checks that such a disk can be made here.
pub(crate) fn require() -> anyhow::Result<()> {
    super::power::require()?;
    anyhow::ensure!(Path::new("/dev/fuse").exists(), "/dev/fuse is missing: this rig needs FUSE");
    Ok(())
}

impl Reorder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let volatile = VolatileDisk::new()?;
        let disk = Disk::of(FileSystem::Ext4, &volatile.file())?;
        Ok(Self { disk, volatile })
    }
}

impl Rig for Reorder {
    fn begin(&mut self, folder: &Path, seed: u64) -> anyhow::Result<Subject> {
        self.disk.format()?;
        tools::run("sync", &["-f", tools::text(self.disk.path())?])?;
        Subject::new(folder, &place(&self.disk, seed), seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let mut session =
            Session::start(subject.command(ChildDuty::Load, &[])?, &subject.complaints())?;
        if !work(&mut session, subject, dice)? {
            return Ok(Round::Broken);
        }
        let drawn = usize::try_from(dice.below(SURVIVALS.len() as u64))?;
        let survival = Survival { permille: SURVIVALS[drawn], torn: dice.permille(500) };
        session.read_arrived(subject)?;
        let (pending, survived) = self.volatile.cut(survival, dice);
        session.kill();
        session.read_rest(subject, Believe::Questions)?;
        session.wait()?;
        drop(session);
        subject.crash(&format!(
            "the power is cut, {survival:?}: of {pending} writes that were not flushed, \
             {survived} survived"
        ))?;
        self.disk.unmount()?;
        self.disk.detach()?;
        self.volatile.power_on();
        self.disk.attach(&self.volatile.file())?;
        self.disk.mount().context("the file system itself did not survive the cut")?;
        Ok(Round::Broken)
    }

    fn rounds_of_a_store(&self) -> u64 {
        ROUNDS_OF_A_STORE
    }
}
