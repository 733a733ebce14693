//! Simulates: `artos-sim run --help` explains.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use artos_core::{Clock as _, SystemClock};
use artos_sim::{Amount, Fleet, Keep, Options, Overrides, memory, run, shrink, tell};
use clap::{Args, Parser, Subcommand};

/// Simulates many runtimes under every fault, decided by a seed.
///
/// Exit code 0: passed. 1: something was found. 2: it cannot work here.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds.
    Run(Box<Run>),
}

#[derive(Args)]
struct Run {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// How long to go on, instead of a number of seeds.
    #[arg(long)]
    minutes: Option<f64>,
    /// The first seed; default: drawn from the clock, and printed.
    #[arg(long)]
    from: Option<u64>,
    /// Runs this seed alone, twice, and tells what happened if something is found.
    #[arg(long)]
    seed: Option<u64>,
    /// Also tells what happened if nothing is found. Only with --seed.
    #[arg(long, requires = "seed")]
    tell: bool,
    /// Does not make a failed run smaller. Only with --seed.
    #[arg(long, requires = "seed")]
    as_it_is: bool,
    #[command(flatten)]
    overrides: Overrides,
    /// Runs the seeds in this file first: one number a line, what follows it is a remark.
    #[arg(long)]
    known: Option<PathBuf>,
    /// How many seeds at a time; default: one for each processor.
    #[arg(long)]
    threads: Option<usize>,
    /// Writes the result here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Tells failed runs in files here.
    #[arg(long)]
    evidence: Option<PathBuf>,
}

/// Failed runs that are made smaller and told.
const TOLD_MAX: usize = 5;

fn main() -> ExitCode {
    let Command::Run(arguments) = Arguments::parse().command;
    let done = match arguments.seed {
        Some(seed) => Ok(arguments.one(seed)),
        None => arguments.many(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

impl Run {
    /// Runs one seed; returns whether it passed.
    fn one(&self, seed: u64) -> bool {
        let options = self.overrides.of(seed);
        let first = run(&options, &memory, Keep::Everything);
        let second = run(&options, &memory, Keep::Everything);
        if let Some(finding) = first.findings.first().filter(|_| !self.as_it_is) {
            eprintln!("{finding}\nmaking it smaller");
            let small = shrink(&options, finding.invariant, &memory);
            println!("{}", tell(&small, &run(&small, &memory, Keep::Everything)));
        } else if self.tell || !first.findings.is_empty() {
            println!("{}", tell(&options, &first));
        }
        if first.hash != second.hash {
            let differs = first.lines.iter().zip(&second.lines).find(|(one, two)| one != two);
            println!("two runs of seed {seed} differ, from here on: {differs:?}");
        }
        println!(
            "seed {seed}: trace {:016x}, {} faults, {:?}",
            first.hash, first.faults, first.tally
        );
        first.findings.is_empty() && first.hash == second.hash
    }

    /// Runs many seeds; returns whether all passed.
    fn many(&self) -> anyhow::Result<bool> {
        let amount = match self.minutes {
            Some(minutes) => Amount::Time(Duration::try_from_secs_f64(minutes * 60.0)?),
            None => Amount::Seeds(self.seeds),
        };
        let drawn = || u64::try_from(SystemClock.now().as_micros()).unwrap_or(1);
        let from = self.from.unwrap_or_else(drawn);
        let known = self.known.as_deref().map(known).transpose()?.unwrap_or_default();
        let usual = || std::thread::available_parallelism().map_or(2, usize::from);
        let report = Fleet::new(from, amount).run(&known, self.threads.unwrap_or_else(usual));
        print!("{report}");
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
                .with_context(|| format!("writing {}", path.display()))?;
        }
        for (options, invariant, _) in report.failures().iter().take(TOLD_MAX) {
            let small = invariant.map(|invariant| shrink(options, invariant, &memory));
            let small = small.as_ref().unwrap_or(options);
            println!("  {}", small.command());
            if let Some(folder) = &self.evidence {
                fs::create_dir_all(folder)?;
                let path = folder.join(format!("seed-{}.txt", options.seed));
                fs::write(&path, tell(small, &run(small, &memory, Keep::Everything)))
                    .with_context(|| format!("writing {}", path.display()))?;
                println!("    told in {}", path.display());
            }
        }
        Ok(report.passed())
    }
}

/// Reads seeds from a file.
fn known(path: &std::path::Path) -> anyhow::Result<Vec<Options>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let numbers = text.lines().filter_map(|line| line.split_whitespace().next());
    numbers.map(|number| Ok(Options::of(number.parse()?))).collect()
}
