//! Load programs: what a user gets with the defaults, measured, with end states read back.

mod ceiling;
mod http;
mod load;
mod postgres;
mod report;
mod scale;
mod stores;
mod versus;
mod waiters;

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
        /// How many run at a time.
        #[arg(long, default_value_t = 256)]
        slots: usize,
    },
    /// Compares the sled store with raw sled that writes the same bytes, in turns.
    VersusSled {
        /// How many tasks.
        #[arg(long, default_value_t = 200_000)]
        tasks: u64,
        /// Turns of each.
        #[arg(long, default_value_t = 5)]
        turns: usize,
        /// How many run at a time.
        #[arg(long, default_value_t = 1_024)]
        slots: usize,
    },
    /// Measures what a runtime with nothing to do costs.
    Idle {
        /// For how many seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Fills a sled store with tasks that wait, and measures opening it and running them.
    Backlog {
        /// How many tasks.
        #[arg(long, default_value_t = 1_000_000)]
        tasks: u64,
    },
    /// Fills a sled store with tasks that ended, and measures opening it.
    Finished {
        /// How many tasks.
        #[arg(long, default_value_t = 5_000_000)]
        tasks: u64,
    },
    /// Keeps a sled store busy and watches how much room it takes.
    Steady {
        /// For how many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// For how many seconds ended tasks are kept.
        #[arg(long, default_value_t = 20)]
        keep: u64,
        /// Tasks submitted each second.
        #[arg(long, default_value_t = 2_000)]
        rate: u64,
    },
    /// Fills a sled store.
    Fill {
        /// Its folder.
        path: std::path::PathBuf,
        /// How many tasks.
        #[arg(long, default_value_t = 1_000_000)]
        tasks: u64,
        /// Run them, too.
        #[arg(long)]
        ended: bool,
    },
    /// Opens a sled store, and runs some of its tasks.
    Reopen {
        /// Its folder.
        path: std::path::PathBuf,
        /// How many tasks to run.
        #[arg(long, default_value_t = 0)]
        run: u64,
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
    /// Lets many clients wait for tasks at a time: what each costs, and how soon it hears.
    Waiters {
        /// Long-polls. Together with the streams, fewer than files may be open.
        #[arg(long, default_value_t = 9_900)]
        polls: usize,
        /// Event streams.
        #[arg(long, default_value_t = 9_900)]
        streams: usize,
    },
    /// Measures the Postgres store, each time on a server of its own.
    #[command(subcommand)]
    Postgres(postgres::Command),
    /// The clients of `waiters`, in a process of their own.
    #[command(hide = true)]
    Ask {
        /// Whom to ask.
        address: std::net::SocketAddr,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { store, command } = Arguments::parse();
    match command {
        Command::BurnDown { tasks, slots, stages } => {
            load::burn_down(store, tasks, slots, stages).await
        }
        Command::Submit { tasks, callers, batch, slots } => {
            let load = load::Submitting { tasks, callers, batch, slots };
            load::submit(store, load).await.map(|_| ())
        }
        Command::VersusSled { tasks, turns, slots } => versus::sled(tasks, turns, slots).await,

        Command::Idle { seconds } => load::idle(store, seconds).await,
        Command::Backlog { tasks } => scale::fill_and_open(tasks, false),
        Command::Finished { tasks } => scale::fill_and_open(tasks, true),
        Command::Steady { seconds, keep, rate } => scale::steady(seconds, keep, rate).await,
        Command::Fill { path, tasks, ended } => scale::fill(&path, tasks, ended).await,
        Command::Reopen { path, run } => scale::open(&path, run).await,
        Command::Ceiling { tasks, group, bytes } => ceiling::sled(tasks, group, bytes).map(|_| ()),
        Command::Http { seconds, turns, connections } => {
            http::compare(seconds, turns, connections).await
        }
        Command::Postgres(command) => postgres::run(command).await,
        Command::Waiters { polls, streams } => waiters::measure(polls, streams).await,
        Command::Ask { address } => waiters::ask(address).await,
    }
}
