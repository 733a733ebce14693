//! Every rule holds in every world there is, and every rule that is broken is noticed.

use artos_model::{Bounds, Flaw, Protocol, RULES, representative};
use stateright::{Checker as _, Model as _};

/// Returns the rules that do not hold, and how many worlds were looked at.
fn explore(bounds: Bounds) -> (Vec<&'static str>, usize) {
    let checker = Protocol::new(bounds).checker().symmetry_fn(representative).spawn_dfs().join();
    let broken = RULES.into_iter().filter(|rule| checker.discovery(rule).is_some()).collect();
    (broken, checker.unique_state_count())
}

#[test]
fn every_rule_holds_for_two_workers_and_one_task() {
    let (broken, worlds) = explore(Bounds::new(2, 1));
    assert_eq!(broken, [""; 0]);
    assert!(worlds > 1_000, "only {worlds} worlds were explored");
}

#[test]
fn every_end_can_be_reached() {
    let checker = Protocol::new(Bounds::new(2, 1)).checker().spawn_dfs().join();
    for end in ["all tasks complete", "all tasks fail", "all tasks are cancelled"] {
        assert!(checker.discovery(end).is_some(), "{end}: never");
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    let missed: Vec<_> = Flaw::ALL
        .into_iter()
        .filter(|flaw| {
            let (broken, _) = explore(Bounds::new(2, 1).with(*flaw));
            println!("{flaw:?}: {broken:?}");
            broken.is_empty()
        })
        .collect();
    assert!(missed.is_empty(), "nothing notices {missed:?}");
}

#[test]
fn workers_and_tasks_that_change_places_are_one_world() {
    let with = Protocol::new(Bounds { interrupts: 0, attempts: 1, ..Bounds::new(2, 1) });
    let every = with.clone().checker().spawn_dfs().join().unique_state_count();
    let folded = with.checker().symmetry_fn(representative).spawn_dfs().join().unique_state_count();
    assert!(folded < every && every <= 2 * folded, "{folded} of {every}");
}
