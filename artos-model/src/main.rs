//! Explores: `artos-model --help` explains.

#![expect(clippy::print_stdout, reason = "a program speaks to its user")]

use std::process::ExitCode;

use anyhow::Context as _;
use artos_model::{Bounds, Protocol, Rule, representative};
use clap::Parser;
use stateright::{Checker as _, Model as _};

/// Explores every order of every event between workers, tasks and a lossy network.
///
/// Exit code 0: every rule holds in every state. 1: one does not, and how is told.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// How many workers there are.
    #[arg(long, default_value_t = 2)]
    workers: u8,
    /// How many tasks there are.
    #[arg(long, default_value_t = 2)]
    tasks: u8,
    /// How many stages each task has.
    #[arg(long)]
    stages: Option<u8>,
    /// How many attempts each stage has.
    #[arg(long)]
    attempts: Option<u8>,
    /// How often a shutdown may hand a stage back.
    #[arg(long)]
    interrupts: Option<u8>,
    /// How many writes may be under way at once.
    #[arg(long)]
    wire: Option<u8>,
    /// How many threads explore; default: one for each processor.
    #[arg(long)]
    threads: Option<usize>,
}

#[expect(clippy::disallowed_methods, reason = "how long it took is real time")]
fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let default = Bounds::new(arguments.workers, arguments.tasks);
    let bounds = Bounds {
        stages: arguments.stages.unwrap_or(default.stages),
        attempts: arguments.attempts.unwrap_or(default.attempts),
        interrupts: arguments.interrupts.unwrap_or(default.interrupts),
        wire: arguments.wire.unwrap_or(default.wire),
        ..default
    };
    println!("{bounds:?}");
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism().context("counting processors")?.get(),
    };
    let started = std::time::Instant::now();
    let checker = Protocol::new(bounds).checker().symmetry_fn(representative).threads(threads);
    let checker = checker.spawn_dfs().join();
    println!(
        "{} states explored, {} of them different, at most {} events deep, in {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64(),
    );
    let mut passed = true;
    for property in checker.model().properties() {
        let name = property.name;
        let found = checker.discovery(name);
        let is_rule = Rule::ALL.iter().any(|rule| rule.words() == name);
        let good = found.is_some() != is_rule;
        println!("{}  {name}", if good { "ok    " } else { "FAILED" });
        if let (Some(path), true) = (found, is_rule) {
            println!("{path}");
        }
        passed &= good;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
