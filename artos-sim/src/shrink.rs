//! Making a failed run smaller, and telling it.

use std::fmt::Write as _;

use artos_oracle::Invariant;

use crate::{
    options::Options,
    run::{Keep, MakeStore, Outcome, run},
    story::Names,
};

/// Takes away from a failed run whatever it fails without, and returns what is left.
#[must_use]
pub fn shrink(options: &Options, invariant: Invariant, make: MakeStore<'_>) -> Options {
    let fails = |options: &Options| {
        let findings = run(options, make, Keep::Result).findings;
        findings.iter().any(|finding| finding.invariant == invariant)
    };
    let mut smallest = options.clone();
    loop {
        let before = smallest.clone();
        for chaos in before.chaos() {
            let smaller = smallest.clone().without(chaos);
            if fails(&smaller) {
                smallest = smaller;
            }
        }
        for smaller in fewer(&smallest) {
            if fails(&smaller) {
                smallest = smaller;
                break;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// Proposes runs with fewer tasks and runtimes, and shorter ones.
fn fewer(options: &Options) -> Vec<Options> {
    let mut proposals = Vec::new();
    for tasks in [options.tasks / 2, options.tasks.saturating_sub(1)] {
        if (1..options.tasks).contains(&tasks) {
            proposals.push(Options { tasks, ..options.clone() });
        }
    }
    for runtimes in 1..options.runtimes {
        proposals.push(Options { runtimes, ..options.clone() });
    }
    for seconds in [options.seconds / 2, options.seconds.saturating_sub(1)] {
        if (1..options.seconds).contains(&seconds) {
            proposals.push(Options { seconds, ..options.clone() });
        }
    }
    proposals
}

/// Tells what happened in a run: what was found, and the lines that have to do with it.
#[must_use]
pub fn tell(options: &Options, outcome: &Outcome) -> String {
    let mut names = Names::default();
    let mut text = String::new();
    let lines: Vec<_> = outcome
        .lines
        .iter()
        .map(|(at, line)| format!("{:>9.3} {}", at.as_secs_f64(), names.shorten(line)))
        .collect();
    let findings: Vec<_> =
        outcome.findings.iter().map(|finding| names.shorten(&finding.to_string())).collect();
    let _ = writeln!(text, "{options}");
    let concerned: Vec<_> = findings.iter().flat_map(|finding| tasks_of(finding)).collect();
    for line in lines {
        let mut tasks = tasks_of(&line).peekable();
        if tasks.peek().is_none() || tasks.any(|task| concerned.contains(&task)) {
            let _ = writeln!(text, "{line}");
        }
    }
    for finding in findings {
        let _ = writeln!(text, "{finding}");
    }
    let _ = writeln!(text, "{}", options.command());
    text
}

/// Returns the short names of tasks in a text.
fn tasks_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| {
        word.strip_prefix('t').is_some_and(|number| {
            !number.is_empty() && number.chars().all(|char| char.is_ascii_digit())
        })
    })
}
