//! Load programs: what a user gets with the defaults, measured, with end states read back.

mod ceiling;
mod counting;
mod flood;
mod http;
mod latency;
mod load;
mod one;
mod plot;
mod postgres;
mod record;
mod report;
mod scale;
mod stores;
mod sweep;
mod versus;
mod waiters;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::{report::FIGURES, stores::StoreChoice, versus::By};

/// Measures artos. Every figure counts only tasks whose end state was read back from the store.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Which store.
    #[arg(long, global = true, value_enum, default_value_t)]
    store: StoreChoice,
    /// Where to write what was found, as JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    /// Where to draw a sweep, as SVG.
    #[arg(long, global = true)]
    svg: Option<PathBuf>,
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
        /// Run a queue written by hand instead: what no store in memory can be faster than.
        #[arg(long)]
        ceiling: bool,
    },
    /// Compares the memory store with queues written by hand, in turns.
    VersusMemory {
        /// How many tasks.
        #[arg(long, default_value_t = 300_000)]
        tasks: u64,
        /// Turns of each.
        #[arg(long, default_value_t = 5)]
        turns: usize,
        /// How many run at a time.
        #[arg(long, default_value_t = 256)]
        slots: usize,
        /// How many stages each has.
        #[arg(long, default_value_t = 1)]
        stages: usize,
    },
    /// Measures how long a task takes from its submission to its start and its end.
    Latency {
        /// How many tasks.
        #[arg(long, default_value_t = 1_000)]
        tasks: u64,
        /// How many others are submitted each second meanwhile.
        #[arg(long, default_value_t = 0)]
        load: u64,
    },
    /// Runs pipelines of 1 to 100 stages with payloads of 100 bytes to a megabyte.
    Pipeline,
    /// Runs tasks in front of a backlog that grows, and measures what a queued task takes.
    Queued {
        /// The sizes of the backlog.
        #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000")]
        sizes: Vec<u64>,
    },
    /// Runs the same tasks on one runtime, two, and more.
    Scale {
        /// The most runtimes.
        #[arg(long, default_value_t = 4)]
        runtimes: usize,
        /// How many tasks.
        #[arg(long, default_value_t = 200_000)]
        tasks: u64,
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
    /// Runs artos, its ceilings and its peers in turns, each in a process of its own, and says how
    /// artos stands to the bars it is held to.
    Record(record::Options),
    /// One of the measurements of `record`.
    #[command(hide = true)]
    One {
        /// What to measure.
        what: one::What,
        /// How many tasks.
        tasks: u64,
        /// How many run at a time.
        slots: usize,
        /// The address of an empty database, for Postgres.
        place: Option<String>,
    },
    /// Compares the status endpoint with a bare axum route.
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
        /// Long-polls. Together with the streams, fewer than files may be open, but for HTTP/2.
        #[arg(long, default_value_t = 9_900)]
        polls: usize,
        /// Event streams.
        #[arg(long, default_value_t = 9_900)]
        streams: usize,
        /// Over HTTP/2, where many share a connection and a file.
        #[arg(long)]
        http2: bool,
    },
    /// Measures the Postgres store, each time on a server of its own.
    #[command(subcommand)]
    Postgres(postgres::Command),
    /// Lets one organization call far beyond its quota, and measures what another one waits for.
    Flood {
        /// Requests a second beyond the quota.
        #[arg(long, default_value_t = 2_000)]
        rate: u32,
        /// Seconds for each run; with and without the flood take turns.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Turns of each.
        #[arg(long, default_value_t = 3)]
        turns: u32,
    },
    /// The reading client of `flood`, in a process of its own.
    #[command(hide = true)]
    FloodRead { address: std::net::SocketAddr, id: String, seconds: u64 },
    /// The flood of `flood`, in a process of its own.
    #[command(hide = true)]
    FloodSend { address: std::net::SocketAddr, rate: u32 },
    /// The clients of `waiters`, in a process of their own.
    #[command(hide = true)]
    Ask {
        /// Whom to ask.
        address: std::net::SocketAddr,
        /// With many requests on each connection.
        #[arg(long)]
        http2: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { store, json, svg, command } = Arguments::parse();
    run(store, command, svg.as_deref()).await?;
    if let Some(path) = json {
        FIGURES.write(&path)?;
    }
    Ok(())
}

async fn run(store: StoreChoice, command: Command, svg: Option<&Path>) -> anyhow::Result<()> {
    match command {
        Command::BurnDown { tasks, slots, stages, ceiling: true } => {
            versus::hand_written(tasks, slots, stages, By::Pool).await.map(|_| ())
        }
        Command::BurnDown { tasks, slots, stages, ceiling: false } => {
            load::burn_down(store, tasks, slots, stages).await.map(|_| ())
        }
        Command::VersusMemory { tasks, turns, slots, stages } => {
            versus::memory(tasks, turns, slots, stages).await
        }
        Command::Latency { tasks, load } => latency::measure(store, tasks, load).await.map(|_| ()),
        Command::Pipeline => sweep::pipelines(store, svg).await,
        Command::Queued { sizes } => sweep::backlog(store, &sizes, svg).await,
        Command::Scale { runtimes, tasks } => sweep::scale(store, runtimes, tasks, svg).await,
        Command::Submit { tasks, callers, batch, slots } => {
            let load = load::Submitting { tasks, callers, batch, slots };
            load::submit(store, load).await.map(|_| ())
        }
        Command::VersusSled { tasks, turns, slots } => versus::sled(tasks, turns, slots).await,
        Command::Record(options) => record::run(options).await,
        Command::One { what, tasks, slots, place } => {
            one::run(what, store, tasks, slots, place).await
        }
        Command::Idle { seconds } => load::idle(store, seconds).await.map(|_| ()),
        Command::Backlog { tasks } => scale::fill_and_open(tasks, false),
        Command::Finished { tasks } => scale::fill_and_open(tasks, true),
        Command::Steady { seconds, keep, rate } => scale::steady(seconds, keep, rate).await,
        Command::Fill { path, tasks, ended } => scale::fill(&path, tasks, ended).await,
        Command::Reopen { path, run } => scale::open(&path, run).await,
        Command::Ceiling { tasks, group, bytes } => {
            ceiling::sled(tasks, group, bytes, 2).map(|_| ())
        }
        Command::Http { seconds, turns, connections } => {
            http::compare(store, seconds, turns, connections).await.map(|_| ())
        }
        Command::Postgres(command) => postgres::run(command, svg).await,
        Command::Waiters { polls, streams, http2 } => waiters::measure(polls, streams, http2).await,
        Command::Flood { rate, seconds, turns } => flood::measure(rate, seconds, turns).await,
        Command::FloodRead { address, id, seconds } => {
            flood::read_steadily(address, &id, seconds).await
        }
        Command::FloodSend { address, rate } => flood::send_endlessly(address, rate).await,
        Command::Ask { address, http2 } => waiters::ask(address, http2).await,
    }
}
