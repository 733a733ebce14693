//! riverqueue: River's Rust client, on SQLite and on Postgres.
//!
//! A pipeline is a job with resumable steps. Each but the last is recorded in a transaction of its
//! own: without that, only an attempt that fails records them, and a crash repeats them all.

use std::{str::FromStr, sync::OnceLock, time::Duration};

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

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// The least it allows: its throughput is limited by this, its documentation says.
const COOLDOWN: Duration = Duration::from_millis(1);
const POLL: Duration = Duration::from_millis(100);

/// Where steps are recorded, if jobs have any.
static STEPS: OnceLock<Pool> = OnceLock::new();

async fn noop(context: WorkContext, job: Job<Task>) -> std::result::Result<WorkOutcome, BoxError> {
    if let Some(pool) = STEPS.get() {
        for step in ["one", "two", "three", "four"] {
            std::hint::black_box(&job.args.noop);
            context.resumable_step(step, || record(&context, pool)).await?;
        }
    }
    peer::run(&job.args.noop);
    Ok(WorkOutcome::Complete)
}

/// Records that the step that runs has ended.
async fn record(context: &WorkContext, pool: &Pool) -> std::result::Result<(), BoxError> {
    match pool {
        Pool::Sqlite(pool) => {
            // One that began by reading would be refused where another wrote in between.
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
            context.resumable_set_step_tx(&mut transaction).await?;
            transaction.commit().await?;
        }
        Pool::Postgres(pool) => {
            let mut transaction = pool.begin().await?;
            context.resumable_set_step_tx(&mut transaction).await?;
            transaction.commit().await?;
        }
    }
    Ok(())
}

impl Peer for River {
    const PIPELINES: bool = true;

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
        if work.stages() > 1 {
            let _ = STEPS.set(pool.clone());
        }
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
