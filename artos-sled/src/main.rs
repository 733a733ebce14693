//! `artos-sled`: looks after an embedded store of artos that no program has open.
//!
//! What it finds goes to the standard output, what goes wrong to the standard error, and the exit
//! code says which of the two it was.

mod arguments;
mod bar;
mod json;
mod text;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use artos_core::store::StoreError;
use artos_store_sled::offline;
use clap::Parser as _;

use arguments::{Arguments, Command};
use bar::Bar;
use text::Paint;

/// Why the program ends early.
enum Stop {
    /// The store says no.
    Store(StoreError),
    /// The output cannot be written.
    Output(io::Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { source: Some(source), message } => {
                match source.downcast::<io::Error>() {
                    Ok(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::Output(*error),
                    Ok(error) => {
                        Self::Store(StoreError::Unavailable { source: Some(error), message })
                    }
                    Err(source) => {
                        Self::Store(StoreError::Unavailable { source: Some(source), message })
                    }
                }
            }
            error => Self::Store(error),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn main() -> ExitCode {
    let stopped = match run(Arguments::parse().command) {
        Ok(is_fine) => return if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        Err(stopped) => stopped,
    };
    let text = match stopped {
        // Whoever read the output has enough of it.
        Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Stop::Output(error) => format!("the output cannot be written: {error}\n"),
        Stop::Store(error) => text::refusal(&error),
    };
    // There is nobody left to tell.
    let _ = write!(io::stderr(), "{} {text}", Paint::of_stderr().bad("error:"));
    ExitCode::FAILURE
}

/// Does what was asked; returns whether everything is fine.
fn run(command: Command) -> Result<bool, Stop> {
    match command {
        Command::Info(looking) => {
            let overview = offline::info(&looking.path)?;
            let text = match looking.json {
                true => format!("{:#}\n", json::overview(&overview)),
                false => text::overview(&overview),
            };
            say(&text)?;
            Ok(true)
        }
        Command::Verify(looking) => {
            let mut bar = Bar::new();
            let report = offline::verify(&looking.path, &mut |headway| bar.show(headway))?;
            drop(bar);
            let text = match looking.json {
                true => format!("{:#}\n", json::report(&report)),
                false => text::report(&report, Paint::of_stdout()),
            };
            say(&text)?;
            Ok(report.is_sound())
        }
        Command::Export(export) => self::export(&export.path, export.output),
        Command::Compact(folder) => compact(&folder.path),
        Command::Accept(folder) => {
            let accepted = offline::accept(&folder.path)?;
            say(&text::accepted(&accepted))?;
            Ok(true)
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn export(path: &Path, output: Option<PathBuf>) -> Result<bool, Stop> {
    let exported = match output {
        Some(output) => {
            let file = File::create_new(&output).map_err(|error| {
                let message = format!("{}: {error}", output.display());
                StoreError::Invalid { message }
            })?;
            let mut writer = BufWriter::new(file);
            let exported = offline::export(path, &mut writer)?;
            writer.into_inner().map_err(|error| error.into_error())?.sync_all()?;
            exported
        }
        None => offline::export(path, &mut BufWriter::new(io::stdout().lock()))?,
    };
    let report = &exported.report;
    let mut text = format!("exported {} tasks\n", exported.tasks);
    if !report.is_sound() {
        text.push_str("left out what cannot be read:\n");
        text::findings(&mut text, &report.findings, report.further);
    }
    write!(io::stderr(), "{text}")?;
    Ok(report.is_sound())
}

fn compact(path: &Path) -> Result<bool, Stop> {
    let overview = offline::info(path)?;
    say(&format!(
        "the store holds {} in files of {}; compacting it needs {} of free space\n",
        text::size(overview.live_bytes),
        text::size(overview.file_bytes),
        text::size(overview.compact_bytes())
    ))?;
    let mut bar = Bar::new();
    let compacted = offline::compact(path, &mut |headway| bar.show(headway))?;
    drop(bar);
    say(&text::compacted(&compacted))?;
    Ok(true)
}
