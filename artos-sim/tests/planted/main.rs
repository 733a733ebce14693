//! A simulation has teeth: mistakes that people make in this protocol are found, each of them.

mod bug;
mod reads;
mod store;

use std::sync::Arc;

use artos_sim::{Base, Keep, Options, SimClock, run};

use crate::{bug::Bug, store::BuggyStore};

/// Within so many seeds a mistake has to be found.
const SEEDS: u64 = 1_000;

fn make(bug: Option<Bug>) -> impl Fn(SimClock) -> Arc<dyn Base> {
    move |clock| Arc::new(BuggyStore::new(bug, clock))
}

/// Returns the first seed that finds what a mistake breaks, and what it finds.
fn first_finding(bug: Bug) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let outcome = run(&Options::of(seed), &make(Some(bug)), Keep::Result);
        let mut findings = outcome.findings.iter();
        let finding = findings.find(|finding| finding.invariant == bug.breaks())?;
        Some((seed, finding.to_string()))
    })
}

#[test]
fn every_planted_bug_is_found_by_what_it_breaks() {
    let mut missed = Vec::new();
    for bug in Bug::ALL.iter().copied() {
        match first_finding(bug) {
            Some((seed, finding)) => println!("{bug:?}: seed {seed}: {finding}"),
            None => missed.push((bug, bug.breaks())),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}

#[test]
fn the_same_store_without_a_bug_is_fine() {
    for seed in 1..=100 {
        let options = Options::of(seed);
        let outcome = run(&options, &make(None), Keep::Result);
        assert_eq!(outcome.findings, [], "{options}");
    }
}

#[test]
fn a_failed_run_is_made_smaller_and_fails_as_before() {
    let make = make(Some(Bug::RescueForgetsWish));
    let failed = |options: &Options| run(options, &make, Keep::Result).findings.into_iter().next();
    let (options, finding) = (1..=SEEDS)
        .find_map(|seed| Some((Options::of(seed), failed(&Options::of(seed))?)))
        .expect("the bug is found");
    let small = artos_sim::shrink(&options, finding.invariant, &make);
    assert!(small.chaos().count() < options.chaos().count(), "{small}");
    assert_eq!(failed(&small).map(|found| found.invariant), Some(finding.invariant), "{small}");
}
