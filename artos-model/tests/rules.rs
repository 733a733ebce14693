//! Every rule holds in every world there is, and every rule that is broken is noticed.

use artos_model::{Bounds, Flaw, Protocol, Rule, representative};
use stateright::{Checker as _, Model as _};

/// As small as it may be for a write to be overtaken by the next one of the same lease.
const OVERTAKING: Bounds = Bounds { stages: 3, wire: 2, ..Bounds::new(2, 1) };

/// Returns the rules that do not hold, and how many worlds were looked at.
fn explore(bounds: Bounds) -> (Vec<Rule>, usize) {
    let checker = Protocol::new(bounds).checker().symmetry_fn(representative).spawn_dfs().join();
    let is_broken = |rule: &Rule| checker.discovery(rule.words()).is_some();
    (Rule::ALL.into_iter().filter(is_broken).collect(), checker.unique_state_count())
}

#[test]
fn every_rule_holds_for_two_workers_and_one_task() {
    let (broken, worlds) = explore(Bounds::new(2, 1));
    assert_eq!(broken, []);
    assert!(worlds > 1_000, "only {worlds} worlds were explored");
}

#[test]
fn every_rule_holds_where_writes_overtake_each_other() {
    let (broken, worlds) = explore(OVERTAKING);
    assert_eq!(broken, []);
    assert!(worlds > 5_000, "only {worlds} worlds were explored");
}

#[test]
fn every_end_can_be_reached() {
    let checker = Protocol::new(Bounds::new(2, 1)).checker().spawn_dfs().join();
    for end in ["all tasks complete", "all tasks fail", "all tasks are cancelled"] {
        assert!(checker.discovery(end).is_some(), "{end}: never");
    }
}

#[test]
fn every_flaw_breaks_the_rules_it_names() {
    let mut missed = Vec::new();
    for flaw in Flaw::ALL {
        let bounds = match flaw {
            Flaw::CheckpointIgnoresStage => OVERTAKING,
            _ => Bounds::new(2, 1),
        };
        let (broken, _) = explore(bounds.with(flaw));
        println!("{flaw:?}: {broken:?}");
        let unbroken = flaw.breaks().iter().filter(|rule| !broken.contains(rule));
        missed.extend(unbroken.map(|rule| (flaw, rule)));
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}

#[test]
fn every_rule_is_broken_by_a_flaw() {
    let broken: Vec<_> = Flaw::ALL.into_iter().flat_map(Flaw::breaks).collect();
    let unbroken: Vec<_> = Rule::ALL.into_iter().filter(|rule| !broken.contains(&rule)).collect();
    assert!(unbroken.is_empty(), "no flaw breaks {unbroken:?}");
}

#[test]
fn workers_and_tasks_that_change_places_are_one_world() {
    for (workers, tasks, stages) in [(2, 1, 2), (1, 2, 1)] {
        let bounds = Bounds { interrupts: 0, attempts: 1, stages, ..Bounds::new(workers, tasks) };
        let with = Protocol::new(bounds);
        let every = with.clone().checker().spawn_dfs().join().unique_state_count();
        let folded = with.checker().symmetry_fn(representative).spawn_dfs().join();
        let folded = folded.unique_state_count();
        assert!(folded < every && every <= 2 * folded, "{folded} of {every}");
    }
}
