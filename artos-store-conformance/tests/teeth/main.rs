//! The suite has teeth: every mistake in a store makes a case fail, and no case fails without one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod flaw;
mod flawed_store;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};

use artos_store_conformance::{Case, HarnessFactory, ManualHarness, cases};
use flaw::Flaw;
use flawed_store::FlawedStore;

fn factory(flaw: Option<Flaw>) -> HarnessFactory {
    HarnessFactory::new(
        move || async move { ManualHarness::new(|clock| FlawedStore::new(flaw, clock)) },
    )
}

fn fails(case: &Case, flaw: Option<Flaw>) -> bool {
    catch_unwind(AssertUnwindSafe(|| case.run(&factory(flaw)))).is_err()
}

/// Splits the cases into the named ones and the random histories.
fn named_and_random() -> (Vec<Case>, Vec<Case>) {
    cases().into_iter().partition(|case| case.topic() != "histories")
}

#[test]
fn a_store_without_a_flaw_passes_every_case() {
    let failed: Vec<_> = cases().into_iter().filter(|case| fails(case, None)).collect();
    assert!(failed.is_empty(), "these cases fail without a reason: {failed:?}");
}

#[test]
fn every_flaw_is_found_by_a_named_case() {
    let (named, _) = named_and_random();
    let mut missed = Vec::new();
    for flaw in Flaw::ALL {
        match named.iter().find(|case| fails(case, Some(*flaw))) {
            Some(case) => println!("{flaw:?}: {case:?}"),
            None => missed.push(flaw),
        }
    }
    assert!(missed.is_empty(), "no case finds these flaws: {missed:?}");
}

/// What random histories cannot see: they make no two calls at once, drop none, change nothing
/// between two pages, wait for no hint and send small text only.
const UNSEEN: [Flaw; 11] = [
    Flaw::InsertInTwoSteps,
    Flaw::FollowUpsInAStepOfTheirOwn,
    Flaw::ClaimInTwoSteps,
    Flaw::ClaimWakesNobody,
    Flaw::CursorCountsTasks,
    Flaw::PayloadIsCutOff,
    Flaw::PayloadIsText,
    Flaw::RescueWakesNobody,
    Flaw::WaitingWakesNobody,
    Flaw::WakesBeforeTheChange,
    Flaw::WakesBeforeTheTask,
];

#[test]
fn every_other_flaw_is_found_by_random_histories_alone() {
    let (_, random) = named_and_random();
    let visible = Flaw::ALL.iter().filter(|flaw| !UNSEEN.contains(flaw));
    // What 256 histories miss by bad luck, a few times as many find.
    let found = |flaw| (0..4).any(|_| random.iter().any(|case| fails(case, Some(flaw))));
    let missed: Vec<_> = visible.filter(|flaw| !found(**flaw)).collect();
    assert!(missed.is_empty(), "random histories miss these flaws: {missed:?}");
}

/// Every contract, and a mistake that breaks it; and what a runtime relies on that asks nothing.
const BROKEN: [(&str, &str, Flaw); 22] = [
    ("contracts", "an_acceptance_is_whole_or_not_at_all", Flaw::InsertInTwoSteps),
    ("contracts", "an_acceptance_is_whole_or_not_at_all", Flaw::KeyFreedAtTheEnd),
    ("contracts", "a_stale_worker_cannot_complete_renew_or_report", Flaw::SettleIgnoresEpoch),
    ("contracts", "a_stale_worker_cannot_complete_renew_or_report", Flaw::HeartbeatIgnoresEpoch),
    ("contracts", "an_expired_worker_cannot_complete_renew_or_report", Flaw::SettleIgnoresLapse),
    ("contracts", "an_expired_worker_cannot_complete_renew_or_report", Flaw::HeartbeatIgnoresLapse),
    ("contracts", "a_reused_worker_cannot_complete_renew_or_report", Flaw::FencesByWorker),
    ("contracts", "a_reused_worker_cannot_complete_renew_or_report", Flaw::SettleIgnoresEpoch),
    ("contracts", "a_retry_is_finished_by_a_fresh_worker", Flaw::RetryBelongsToItsWorker),
    ("contracts", "a_retry_is_finished_by_a_fresh_worker", Flaw::ClaimForgetsCheckpoint),
    ("contracts", "a_restart_under_the_same_name_mixes_nothing_up", Flaw::FencesByWorker),
    (
        "contracts",
        "a_restart_under_the_same_name_mixes_nothing_up",
        Flaw::ClaimEndsOlderLeasesOfItsWorker,
    ),
    (
        "contracts",
        "a_clock_that_jumps_an_hour_ahead_ends_leases_and_waits",
        Flaw::SettleIgnoresLapse,
    ),
    ("contracts", "a_clock_that_jumps_a_day_ahead_ends_leases_and_waits", Flaw::ClaimIgnoresRunAt),
    (
        "contracts",
        "a_clock_that_jumps_an_hour_back_ends_no_lease_and_loses_nothing",
        Flaw::RescueDistrustsTheClock,
    ),
    (
        "contracts",
        "a_clock_that_jumps_a_day_back_ends_no_lease_and_loses_nothing",
        Flaw::PruneForgetsTheSign,
    ),
    ("runtimes", "a_poison_task_fails_after_exactly_its_attempts", Flaw::ClaimChargesNothing),
    ("runtimes", "a_rolling_restart_charges_nothing_and_loses_nothing", Flaw::InterruptCharges),
    (
        "runtimes",
        "a_rolling_restart_charges_nothing_and_loses_nothing",
        Flaw::ClaimEndsOlderLeasesOfItsWorker,
    ),
    ("changes", "a_task_can_be_claimed_when_its_hint_comes", Flaw::WakesBeforeTheTask),
    ("changes", "a_lease_wakes_those_who_watch_leases", Flaw::ClaimWakesNobody),
    ("prune", "a_prune_tells_when_the_next_task_may_go", Flaw::PruneHidesNext),
];

#[test]
fn every_contract_notices_when_it_is_broken() {
    let cases = cases();
    let contracts: Vec<_> =
        cases.iter().filter(|case| ["contracts", "runtimes"].contains(&case.topic())).collect();
    for case in &contracts {
        let listed = BROKEN.iter().any(|one| (one.0, one.1) == (case.topic(), case.name()));
        assert!(listed, "{case:?} has no mistake that breaks it");
    }
    for (topic, name, flaw) in BROKEN {
        let case = cases.iter().find(|case| (case.topic(), case.name()) == (topic, name));
        let case = case.unwrap_or_else(|| panic!("there is no case {topic}::{name}"));
        assert!(fails(case, Some(flaw)), "{case:?} does not notice {flaw:?}");
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = cases().iter().map(|case| (case.topic(), case.name())).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    println!("{count} cases");
}
