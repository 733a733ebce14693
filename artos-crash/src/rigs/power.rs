//! Cuts the power: what was not synced is gone, with the journal of the file system.
//!
//! Only what was read before the cut counts as acknowledged.

use std::{path::Path, time::Duration};

use artos_oracle::Dice;

use crate::{
    child::ChildDuty,
    disk::{self, Disk},
    healthy::must_open,
    options::FileSystem,
    rig::{Rig, Round},
    session::Session,
    subject::{Believe, Subject},
    tools,
    watch::Deadline,
};

/// Rounds of one store.
const ROUNDS_OF_A_STORE: u64 = 50;

/// What the rig needs, and the Debian packages that have it.
const TOOLS: [(&str, &str); 6] = [
    ("losetup", "mount"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("xfs_io", "xfsprogs"),
];

pub(crate) struct Power {
    disk: Disk,
}

/// Checks that power can be cut here.
pub(crate) fn require() -> anyhow::Result<()> {
    tools::require(&TOOLS, true)?;
    disk::sweep()
}

impl Power {
    pub(crate) fn new(file_system: FileSystem, worker: u64) -> anyhow::Result<Self> {
        Ok(Self { disk: Disk::new(file_system, worker)? })
    }
}

impl Rig for Power {
    fn begin(&mut self, folder: &Path, seed: u64) -> anyhow::Result<Subject> {
        self.disk.format()?;
        Subject::new(folder, &place(&self.disk, seed), seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let mut session =
            Session::start(subject.command(ChildDuty::Load, &[])?, &subject.complaints())?;
        if !work(&mut session, subject, dice)? {
            return Ok(Round::Broken);
        }
        session.read_arrived(subject)?;
        self.disk.cut()?;
        session.kill();
        session.read_rest(subject, Believe::Questions)?;
        session.wait()?;
        drop(session);
        subject.crash("the power is cut")?;
        self.disk.unmount()?;
        self.disk.mount()?;
        Ok(Round::Broken)
    }

    fn rounds_of_a_store(&self) -> u64 {
        ROUNDS_OF_A_STORE
    }
}

/// Returns where the store is on a disk: sometimes in folders that do not exist yet either.
pub(crate) fn place(disk: &Disk, seed: u64) -> std::path::PathBuf {
    let depth = seed % 3;
    (0..depth).fold(disk.path().to_owned(), |path, _| path.join("deep")).join("store")
}

/// Lets a child work until the moment of the fault, which may come while it opens the store.
/// Returns whether there is anything to break.
pub(crate) fn work(
    session: &mut Session,
    subject: &mut Subject,
    dice: &mut Dice,
) -> anyhow::Result<bool> {
    let how = dice.below(10);
    let is_early = how == 0;
    if !is_early && !must_open(session, subject)? {
        return Ok(false);
    }
    let wait = if how < 6 { dice.below(20_000) } else { dice.below(150_000) };
    session.read_until(subject, Deadline::after(Duration::from_micros(wait)), |_| false)?;
    if subject.refusal.is_some() {
        crate::healthy::refused(subject);
        return Ok(false);
    }
    Ok(true)
}
