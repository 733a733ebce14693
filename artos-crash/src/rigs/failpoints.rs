//! Kills the process at every named point of the store: while one is made, opened, proven, worked
//! on, closed and compacted.
//!
//! A point that no process came to is a failure of the run: a test that never got there proves
//! nothing.

use std::{
    collections::BTreeSet,
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_store_sled::failpoints::{Moment, Point};

use super::folder::Folder;
use artos_oracle::Dice;

use crate::{
    child::{ChildDuty, REFUSED},
    healthy::{hangs, make_old, must_end_well, refused, shown, work_and_die},
    options::RigOptions,
    report::Report,
    rig::{self, Rig, Round},
    session::{Seen, Session},
    subject::{Believe, Subject},
    watch::Deadline,
};

/// How long a child works before it closes the store, if it does not come to its point.
const WORKS_FOR: Duration = Duration::from_millis(150);
/// The same for each further time that it has to come there; the slowest point takes 100 ms.
const WORKS_LONGER: Duration = Duration::from_millis(20);
/// Which time a child is killed that comes to its point again and again.
const WORKING: [u64; 3] = [1, 3, 20];
/// The mark is synced ten times a second, so these come seldom.
const SELDOM: [u64; 3] = [1, 2, 4];
/// A compaction opens and closes three trees.
const COMPACTING: [u64; 3] = [1, 2, 3];
/// Bytes of a segment of sled's log.
const SEGMENT: u64 = 512 * 1024;
/// Stores of which one is healed in the end.
const STORES_OF_A_HEALING: u64 = 24;

/// What a child does while it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// It makes a store and works on it.
    New,
    /// It works on one that was left by a killed process.
    Old,
    /// It works on one that a killed process left, with something in the log that makes no sense
    /// and is of no account.
    Torn,
    /// It makes one smaller, whose tree is where a new store has it.
    Compact,
    /// It makes one smaller that was compacted before.
    CompactAgain,
}

/// One point, and how to get there.
#[derive(Debug, Clone, Copy)]
struct Case {
    point: Point,
    number: u64,
    scene: Scene,
}

/// Returns all cases, in the order of the rounds.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in Point::ALL.iter().copied() {
        let mut add = |scenes: &[Scene], numbers: &[u64]| {
            for scene in scenes.iter().copied() {
                cases.extend(numbers.iter().map(|&number| Case { point, number, scene }));
            }
        };
        let opened = [Scene::New, Scene::Old];
        let compacted = [Scene::Compact, Scene::CompactAgain];
        match point.moment() {
            Moment::Making => add(&[Scene::New], &[1]),
            Moment::Opening | Moment::Closing => {
                add(&opened, &[1]);
                if !matches!(point, Point::SnapshotOpens | Point::SnapshotWritten) {
                    add(&compacted, &COMPACTING);
                }
            }
            Moment::Proving => add(&[Scene::Torn], &[1]),
            Moment::Working if matches!(point, Point::MarkSyncs | Point::MarkSynced) => {
                add(&opened, &SELDOM);
            }
            Moment::Working => add(&opened, &WORKING),
            _ if matches!(point, Point::OldFileRemoves) => add(&compacted, &COMPACTING),
            _ => add(&compacted, &[1]),
        }
    }
    cases
}

/// Returns how many rounds it takes until every case had its turn.
pub(crate) fn rounds() -> u64 {
    cases().len() as u64
}

/// Points that a child was to be killed at, and those at which one was.
#[derive(Default)]
struct Reached {
    tried: BTreeSet<Point>,
    reached: BTreeSet<Point>,
}

/// Runs the rig, and fails it if there is a point that no process came to.
pub(crate) fn run(name: &str, everyday: u64, options: &RigOptions) -> anyhow::Result<Report> {
    let shared = Mutex::default();
    let make = |worker| Failpoints::new(worker, options.workers.max(1), &shared);
    let mut report = rig::run(name, everyday, options, make)?;
    let Reached { tried, reached } = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.miss(tried.difference(&reached).map(|point| String::from(point.name())).collect());
    Ok(report)
}

struct Failpoints<'a> {
    folder: Folder,
    cases: Vec<Case>,
    round: u64,
    /// Workers take turns with the cases.
    workers: u64,
    shared: &'a Mutex<Reached>,
}

impl<'a> Failpoints<'a> {
    fn new(worker: u64, workers: u64, shared: &'a Mutex<Reached>) -> anyhow::Result<Self> {
        Ok(Self { folder: Folder::new()?, cases: cases(), round: worker, workers, shared })
    }

    fn shared(&self) -> MutexGuard<'_, Reached> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the case of the next round.
    fn case(&mut self) -> anyhow::Result<Case> {
        let count = self.cases.len() as u64;
        let at = usize::try_from(self.round % count)?;
        self.round += self.workers;
        let case = self.cases.get(at).copied();
        case.ok_or_else(|| anyhow::anyhow!("there are no points"))
    }
}

impl Rig for Failpoints<'_> {
    fn begin(&mut self, notes: &Path, seed: u64) -> anyhow::Result<Subject> {
        Subject::new(notes, &self.folder.next()?, seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let case = self.case()?;
        let Case { point, number, scene } = case;
        self.shared().tried.insert(point);
        if scene != Scene::New && !make_old(subject, dice)? {
            return Ok(Round::Broken);
        }
        if scene == Scene::CompactAgain && !compact(subject)? {
            return Ok(Round::Broken);
        }
        if scene == Scene::Torn {
            tear(subject.path())?;
        }
        subject.note(&format!("killed at {}, time {number}, {scene:?}", point.name()))?;
        let died = break_at(subject, case)?;
        if died {
            self.shared().reached.insert(point);
        }
        if is_compacted(scene) && subject.findings().is_empty() && dice.permille(300) {
            // Whoever comes next may be another compaction.
            compact(subject)?;
        }
        work_and_die(subject, Duration::from_millis(dice.below(60)), "killed")?;
        Ok(if died { Round::Broken } else { Round::NotReached })
    }

    fn rounds_of_a_store(&self) -> u64 {
        1
    }

    fn heals(&self) -> bool {
        (self.round / self.workers).is_multiple_of(STORES_OF_A_HEALING)
    }
}

const fn is_compacted(scene: Scene) -> bool {
    matches!(scene, Scene::Compact | Scene::CompactAgain)
}

/// Runs a child that kills itself at a point; returns whether it came there.
fn break_at(subject: &mut Subject, case: Case) -> anyhow::Result<bool> {
    let duty = if is_compacted(case.scene) { ChildDuty::Compact } else { ChildDuty::Load };
    subject.options.die_at = Some(String::from(case.point.name()));
    subject.options.die_on = case.number;
    let command = subject.command(duty, &[]);
    subject.options.die_at = None;
    let mut session = Session::start(command?, &subject.complaints())?;
    let times = u32::try_from(case.number)?;
    let is_seldom = matches!(case.point, Point::MarkSyncs | Point::MarkSynced);
    let wait = if case.point.moment() != Moment::Working {
        WORKS_FOR
    } else if is_seldom {
        WORKS_FOR + WORKS_LONGER * 10 * times
    } else {
        WORKS_FOR + WORKS_LONGER * times
    };
    subject.refusal = None;
    session.read_until(subject, Deadline::after(wait), |_| false)?;
    session.close();
    if session.read_rest(subject, Believe::All)? == Seen::Nothing {
        hangs(&mut session, subject, "the process does not end")?;
        session.kill();
        subject.crash("killed")?;
        return Ok(false);
    }
    let died = match session.wait()? {
        None => true,
        Some(0) => false,
        Some(code) if code == i32::from(REFUSED) => {
            refused(subject);
            false
        }
        code => {
            let message = format!("the process ended with {}", shown(code));
            subject.find(artos_oracle::Invariant::Opens, message);
            false
        }
    };
    subject.crash(if died { "killed by itself" } else { "ended" })?;
    Ok(died)
}

/// Puts a segment behind sled's log in which nothing makes sense. It is none of sled's, as one is
/// that sled has given up; but only the store's values can tell.
fn tear(store: &Path) -> anyhow::Result<()> {
    let file = File::options().write(true).open(store.join("db"))?;
    let end = file.metadata()?.len().next_multiple_of(SEGMENT);
    file.write_all_at(&[0xA5; 4_096], end)?;
    file.set_len(end + SEGMENT)?;
    Ok(())
}

/// Writes a store anew; returns whether that went well.
fn compact(subject: &mut Subject) -> anyhow::Result<bool> {
    let mut session =
        Session::start(subject.command(ChildDuty::Compact, &[])?, &subject.complaints())?;
    must_end_well(&mut session, subject)?;
    subject.crash("compacted")?;
    Ok(subject.findings().is_empty())
}
