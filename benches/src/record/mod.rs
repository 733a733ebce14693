//! artos, the same work written by hand, and its peers, in turns in one run: the figures of
//! docs/PERFORMANCE.md, and how artos stands to the bars it is held to.

mod bars;
mod chart;
mod lines;
mod page;
mod program;
mod subjects;

use std::path::PathBuf;

use anyhow::ensure;
use artos_test_postgres::{Durability, Server};
use clap::Args;

use self::{lines::Lines, program::Programs, subjects::Subject};
use crate::report::bar;

#[derive(Args)]
pub(crate) struct Options {
    /// Turns of each.
    #[arg(long, default_value_t = 5)]
    turns: u32,
    /// The folder with the programs of the peers; without it there are none.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// The Python that has Celery; without it Celery is left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Only what has this in its name, such as `sled` or `latency`.
    #[arg(long)]
    only: Vec<String>,
    /// A part of the tasks, such as 0.05, to see whether everything runs.
    #[arg(long, default_value_t = 1.0)]
    part: f64,
    /// How many processes wanted a processor before anything was built for this; unless it is
    /// given, as many as want one now.
    #[arg(long)]
    load: Option<f64>,
    /// The file the lines are kept in, one for each measurement.
    #[arg(long)]
    lines: PathBuf,
    /// Measures nothing: goes by what an earlier run kept.
    #[arg(long)]
    kept: bool,
    /// The folder with PERFORMANCE.md, whose tables and plot are to be written.
    #[arg(long)]
    docs: Option<PathBuf>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let lines = if options.kept {
        Lines::read(&options.lines)?
    } else {
        let lines = measure(&options).await?;
        lines.write(&options.lines)?;
        lines
    };
    for bar in bars::bars(&lines) {
        println!("{bar}");
    }
    if let Some(docs) = &options.docs {
        page::write(docs, &lines)?;
    }
    Ok(())
}

async fn measure(options: &Options) -> anyhow::Result<Lines> {
    let subjects: Vec<Subject> = subjects::all()
        .into_iter()
        .filter(|subject| options.only.is_empty() || named(subject, &options.only))
        .map(|subject| subject.scaled(options.part))
        .collect();
    ensure!(!subjects.is_empty(), "nothing is called {:?}", options.only);
    let server = Server::start(Durability::Power)?;
    let programs = Programs::new(options, &server)?;
    let mut lines = Lines::default();
    let progress = bar("measured", u64::from(options.turns) * subjects.len() as u64);
    for turn in 1..=options.turns {
        for subject in &subjects {
            progress.set_message(format!("turn {turn} of {}: {}", options.turns, subject.id));
            match programs.run(subject, turn).await {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => {}
                // One that fails is told, and does not take the others with it.
                Err(error) => {
                    progress.suspend(|| eprintln!("{}, turn {turn}: {error:#}", subject.id));
                }
            }
            progress.inc(1);
            // What was measured is kept even if the run is stopped.
            lines.write(&options.lines)?;
        }
    }
    progress.finish_and_clear();
    Ok(lines)
}

fn named(subject: &Subject, only: &[String]) -> bool {
    only.iter().any(|part| subject.id.contains(part.as_str()))
}
