//! What the command line asks for.

mod stores;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    ceiling::sled::TASK_BYTES, idle, load, one, postgres, record, stores::StoreChoice, sweep,
};

/// Measures artos. Every figure counts only tasks whose end state was read back from the store.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    /// The store to measure; unless it is given, memory, or the one that the command is for. A
    /// command refuses stores that it cannot measure, and says what measures them.
    #[arg(long, global = true, value_enum)]
    store: Option<StoreChoice>,
    /// Where to write what was found, as JSON.
    #[arg(long, global = true)]
    pub(crate) json: Option<PathBuf>,
    /// Where to draw a sweep, as SVG: of `pipeline`, `queued`, `scale` and `postgres steady`.
    #[arg(long, global = true)]
    pub(crate) svg: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs tasks that were submitted beforehand, as fast as they go.
    BurnDown {
        /// How many tasks.
        #[arg(long, default_value_t = 200_000)]
        tasks: u64,
        /// How many run at a time.
        #[arg(long, default_value_t = load::SLOTS)]
        slots: usize,
        /// How many stages each has.
        #[arg(long, default_value_t = 1)]
        stages: usize,
        /// Run what is written by hand beside the store instead: a channel and a map for memory,
        /// raw sled for sled, pgbench with bare SQL for Postgres.
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
        #[arg(long, default_value_t = load::SLOTS)]
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
        /// How many run at a time.
        #[arg(long, default_value_t = load::SLOTS)]
        slots: usize,
    },
    /// Runs pipelines of 1 to 100 stages with payloads of 100 bytes to a megabyte.
    Pipeline(sweep::Pipelines),
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
        #[arg(long, default_value_t = load::SLOTS)]
        slots: usize,
    },
    /// Compares the sled store with raw sled that writes as many bytes, in turns.
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
        /// For how many seconds; in fewer than a minute, not all of its loops look once.
        #[arg(long, default_value_t = idle::SECONDS)]
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
    /// Keeps a store busy and watches how much room it takes: sled, unless another one is given.
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
        path: PathBuf,
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
        path: PathBuf,
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
        #[arg(long, default_value_t = load::SLOTS)]
        group: usize,
        /// Bytes of each.
        #[arg(long, default_value_t = TASK_BYTES)]
        bytes: usize,
        /// How many stages each has.
        #[arg(long, default_value_t = 1)]
        stages: usize,
        /// Insert them by the clock, too.
        #[arg(long)]
        submit: bool,
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
        /// How many tasks are asked for, one after the other.
        #[arg(long, default_value_t = 1_000)]
        tasks: u64,
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
