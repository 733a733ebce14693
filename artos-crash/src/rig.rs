//! What all rigs have in common: rounds on stores that are young, grow old, and are healed in the
//! end, by several workers at a time.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use artos_oracle::{Dice, mix};

use crate::{
    healthy::heal, options::RigOptions, progress::Progress, report::Report, stall,
    subject::Subject, tools, watch::Deadline,
};

/// One worker of a rig: a place for a store, and a way to break it.
pub(crate) trait Rig: Send {
    /// Makes an empty place, and begins the life of a store there. The store itself is made by its
    /// first child. Notes go into `folder`.
    fn begin(&mut self, folder: &Path, seed: u64) -> anyhow::Result<Subject>;

    /// Breaks the store once, and brings it back so far that it can be opened.
    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round>;

    /// After how many rounds a store is healed, and another begun.
    fn rounds_of_a_store(&self) -> u64;

    /// Waits until nothing is under way of what processes asked for that are gone.
    fn settle_down(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Whether a store is healed when its rounds are over.
    fn heals(&self) -> bool {
        true
    }
}

/// What became of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// The fault was injected.
    Broken,
    /// The moment for the fault never came.
    NotReached,
    /// The fault was injected, and the store noticed it.
    Noticed,
    /// The fault was injected, and nothing that anybody could see depended on it.
    WithoutEffect,
}

/// The rounds of a run: how many there are, and when there are enough.
struct Rounds {
    next: AtomicU64,
    most: Option<u64>,
    deadline: Option<Deadline>,
    failed: AtomicBool,
}

impl Rounds {
    /// Returns the number of the next round, if there is one.
    fn take(&self) -> Option<u64> {
        if self.failed.load(Ordering::Relaxed) || self.deadline.is_some_and(Deadline::is_over) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.most.is_none_or(|most| number < most).then_some(number)
    }
}

/// Runs rounds with several workers until there are enough.
pub(crate) fn run<R: Rig>(
    name: &str,
    everyday: u64,
    options: &RigOptions,
    make: impl Fn(u64) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Report> {
    let most = match (options.rounds, options.time()) {
        (None, None) => Some(everyday),
        (rounds, _) => rounds,
    };
    let rounds = Rounds {
        next: AtomicU64::new(0),
        most,
        deadline: options.time().map(Deadline::after),
        failed: AtomicBool::new(false),
    };
    stall::watch();
    let progress = Progress::new(name, most, options.time());
    let report = Mutex::new(Report::new(name, options));
    let broken = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.workers.max(1))
            .map(|number| {
                let (rounds, progress, report, make) = (&rounds, &progress, &report, &make);
                scope.spawn(move || {
                    let worker = Worker { number, options, name, rounds, progress, report };
                    let done = make(number).and_then(|mut rig| worker.run(&mut rig));
                    if done.is_err() {
                        rounds.failed.store(true, Ordering::Relaxed);
                    }
                    done
                })
            })
            .collect();
        workers
            .into_iter()
            .filter_map(|worker| match worker.join() {
                Ok(done) => done.err(),
                Err(_) => Some(anyhow::anyhow!("a worker of the rig panicked")),
            })
            .next()
    });
    progress.end();
    if let Some(error) = broken {
        return Err(error.context(format!("the rig `{name}` is broken, not the store")));
    }
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.end();
    Ok(report)
}

struct Worker<'a> {
    number: u64,
    options: &'a RigOptions,
    name: &'a str,
    rounds: &'a Rounds,
    progress: &'a Progress,
    report: &'a Mutex<Report>,
}

impl Worker<'_> {
    fn run(&self, rig: &mut impl Rig) -> anyhow::Result<()> {
        let folder = tools::folder()?;
        let mut subject: Option<Subject> = None;
        while let Some(round) = self.rounds.take() {
            let seed = mix(self.options.seed, round);
            let mut current = match subject.take() {
                Some(current) => current,
                None => {
                    let mut begun = rig.begin(folder.path(), seed)?;
                    begun.options.no_fsync = self.options.control.is_some();
                    begun
                }
            };
            current.rounds += 1;
            current.note(&format!("round {round}"))?;
            let outcome = rig.round(&mut current, &mut Dice::new(seed))?;
            self.report().round(outcome);
            let is_old = current.rounds >= rig.rounds_of_a_store();
            if is_old && rig.heals() && current.findings().is_empty() {
                heal(&mut current, || rig.settle_down())?;
            }
            if is_old || !current.findings().is_empty() {
                self.bury(current, round)?;
            } else {
                subject = Some(current);
            }
            self.progress.round(self.report().failed());
        }
        if let Some(mut last) = subject {
            if rig.heals() {
                heal(&mut last, || rig.settle_down())?;
            }
            self.bury(last, self.number)?;
        }
        Ok(())
    }

    /// Ends the life of a store: adds it up, and keeps what explains its findings.
    fn bury(&self, mut subject: Subject, round: u64) -> anyhow::Result<()> {
        let mut evidence = None;
        if !subject.findings().is_empty() && self.options.control.is_none() {
            let into = self.evidence(round);
            let title = format!(
                "rig {}, --seed {}, round {round}, store seed {}",
                self.name, self.options.seed, subject.seed
            );
            subject.keep_evidence(&into, &title)?;
            let first = subject.findings().first().map(ToString::to_string).unwrap_or_default();
            self.progress.say(&format!("FAILED {first}\n       evidence: {}", into.display()));
            evidence = Some(into);
        }
        self.report().bury(&subject, evidence);
        Ok(())
    }

    fn evidence(&self, round: u64) -> PathBuf {
        let rig = self.name.replace(' ', "-");
        self.options.evidence().join(format!("{rig}-seed-{}-round-{round}", self.options.seed))
    }

    fn report(&self) -> std::sync::MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
