//! What many runs came to.

use std::{fmt, time::Duration};

use artos_oracle::Invariant;
use serde::Serialize;

use crate::{options::Options, run::Outcome};

/// What many runs came to. As JSON it has the fields that `artos-crash record` reads.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    rig: String,
    passed: bool,
    seed: u64,
    rounds: u64,
    faults: u64,
    noticed: u64,
    without_effect: u64,
    events: u64,
    acknowledged: u64,
    tasks: u64,
    ended: u64,
    started: u64,
    lost: u64,
    doubled: u64,
    rolled_back: u64,
    altered: u64,
    unopenable: u64,
    other: u64,
    seconds: f64,
    simulated_seconds: f64,
    #[serde(skip)]
    failures: Vec<(Options, Option<Invariant>, String)>,
    failed: u64,
}

/// Failures that are kept.
const FAILURES_MAX: usize = 20;

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rig: String::from("simulation"), seed, ..Self::default() }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, options: &Options, outcome: &Outcome) {
        self.rounds += 1;
        self.faults += outcome.faults;
        self.events += outcome.tally.events;
        self.acknowledged += outcome.tally.acknowledged;
        self.tasks += outcome.tally.tasks;
        self.ended += outcome.tally.ended;
        self.started += outcome.tally.started;
        self.simulated_seconds += outcome.lasted.as_secs_f64();
        for finding in &outcome.findings {
            *self.count_of(finding.invariant) += 1;
        }
        if let Some(first) = outcome.findings.first() {
            self.fail(options, Some(first.invariant), first.to_string());
        }
    }

    /// Notes that a run failed.
    pub(crate) fn fail(&mut self, options: &Options, invariant: Option<Invariant>, why: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push((options.clone(), invariant, why));
        }
    }

    const fn count_of(&mut self, invariant: Invariant) -> &mut u64 {
        match invariant {
            Invariant::Kept => &mut self.lost,
            Invariant::EndsOnce | Invariant::Fenced | Invariant::OneForKey => &mut self.doubled,
            Invariant::Forward => &mut self.rolled_back,
            Invariant::Intact => &mut self.altered,
            Invariant::Opens => &mut self.unopenable,
            _ => &mut self.other,
        }
    }

    pub(crate) fn end(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        self.passed = self.failed == 0 && self.faults > 0;
    }

    /// Returns whether nothing was found, and something could have been.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.passed
    }

    /// Returns how many runs there were, and how many of them failed.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.rounds, self.failed)
    }

    /// Returns the failed runs, with what was found first.
    #[must_use]
    pub fn failures(&self) -> &[(Options, Option<Invariant>, String)] {
        &self.failures
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "passed" } else { "FAILED" };
        #[expect(clippy::cast_precision_loss, reason = "rounds stay far below 2^52")]
        let rate = self.rounds as f64 / self.seconds.max(0.001);
        writeln!(
            f,
            "simulation: {verdict}\n  {} seeds from {}, {} failed, {:.1} s, {rate:.0} seeds/s, \
             {:.0} simulated hours",
            self.rounds,
            self.seed,
            self.failed,
            self.seconds,
            self.simulated_seconds / 3_600.0,
        )?;
        writeln!(
            f,
            "  {} faults, {} events, {} acknowledged, {} tasks, {} ended, {} bodies started",
            self.faults, self.events, self.acknowledged, self.tasks, self.ended, self.started
        )?;
        writeln!(
            f,
            "  lost {}, doubled {}, rolled back {}, altered {}, unopenable {}, other {}",
            self.lost, self.doubled, self.rolled_back, self.altered, self.unopenable, self.other
        )?;
        for (options, _, why) in &self.failures {
            writeln!(f, "  seed {}: {why}", options.seed)?;
        }
        Ok(())
    }
}
