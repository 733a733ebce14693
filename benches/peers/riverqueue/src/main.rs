//! riverqueue: River's Rust client, on SQLite and on Postgres.

use std::{str::FromStr, time::Duration};

use peer::{About, Noop, Peer, Result, Work};
use riverqueue::{
    BoxError, Client, Job, JobArgs, QueueConfig, RunHandle, WorkContext, WorkOutcome, Workers,
    migrate::{PostgresMigrator, SqliteMigrator},
};
use serde::{Deserialize, Serialize};
use sqlx::{
    PgPool, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

#[derive(Clone, Debug, Deserialize, JobArgs, Serialize)]
#[river(kind = "noop")]
struct Task {
    noop: Noop,
}

struct River {
    client: Client,
    pool: Pool,
    slots: usize,
    run: Option<RunHandle>,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// The least it allows: its throughput is limited by this, its documentation says.
const COOLDOWN: Duration = Duration::from_millis(1);
const POLL: Duration = Duration::from_millis(100);

async fn noop(_: WorkContext, job: Job<Task>) -> std::result::Result<WorkOutcome, BoxError> {
    peer::run(&job.args.noop);
    Ok(WorkOutcome::Complete)
}

impl Peer for River {
    async fn open(work: &Work) -> Result<Self> {
        let mut workers = Workers::new();
        workers.add_fn(noop)?;
        let queue = QueueConfig::new(work.slots).with_fetch_poll_interval(POLL);
        let (pool, builder) = if work.store == "sqlite" {
            // As its README has it for a file, and without a sync for each commit.
            let options =
                SqliteConnectOptions::from_str(&format!("sqlite://{}/river.db", work.place))?
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .busy_timeout(Duration::from_secs(5));
            let pool = SqlitePoolOptions::new().max_connections(5).connect_with(options).await?;
            SqliteMigrator::new(pool.clone()).migrate_up().await?;
            (Pool::Sqlite(pool.clone()), Client::builder(pool))
        } else {
            let pool = PgPool::connect(&work.place).await?;
            PostgresMigrator::new(pool.clone()).migrate_up().await?;
            (Pool::Postgres(pool.clone()), Client::builder(pool))
        };
        let client =
            builder.workers(workers).fetch_cooldown(COOLDOWN).queue("default", queue).build()?;
        Ok(Self { client, pool, slots: work.slots, run: None })
    }

    fn about(&self) -> About {
        About {
            name: "riverqueue",
            version: peer::version(include_str!("../../Cargo.lock"), "riverqueue"),
            durability: match self.pool {
                Pool::Sqlite(_) => "WAL, synchronous=normal: outlives the process, not a power cut",
                Pool::Postgres(_) => "the server's: each commit synced",
            },
            settings: format!(
                "max_workers {}, fetch_cooldown {COOLDOWN:?}, fetch_poll_interval {POLL:?}",
                self.slots
            ),
        }
    }

    async fn submit_all(&mut self, tasks: Vec<Noop>) -> Result<()> {
        for tasks in tasks.chunks(1_000) {
            let tasks = tasks.iter().map(|noop| Task { noop: noop.clone() });
            self.client.insert_many(tasks).await?;
        }
        Ok(())
    }

    async fn submit(&mut self, noop: Noop) -> Result<()> {
        self.client.insert(Task { noop }).await?;
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        self.run = Some(self.client.start()?);
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        let count = "SELECT count(*) FROM river_job WHERE state = 'completed'";
        let count: i64 = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(count).fetch_one(pool).await?,
            Pool::Postgres(pool) => sqlx::query_scalar(count).fetch_one(pool).await?,
        };
        Ok(count.try_into()?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<River>().await
}
