//! Seeds come out the same every time, and those that failed once are fine now.

use artos_sim::{Chaos, Keep, Options, Overrides, memory, run, shrink, tell};
use clap::Parser;

/// A command line that runs one seed.
#[derive(Parser)]
struct Line {
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    overrides: Overrides,
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..=20 {
        let options = Options::of(seed);
        let first = run(&options, &memory, Keep::Everything);
        let second = run(&options, &memory, Keep::Everything);
        assert_eq!(first.lines, second.lines, "{options}");
        assert_eq!(first.hash, second.hash, "{options}");
    }
    let hash = |seed| run(&Options::of(seed), &memory, Keep::Result).hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn writing_down_what_happens_changes_nothing() {
    let options = Options::of(3);
    let written = run(&options, &memory, Keep::Everything);
    let quiet = run(&options, &memory, Keep::Result);
    assert_eq!(written.hash, quiet.hash);
    assert!(!written.lines.is_empty() && quiet.lines.is_empty());
}

#[test]
fn seeds_that_failed_once_are_fine() {
    let seeds = include_str!("../seeds.txt").lines().filter(|line| !line.is_empty());
    let mut count = 0;
    for line in seeds {
        let seed = line.split_whitespace().next().unwrap();
        let options = Options::of(seed.parse().unwrap());
        let outcome = run(&options, &memory, Keep::Result);
        assert_eq!(outcome.findings, [], "{options}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn a_few_fresh_seeds_are_fine_and_faults_are_injected() {
    let mut faults = 0;
    for seed in 7_000..7_050 {
        let options = Options::of(seed);
        let outcome = run(&options, &memory, Keep::Result);
        assert_eq!(outcome.findings, [], "{options}");
        faults += outcome.faults;
    }
    assert!(faults > 1_000, "{faults}");
}

#[test]
fn options_can_be_taken_away_and_the_command_says_so() {
    let options = Options::of(5);
    let chaos = options.chaos().next().unwrap();
    let mut smaller = options.without(chaos);
    smaller.tasks = 1;
    assert!(!smaller.has(chaos));
    let command = smaller.command();
    assert!(command.contains(" --seed 5 --tasks 1"), "{command}");
    assert!(command.ends_with(&format!("--without {chaos}")), "{command}");
    (smaller.runtimes, smaller.seconds, smaller.lease, smaller.poll) = (9, 8, 7, 6);
    let command = smaller.command();
    let (_, arguments) = command.split_once(" -- ").unwrap();
    let line = Line::parse_from(arguments.split_whitespace());
    assert_eq!(line.overrides.of(line.seed), smaller, "{command}");
}

#[test]
fn every_chaos_has_a_name_that_can_be_read_back_and_is_drawn_at_times() {
    for chaos in Chaos::ALL.iter().copied() {
        assert_eq!(chaos.name().parse::<Chaos>().unwrap(), chaos);
        assert!((0..200).any(|seed| Options::of(seed).has(chaos)), "{chaos} is never drawn");
    }
    assert!("chaos".parse::<Chaos>().is_err());
}

#[test]
fn a_run_can_be_told() {
    let options = Options::of(1);
    let text = tell(&options, &run(&options, &memory, Keep::Everything));
    assert!(text.contains("heals everything"), "{text}");
    assert!(text.contains("cargo run --profile sim -p artos-sim -- run --seed 1"), "{text}");
    let fault = Chaos::ALL.iter().find(|chaos| text.contains(&format!(" {chaos}\n")));
    assert!(fault.is_some(), "no fault is told by its name: {text}");
}

#[test]
fn what_does_not_fail_is_not_made_smaller() {
    let options = Options::of(1);
    assert_eq!(shrink(&options, artos_oracle::Invariant::Kept, &memory), options);
}
