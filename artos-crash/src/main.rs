//! Breaks a store on purpose: `artos-crash <fault> --help` explains.

use std::{path::PathBuf, process::ExitCode};

use artos_core::{Clock as _, SystemClock};
use artos_crash::{ChildOptions, Fault, RigOptions};
use clap::{Parser, Subcommand};

/// Breaks processes, disks and machines under a store, and checks that nothing acknowledged is
/// lost.
///
/// Exit code 0: passed. 1: something was found, and its evidence was kept. 2: the rig itself cannot
/// work here.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: RigOptions,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Fault(Fault),
    /// Writes results, as --json left them, into the table of a document.
    Record {
        /// The document.
        #[arg(long)]
        into: PathBuf,
        /// The results.
        results: Vec<PathBuf>,
    },
    /// Is the process that is broken; rigs start it.
    #[command(hide = true)]
    Child(ChildOptions),
}

fn main() -> ExitCode {
    let Arguments { command, options } = Arguments::parse();
    let done = match command {
        Command::Child(child) => artos_crash::run_child(&child),
        Command::Record { into, results } => {
            let now = SystemClock.now().to_string();
            let day = now.split('T').next().unwrap_or_default();
            artos_crash::record(&into, &results, day).map(|()| ExitCode::SUCCESS)
        }
        Command::Fault(fault) => run(fault, &options),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(fault: Fault, options: &RigOptions) -> anyhow::Result<ExitCode> {
    let report = artos_crash::run(fault, options)?;
    report.write(options)?;
    print!("{report}");
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
