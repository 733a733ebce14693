//! Which stores a command can measure: what it would not heed, it refuses.

use clap::{CommandFactory as _, ValueEnum as _, error::ErrorKind};

use super::{Arguments, Command};
use crate::{postgres, stores::StoreChoice};

const MEMORY: &[StoreChoice] = &[StoreChoice::Memory];
const SLED: &[StoreChoice] = &[StoreChoice::Sled];
const ALL: &[StoreChoice] =
    &[StoreChoice::Memory, StoreChoice::Sled, StoreChoice::SledProcess, StoreChoice::Postgres];

impl Arguments {
    /// Returns the store to measure.
    ///
    /// # Errors
    ///
    /// The command would not heed the store, or the picture, that was asked for.
    pub(crate) fn store(&self) -> Result<StoreChoice, clap::Error> {
        if self.svg.is_some() && !self.command.is_drawn() {
            let drawn = "`pipeline`, `queued`, `scale` and `postgres steady`";
            return Err(conflict(&format!("--svg is for {drawn}: nothing else is drawn")));
        }
        let (stores, others) = self.command.stores();
        let Some(asked) = self.store else {
            return Ok(stores.first().copied().unwrap_or_default());
        };
        if stores.contains(&asked) {
            return Ok(asked);
        }
        let name = asked.to_possible_value();
        let name = name.as_ref().map_or("", |name| name.get_name());
        Err(conflict(&format!("--store {name} is not for this command: {others}")))
    }
}

fn conflict(message: &str) -> clap::Error {
    Arguments::command().error(ErrorKind::ArgumentConflict, message)
}

impl Command {
    const fn is_drawn(&self) -> bool {
        matches!(
            self,
            Self::Pipeline(_)
                | Self::Queued { .. }
                | Self::Scale { .. }
                | Self::Postgres(postgres::Command::Steady { .. })
        )
    }

    /// Returns the stores that it measures, the usual one first, and what is to be said to whoever
    /// asks for another.
    const fn stores(&self) -> (&'static [StoreChoice], &'static str) {
        use StoreChoice::{Memory, Postgres, Sled, SledProcess};
        match self {
            Self::BurnDown { ceiling: true, .. } => {
                (&[Memory, Sled, Postgres], "nothing is written by hand beside it; use sled")
            }
            Self::BurnDown { .. }
            | Self::Latency { .. }
            | Self::Pipeline(_)
            | Self::Queued { .. }
            | Self::Scale { .. }
            | Self::Submit { .. }
            | Self::Idle { .. }
            | Self::Http { .. }
            | Self::One { .. } => (ALL, ""),
            Self::Backlog { .. } | Self::Finished { .. } => {
                (SLED, "it opens files again; use `queued` for a backlog, or `postgres rows`")
            }
            Self::Steady { .. } => (&[Sled, SledProcess, Memory], "use `postgres steady`"),
            Self::Fill { .. } | Self::Reopen { .. } | Self::Ceiling { .. } => {
                (SLED, "it is about the files of sled")
            }
            Self::VersusSled { .. } => (SLED, "use `versus-memory`, or `postgres versus`"),
            Self::VersusMemory { .. } => (MEMORY, "use `versus-sled`, or `postgres versus`"),
            Self::Waiters { .. }
            | Self::Flood { .. }
            | Self::FloodRead { .. }
            | Self::FloodSend { .. }
            | Self::Ask { .. } => (MEMORY, "it measures what is in front of a store"),
            Self::Postgres(_) => (&[Postgres], "it is about Postgres"),
            Self::Record(_) => (&[], "it measures all of them; `--only` chooses"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn store(line: &str) -> Result<StoreChoice, clap::Error> {
        Arguments::try_parse_from(line.split(' '))?.store()
    }

    #[test]
    fn a_command_measures_its_usual_store() -> Result<(), clap::Error> {
        assert_eq!(store("bench burn-down")?, StoreChoice::Memory);
        assert_eq!(store("bench backlog")?, StoreChoice::Sled);
        assert_eq!(store("bench --store postgres queued")?, StoreChoice::Postgres);
        assert_eq!(store("bench steady --store memory")?, StoreChoice::Memory);
        Ok(())
    }

    #[test]
    fn what_would_not_be_heeded_is_refused() {
        for line in [
            "bench --store memory backlog",
            "bench --store postgres steady",
            "bench --store sled-process burn-down --ceiling",
            "bench --svg plot.svg burn-down",
            "bench --store sled record --lines lines.jsonl",
        ] {
            assert!(store(line).is_err(), "{line}");
        }
        assert!(store("bench --svg plot.svg pipeline --stages 1,2 --tasks 10").is_ok());
    }
}
