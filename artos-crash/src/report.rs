//! What a run found: figures for people and for programs.

use std::{fmt, path::PathBuf, time::Instant};

use anyhow::Context as _;
use artos_oracle::{Finding, Invariant};
use serde::Serialize;

use crate::{options::RigOptions, rig::Round, stall, subject::Subject, watch};

/// What a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The rig, and the safety that was taken away, if one was.
    pub rig: String,
    /// Whether nothing was found, or with a safety taken away, whether something was.
    pub passed: bool,
    /// The seed of everything.
    pub seed: u64,
    /// Rounds.
    pub rounds: u64,
    /// Rounds in which the fault was injected.
    pub faults: u64,
    /// Injected faults that the store noticed and reported.
    pub noticed: u64,
    /// Injected faults that changed nothing anybody could see.
    pub without_effect: u64,
    /// Stores that were made.
    pub stores: u64,
    /// Events that were told.
    pub events: u64,
    /// Answers that acknowledged something.
    pub acknowledged: u64,
    /// Tasks that were acknowledged.
    pub tasks: u64,
    /// Tasks whose end was acknowledged or seen.
    pub ended: u64,
    /// Bodies of stages that started.
    pub started: u64,
    /// What was acknowledged and is gone, by findings.
    pub lost: u64,
    /// What happened twice, by findings.
    pub doubled: u64,
    /// What went back to where it had been, by findings.
    pub rolled_back: u64,
    /// What was changed, by findings.
    pub altered: u64,
    /// Stores that could not be opened any more.
    pub unopenable: u64,
    /// Everything else that was found.
    pub other: u64,
    /// Stores with findings.
    pub failed: u64,
    /// Named points of the store at which a process was to be killed, and that none came to.
    pub not_reached: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// The longest that the rig's own threads stood still, in seconds: what was late by less may
    /// have been the machine.
    pub longest_stall: f64,
    /// The longest that syncing a few bytes took, in seconds.
    pub longest_sync: f64,
    /// The first failures, each with its evidence.
    pub failures: Vec<Failure>,
    #[serde(skip)]
    is_control: bool,
    #[serde(skip)]
    begun: Instant,
}

/// A store with findings.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The seed of the store.
    pub seed: u64,
    /// Where the evidence is.
    pub evidence: Option<PathBuf>,
    /// What was found first.
    pub findings: Vec<String>,
}

/// Failures that are listed.
const FAILURES_MAX: usize = 50;
/// Failures that are printed.
const FAILURES_SHOWN: usize = 10;
/// Findings that are listed of each.
const FINDINGS_MAX: usize = 5;

impl Report {
    pub(crate) fn new(rig: &str, options: &RigOptions) -> Self {
        let is_control = options.control.is_some();
        Self {
            rig: format!("{rig}{}", if is_control { ", without fsync" } else { "" }),
            passed: false,
            seed: options.seed,
            rounds: 0,
            faults: 0,
            noticed: 0,
            without_effect: 0,
            stores: 0,
            events: 0,
            acknowledged: 0,
            tasks: 0,
            ended: 0,
            started: 0,
            lost: 0,
            doubled: 0,
            rolled_back: 0,
            altered: 0,
            unopenable: 0,
            other: 0,
            failed: 0,
            not_reached: Vec::new(),
            seconds: 0.0,
            longest_stall: 0.0,
            longest_sync: 0.0,
            failures: Vec::new(),
            is_control,
            begun: watch::now(),
        }
    }

    /// Counts a round.
    pub(crate) fn round(&mut self, round: Round) {
        self.rounds += 1;
        self.faults += u64::from(round != Round::NotReached);
        self.noticed += u64::from(round == Round::Noticed);
        self.without_effect += u64::from(round == Round::WithoutEffect);
    }

    /// Adds up a store at the end of its life.
    pub(crate) fn bury(&mut self, subject: &Subject, evidence: Option<PathBuf>) {
        let tally = subject.checker.tally();
        self.stores += 1;
        self.events += tally.events;
        self.acknowledged += tally.acknowledged;
        self.tasks += tally.tasks;
        self.ended += tally.ended;
        self.started += tally.started;
        let findings = subject.findings();
        for finding in findings {
            *self.count_of(finding) += 1;
        }
        if !findings.is_empty() {
            self.failed += 1;
            if self.failures.len() < FAILURES_MAX {
                let findings = findings.iter().take(FINDINGS_MAX).map(ToString::to_string);
                let findings = findings.collect();
                self.failures.push(Failure { seed: subject.seed, evidence, findings });
            }
        }
    }

    fn count_of(&mut self, finding: &Finding) -> &mut u64 {
        match finding.invariant {
            Invariant::Kept => &mut self.lost,
            Invariant::EndsOnce | Invariant::Fenced | Invariant::OneForKey => &mut self.doubled,
            Invariant::Forward => &mut self.rolled_back,
            Invariant::Intact => &mut self.altered,
            Invariant::Opens => &mut self.unopenable,
            _ => &mut self.other,
        }
    }

    pub(crate) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Decides whether the run passed.
    pub(crate) fn end(&mut self) {
        self.seconds = self.begun.elapsed().as_secs_f64();
        let stalls = stall::so_far();
        self.longest_stall = stalls.processor.as_secs_f64();
        self.longest_sync = stalls.disk.as_secs_f64();
        // A run that injected nothing proved nothing, whatever it found.
        let losses = self.lost + self.rolled_back;
        self.passed =
            self.faults > 0 && if self.is_control { losses > 0 } else { self.failed == 0 };
    }

    /// Notes named points that no process came to; then the run has not passed.
    pub(crate) fn miss(&mut self, points: Vec<String>) {
        self.passed &= points.is_empty();
        self.not_reached = points;
    }

    /// Writes the report where the options want it.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, options: &RigOptions) -> anyhow::Result<()> {
        if let Some(path) = &options.json {
            std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.passed, self.is_control) {
            (true, false) => "passed",
            (true, true) => "passed: it finds losses where there are some",
            (false, true) => "FAILED: the rig is blind, it found no loss where there must be some",
            (false, false) if self.faults == 0 => "FAILED: no fault was injected",
            (false, false) => "FAILED",
        };
        #[expect(clippy::cast_precision_loss, reason = "rounds stay far below 2^52")]
        let rate = self.rounds as f64 / self.seconds;
        writeln!(f, "{}: {verdict}", self.rig)?;
        writeln!(
            f,
            "  {} rounds, {} faults ({} noticed, {} without effect), {} stores, {:.1} s, \
             {rate:.1} rounds/s, --seed {}",
            self.rounds,
            self.faults,
            self.noticed,
            self.without_effect,
            self.stores,
            self.seconds,
            self.seed
        )?;
        writeln!(
            f,
            "  {} events, {} acknowledged, {} tasks, {} ended, {} bodies started",
            self.events, self.acknowledged, self.tasks, self.ended, self.started
        )?;
        writeln!(
            f,
            "  lost {}, doubled {}, rolled back {}, altered {}, unopenable {}, other {}; {} stores \
             failed",
            self.lost,
            self.doubled,
            self.rolled_back,
            self.altered,
            self.unopenable,
            self.other,
            self.failed
        )?;
        writeln!(
            f,
            "  the machine: threads of the rig stood still for up to {:.1} s, the disk for {:.1} s",
            self.longest_stall, self.longest_sync
        )?;
        if !self.not_reached.is_empty() {
            writeln!(f, "  never reached: {}", self.not_reached.join(", "))?;
        }
        // With a safety taken away, failures are what was wanted.
        let shown = if self.is_control { 0 } else { FAILURES_SHOWN };
        for failure in self.failures.iter().take(shown) {
            writeln!(f, "  store seed {}:", failure.seed)?;
            for finding in &failure.findings {
                writeln!(f, "    {finding}")?;
            }
            if let Some(evidence) = &failure.evidence {
                writeln!(f, "    evidence: {}", evidence.display())?;
            }
        }
        Ok(())
    }
}
