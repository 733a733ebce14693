//! What all rigs have in common: rounds on stores that are young, grow old, and are healed in the
//! end, by several workers at a time.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use artos_oracle::{Dice, Invariant, What, mix};

use crate::{
    child::{ChildDuty, REFUSED, STOPPED},
    options::RigOptions,
    progress::Progress,
    report::Report,
    session::{PATIENCE, Seen, Session},
    subject::{Believe, Subject},
    tools,
    watch::Deadline,
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

/// How the opening of a store went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is open, and everything in it was compared.
    Open,
    /// It said why not.
    Refused,
    /// The child is gone without a word, or says nothing: a finding.
    Lost,
}

/// Reads until a child has told everything that is in its store.
pub(crate) fn opening(session: &mut Session, subject: &mut Subject) -> anyhow::Result<Opening> {
    let is_over = |what: &What| matches!(what, What::DumpEnds { .. } | What::Refused(_));
    subject.refusal = None;
    let seen = session.read_until(subject, Deadline::after(PATIENCE), is_over)?;
    match seen {
        Seen::Wanted if subject.refusal.is_some() => Ok(Opening::Refused),
        Seen::Wanted => Ok(Opening::Open),
        Seen::End => {
            let code = session.wait()?;
            let message = format!(
                "the process ended while it opened the store ({}), and said nothing; its \
                 complaints tell more",
                shown(code)
            );
            subject.find(Invariant::Opens, message);
            Ok(Opening::Lost)
        }
        Seen::Nothing => {
            hangs(session, subject, "the store does not open")?;
            Ok(Opening::Lost)
        }
    }
}

/// The same where the store has no reason to refuse: then a refusal is a finding.
pub(crate) fn must_open(session: &mut Session, subject: &mut Subject) -> anyhow::Result<bool> {
    let opening = opening(session, subject)?;
    if opening == Opening::Refused {
        refused(subject);
    }
    Ok(opening == Opening::Open)
}

/// Turns a refusal to open into a finding.
pub(crate) fn refused(subject: &mut Subject) {
    let refusal = subject.refusal.clone().unwrap_or_default();
    subject.find(Invariant::Opens, format!("what was acknowledged is out of reach: {refusal}"));
}

/// Waits for the end of a child that nothing was done to but a signal, and checks how it ended.
pub(crate) fn must_end_well(session: &mut Session, subject: &mut Subject) -> anyhow::Result<()> {
    if session.read_rest(subject, Believe::All)? == Seen::Nothing {
        hangs(session, subject, "the process does not end")?;
        session.kill();
    }
    match session.wait()? {
        None | Some(0) => {}
        Some(code) if code == i32::from(REFUSED) => refused(subject),
        Some(code) if code == i32::from(STOPPED) => {
            subject.find(Invariant::Opens, "the store stopped, and nothing was done to it");
        }
        code => {
            let message =
                format!("the process ended with {}; its complaints tell more", shown(code));
            subject.find(Invariant::Opens, message);
        }
    }
    Ok(())
}

/// Notes that a child hangs, and where; it is killed when its session is dropped.
pub(crate) fn hangs(
    session: &mut Session,
    subject: &mut Subject,
    what: &str,
) -> anyhow::Result<()> {
    subject
        .find(Invariant::Opens, format!("{what}, after {PATIENCE:?}; its complaints tell where"));
    // It may end just now after all.
    if let Err(error) = session.describe_hang(&subject.complaints()) {
        subject.note(&format!("where it hangs is not known: {error:#}"))?;
    }
    Ok(())
}

pub(crate) fn shown(code: Option<i32>) -> String {
    code.map_or_else(|| String::from("a signal"), |code| format!("exit code {code}"))
}

/// How long it may take until every task is terminal: leases, backoffs and delays are all below two
/// seconds, and a task has at most five stages of eight attempts.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// Lets a store work without faults until every task is terminal, and looks at what it has then.
pub(crate) fn heal(subject: &mut Subject) -> anyhow::Result<()> {
    let mut session =
        Session::start(subject.command(ChildDuty::Heal, &[])?, &subject.complaints())?;
    if must_open(&mut session, subject)? {
        let is_done = |what: &What| matches!(what, What::Done);
        if session.read_until(subject, Deadline::after(HEALED_WITHIN), is_done)? == Seen::Nothing {
            let message = format!("not every task was terminal after {HEALED_WITHIN:?}");
            subject.find(Invariant::Ends, message);
            session.kill();
        }
        must_end_well(&mut session, subject)?;
    }
    subject.crash("healed")?;
    if subject.findings().is_empty() {
        // By another process: in the last one a prune may have been under way.
        let mut session =
            Session::start(subject.command(ChildDuty::Dump, &[])?, &subject.complaints())?;
        if must_open(&mut session, subject)? {
            subject.checker.everything_ended();
            must_end_well(&mut session, subject)?;
        }
        subject.crash("looked at")?;
    }
    Ok(())
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
                heal(&mut current)?;
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
                heal(&mut last)?;
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
