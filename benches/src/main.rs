//! Load programs: what a user gets with the defaults, measured, with end states read back.

mod ceiling;
mod http;
mod load;
mod report;
mod stores;

use clap::{Parser, Subcommand};

use crate::stores::StoreChoice;

/// Measures artos. Every figure counts only tasks whose end state was read back from the store.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Which store.
    #[arg(long, global = true, value_enum, default_value_t)]
    store: StoreChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs tasks that were submitted beforehand, as fast as they go.
    BurnDown {
        /// How many tasks.
        #[arg(long, default_value_t = 200_000)]
        tasks: u64,
        /// How many run at a time.
        #[arg(long, default_value_t = 256)]
        slots: usize,
        /// How many stages each has.
        #[arg(long, default_value_t = 1)]
        stages: usize,
    },
    /// Submits and runs tasks at the same time.
    Submit {
        /// How many tasks.
        #[arg(long, default_value_t = 200_000)]
        tasks: u64,
        /// How many callers submit at a time.
        #[arg(long, default_value_t = 64)]
        callers: u64,
        /// How many tasks each call submits.
        #[arg(long, default_value_t = 1)]
        batch: u64,
    },
    /// Measures what a runtime with nothing to do costs.
    Idle {
        /// For how many seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Measures what sled itself can do.
    Ceiling {
        /// How many tasks.
        #[arg(long, default_value_t = 200_000)]
        tasks: u64,
        /// How many are written together.
        #[arg(long, default_value_t = 256)]
        group: usize,
        /// Bytes of each.
        #[arg(long, default_value_t = 400)]
        bytes: usize,
    },
    /// Compares the status endpoint with a bare axum route, through wrk.
    Http {
        /// Seconds for each run; the two routes take turns.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Turns of each route.
        #[arg(long, default_value_t = 3)]
        turns: u32,
        /// Connections.
        #[arg(long, default_value_t = 64)]
        connections: u32,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { store, command } = Arguments::parse();
    match command {
        Command::BurnDown { tasks, slots, stages } => {
            load::burn_down(store, tasks, slots, stages).await
        }
        Command::Submit { tasks, callers, batch } => {
            load::submit(store, tasks, callers, batch).await
        }
        Command::Idle { seconds } => load::idle(store, seconds).await,
        Command::Ceiling { tasks, group, bytes } => ceiling::sled(tasks, group, bytes),
        Command::Http { seconds, turns, connections } => {
            http::compare(seconds, turns, connections).await
        }
    }
}
