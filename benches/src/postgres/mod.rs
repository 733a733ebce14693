//! The Postgres store: beside bare SQL, across processes, with many rows, far away, and for long.

mod bare;
mod idle;
mod latency;
mod rows;
mod steady;
mod versus;

use std::{path::Path, process::Command as Process, sync::Arc};

use anyhow::{Context as _, ensure};
use artos_store_postgres::PostgresStore;
use artos_test_postgres::{Durability, Server};
use clap::Subcommand;

use crate::stores::AnyStore;

/// What is measured; each starts a server of its own, with the settings any server has.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compares the whole runtime with pgbench and bare SQL on the same server, in turns.
    Versus {
        /// How many tasks in each turn.
        #[arg(long, default_value_t = 100_000)]
        tasks: u64,
        /// Turns of each.
        #[arg(long, default_value_t = 3)]
        turns: usize,
        /// How many run at a time.
        #[arg(long, default_value_t = 1_024)]
        slots: usize,
        /// The server does not wait for its disk: what the processors can do.
        #[arg(long)]
        unsynced: bool,
    },
    /// Measures how long after it is submitted by one process a task starts in another.
    Latency {
        /// How many tasks, one after the other, each on an idle queue.
        #[arg(long, default_value_t = 500)]
        tasks: u64,
    },
    /// Compares the throughput with few and with many rows.
    Rows {
        /// Rows that have ended, and as many that wait.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// How many tasks are run and counted.
        #[arg(long, default_value_t = 50_000)]
        tasks: u64,
        /// How many run at a time.
        #[arg(long, default_value_t = 1_024)]
        slots: usize,
    },
    /// Compares the throughput beside the server and with a network in between.
    Delay {
        /// Microseconds that each direction takes.
        #[arg(long, default_value_t = 2_000)]
        micros: u64,
        /// How many tasks.
        #[arg(long, default_value_t = 50_000)]
        tasks: u64,
        /// How many run at a time.
        #[arg(long, default_value_t = 1_024)]
        slots: usize,
    },
    /// Counts the statements of a node with nothing to do, by the server's own log.
    Idle {
        /// For how many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Keeps a server busy for long and watches dead rows and the size of the tables.
    Steady {
        /// For how many seconds.
        #[arg(long, default_value_t = 1_800)]
        seconds: u64,
        /// For how many seconds ended tasks are kept.
        #[arg(long, default_value_t = 60)]
        keep: u64,
        /// Tasks submitted each second.
        #[arg(long, default_value_t = 2_000)]
        rate: u64,
    },
    /// A node that works until its input ends; other measurements start it.
    #[command(hide = true)]
    Node {
        /// The database.
        url: String,
    },
}

pub(crate) async fn run(command: Command, svg: Option<&Path>) -> anyhow::Result<()> {
    match command {
        Command::Versus { tasks, turns, slots, unsynced } => {
            let durability = if unsynced { Durability::None } else { Durability::Power };
            versus::run(durability, tasks, turns, slots).await
        }
        Command::Latency { tasks } => latency::run(tasks).await,
        Command::Rows { rows, tasks, slots } => rows::run(rows, tasks, slots).await,
        Command::Delay { micros, tasks, slots } => versus::delay(micros, tasks, slots).await,
        Command::Idle { seconds } => idle::run(seconds).await,
        Command::Steady { seconds, keep, rate } => steady::run(seconds, keep, rate, svg).await,
        Command::Node { url } => latency::node(&url).await,
    }
}

fn server() -> anyhow::Result<Server> {
    Ok(Server::start(Durability::Power)?)
}

/// Claims and ends tasks by bare SQL; how many each second.
pub(crate) fn bare_work(server: &Server, url: &str, tasks: u64) -> anyhow::Result<f64> {
    bare::work(server, url, tasks)
}

/// Does the same on a server of its own.
pub(crate) fn bare_alone(tasks: u64) -> anyhow::Result<f64> {
    let server = server()?;
    bare::work(&server, &server.url(), tasks)
}

/// Makes an empty database on a server.
pub(crate) fn database(server: &Server, name: &str) -> anyhow::Result<String> {
    psql(server, &server.url(), &format!("CREATE DATABASE {name}"))?;
    let url = server.url();
    let (server, _) = url.rsplit_once('/').context("the server has no address")?;
    Ok(format!("{server}/{name}"))
}

async fn connect(url: &str) -> anyhow::Result<AnyStore> {
    Ok(Arc::new(PostgresStore::connect(url).await?))
}

/// Runs statements, each a transaction of its own, and returns what they say.
pub(crate) fn psql(server: &Server, url: &str, sql: &str) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("statements.sql");
    std::fs::write(&file, sql)?;
    let mut psql = Process::new(server.programs().join("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"]).arg(file);
    output(psql)
}

fn output(mut process: Process) -> anyhow::Result<String> {
    let name = process.get_program().to_owned();
    let name = Path::new(&name).display();
    let output = process.output().with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
