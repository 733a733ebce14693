//! Damages the files of a store that is not open: a bit, a block, an end, a whole file.
//!
//! The store must notice, when it is opened or when it is read, or nothing may depend on what was
//! damaged.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use artos_oracle::{Checker, Dice, Invariant};

use super::folder::Folder;
use crate::{
    child::ChildDuty,
    healthy::{Opening, hangs, must_end_well, must_open, opening, shown},
    rig::{Rig, Round},
    session::{Seen, Session},
    subject::{Believe, Subject},
    tools,
    watch::Deadline,
};

/// Damaged copies of one store.
const COPIES_OF_A_STORE: u64 = 25;
/// Bytes of a block of a disk.
const BLOCK: u64 = 4_096;

pub(crate) struct Corrupt {
    folder: Folder,
    /// The sound store, and what must be in it.
    sound: Option<(PathBuf, Checker)>,
    copies: u64,
}

impl Corrupt {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { folder: Folder::new()?, sound: None, copies: 0 })
    }

    /// Makes a sound store, with everything acknowledged known.
    fn make_sound(&mut self, notes: &Path, seed: u64) -> anyhow::Result<()> {
        let path = self.folder.path().join("sound");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        let mut subject = Subject::new(&notes.join("sound"), &path, seed)?;
        let mut dice = Dice::new(seed);
        for _ in 0..2 {
            let mut session =
                Session::start(subject.command(ChildDuty::Load, &[])?, &subject.complaints())?;
            must_open(&mut session, &mut subject)?;
            let wait = Duration::from_millis(dice.between(100, 400));
            session.read_until(&mut subject, Deadline::after(wait), |_| false)?;
            if dice.permille(500) {
                session.kill();
            } else {
                session.close();
            }
            must_end_well(&mut session, &mut subject)?;
            subject.crash("to be damaged")?;
        }
        if let Some(finding) = subject.findings().first() {
            anyhow::bail!("the store to be damaged is not sound: {finding}");
        }
        self.sound = Some((path, subject.checker));
        Ok(())
    }
}

impl Rig for Corrupt {
    fn begin(&mut self, notes: &Path, seed: u64) -> anyhow::Result<Subject> {
        let is_first = self.copies.is_multiple_of(COPIES_OF_A_STORE);
        if is_first {
            self.make_sound(notes, seed)?;
        }
        self.copies += 1;
        let copy = self.folder.next()?;
        let (sound, checker) = self.sound.as_ref().context("there is no sound store")?;
        tools::run("cp", &["-a", tools::text(sound)?, tools::text(&copy)?])?;
        let mut subject = Subject::new(notes, &copy, seed)?;
        subject.checker = checker.clone();
        if !is_first {
            subject.checker.count_anew();
        }
        Ok(subject)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let damage = damage(subject.path(), dice)?;
        subject.note(&damage)?;
        subject.keep_as_it_is()?;
        let mut session =
            Session::start(subject.command(ChildDuty::Dump, &[])?, &subject.complaints())?;
        let opening = opening(&mut session, subject)?;
        session.close();
        if session.read_rest(subject, Believe::All)? == Seen::Nothing {
            hangs(&mut session, subject, "the process hangs on a damaged store")?;
            return Ok(Round::Broken);
        }
        let code = session.wait()?;
        if !subject.findings().is_empty() && opening != Opening::Lost {
            subject.find(Invariant::Opens, format!("silently, after {damage}"));
        }
        if opening == Opening::Lost {
            subject.find(Invariant::Opens, format!("{} after {damage}", shown(code)));
        }
        subject.crash("looked at")?;
        Ok(match opening {
            Opening::Refused => Round::Noticed,
            Opening::Open if subject.findings().is_empty() => Round::WithoutEffect,
            Opening::Open | Opening::Lost => Round::Broken,
        })
    }

    fn rounds_of_a_store(&self) -> u64 {
        1
    }

    fn heals(&self) -> bool {
        false
    }
}

/// Damages one file of a folder; returns what was done.
fn damage(folder: &Path, dice: &mut Dice) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.metadata()?.len() > 0 {
            files.push(entry.path());
        }
    }
    files.sort();
    // Nearly everything is in the largest file, so it is damaged half of the time.
    let largest = files.iter().max_by_key(|path| path.metadata().map_or(0, |found| found.len()));
    let drawn = usize::try_from(dice.below(files.len().max(1) as u64))?;
    let path = if dice.permille(500) { largest } else { files.get(drawn) };
    let path = path.context("the store has no files")?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let length = fs::metadata(path)?.len();
    let file = File::options().read(true).write(true).open(path)?;
    let at = dice.below(length);
    Ok(match dice.below(10) {
        0..=4 => {
            let at = written(&file, at, length)?;
            let bit = dice.below(8);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte[0] ^= 1 << bit;
            file.write_all_at(&byte, at)?;
            format!("bit {bit} of byte {at} of {name} flipped")
        }
        5 | 6 => {
            let block = written(&file, at, length)? / BLOCK * BLOCK;
            let zeros = vec![0; usize::try_from(BLOCK.min(length - block))?];
            file.write_all_at(&zeros, block)?;
            format!("the block at byte {block} of {name} zeroed")
        }
        7 => {
            file.set_len(at)?;
            format!("{name} cut from {length} to {at} bytes")
        }
        8 => {
            file.set_len(0)?;
            format!("{name} emptied")
        }
        _ => {
            fs::remove_file(path)?;
            format!("{name} removed")
        }
    })
}

/// Returns a byte at or before `at` that is not zero: files have long stretches that nobody wrote.
fn written(file: &File, at: u64, length: u64) -> anyhow::Result<u64> {
    let start = at.saturating_sub(16 * BLOCK);
    let mut bytes = vec![0; usize::try_from((at + 1).min(length) - start)?];
    file.read_exact_at(&mut bytes, start)?;
    let found = bytes.iter().rposition(|byte| *byte != 0);
    Ok(found.map_or(at, |found| start + found as u64))
}
