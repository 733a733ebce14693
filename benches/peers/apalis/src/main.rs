//! apalis 1.0: its memory storage, which is a channel and keeps no end state, and its storages in
//! SQLite and Postgres.
//!
//! Handlers run as its README says for throughput, each on a tokio task of its own. The store
//! `memory-one-task` is its memory storage without that: all handlers share one tokio task.

use std::time::Duration;

use apalis::{
    layers::WorkerBuilderExt,
    prelude::{BackendExt, MemoryStorage, ParallelizeExt, Strategy, TaskSink, WorkerBuilder},
};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::{SqliteStorage, callback::HookCallbackListener};
use peer::{About, Error, Noop, Peer, Result, Work};

struct Apalis {
    storage: Storage,
    slots: usize,
}

enum Storage {
    /// Handed to the worker when it starts: there is one, and it cannot be shared.
    Memory {
        storage: Option<MemoryStorage<Noop>>,
        parallel: bool,
    },
    Sqlite(SqliteStorage<Noop>, Option<HookCallbackListener>),
    Postgres(PostgresStorage<Noop>),
}

/// Tasks that are fetched together: larger batches are faster, its documentation says.
const BATCH: usize = 1_000;
const POLL: Duration = Duration::from_millis(100);

async fn run(task: Noop) -> std::result::Result<(), Error> {
    peer::run(&task);
    Ok(())
}

impl Peer for Apalis {
    async fn open(work: &Work) -> Result<Self> {
        let storage = match work.store.as_str() {
            "memory" | "memory-one-task" => {
                let parallel = work.store == "memory";
                Storage::Memory { storage: Some(MemoryStorage::new()), parallel }
            }
            "sqlite" => {
                let url = format!("sqlite://{}/apalis.db?mode=rwc", work.place);
                let (pool, listener) = SqliteStorage::connect_with_callback(&url)?;
                SqliteStorage::setup(&pool).await?;
                let config = apalis_sqlite::Config::default().queue("noop").batch_size(BATCH);
                let storage = SqliteStorage::new(&pool).with_config(config);
                Storage::Sqlite(storage, Some(listener))
            }
            "postgres" => {
                let pool = apalis_postgres::PgPool::connect(&work.place).await?;
                PostgresStorage::setup(&pool).await?;
                let config = apalis_postgres::Config::default().queue("noop").batch_size(BATCH);
                Storage::Postgres(PostgresStorage::new(&pool).with_config(config))
            }
            other => return Err(format!("apalis has no store {other} here").into()),
        };
        Ok(Self { storage, slots: work.slots })
    }

    fn about(&self) -> About {
        let lock = include_str!("../../Cargo.lock");
        let durable =
            format!("parallelize(tokio::spawn), batch_size {BATCH}, polls every {POLL:?}");
        let (of, durability, settings) = match self.storage {
            Storage::Memory { parallel: true, .. } => {
                ("apalis", "none, and no end state is kept", "parallelize(tokio::spawn)".into())
            }
            Storage::Memory { parallel: false, .. } => (
                "apalis",
                "none, and no end state is kept",
                "all handlers in one tokio task".into(),
            ),
            Storage::Sqlite(..) => (
                "apalis-sqlite",
                "WAL, synchronous=off as its setup says: outlives the process, not a power cut",
                format!("{durable} and when SQLite's hook tells"),
            ),
            Storage::Postgres(_) => (
                "apalis-postgres",
                "the server's: each commit synced",
                format!("{durable} and when notified"),
            ),
        };
        About { name: "apalis", version: peer::version(lock, of), durability, settings }
    }

    async fn submit_all(&mut self, mut tasks: Vec<Noop>) -> Result<()> {
        if let Storage::Memory { storage: Some(storage), .. } = &mut self.storage {
            return Ok(storage.push_bulk(tasks).await?);
        }
        while !tasks.is_empty() {
            let rest = tasks.split_off(tasks.len().min(BATCH));
            match &mut self.storage {
                Storage::Memory { .. } => return Err("the storage works already".into()),
                Storage::Sqlite(storage, _) => storage.push_bulk(tasks).await?,
                Storage::Postgres(storage) => storage.push_bulk(tasks).await?,
            }
            tasks = rest;
        }
        Ok(())
    }

    async fn submit(&mut self, task: Noop) -> Result<()> {
        match &mut self.storage {
            Storage::Memory { .. } => return Err("its storage cannot be shared".into()),
            Storage::Sqlite(storage, _) => storage.push(task).await?,
            Storage::Postgres(storage) => storage.push(task).await?,
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let slots = self.slots;
        macro_rules! work {
            ($backend:expr) => {{
                let worker = WorkerBuilder::new("bench").backend($backend).concurrency(slots);
                tokio::spawn(worker.parallelize(tokio::spawn).build(run).run());
            }};
        }
        match &mut self.storage {
            Storage::Memory { storage, parallel } => {
                let storage = storage.take().ok_or("it works already")?;
                if *parallel {
                    work!(storage);
                } else {
                    let worker = WorkerBuilder::new("bench").backend(storage).concurrency(slots);
                    tokio::spawn(worker.build(run).run());
                }
            }
            Storage::Sqlite(storage, listener) => {
                let listener = listener.take().ok_or("it works already")?;
                let strategy = Strategy::new().stream(listener).interval(POLL);
                work!(storage.clone().poll_with_strategy(strategy));
            }
            Storage::Postgres(storage) => {
                let strategy = Strategy::new().interval(POLL);
                work!(storage.clone().with_pubsub().poll_with_strategy(strategy));
            }
        }
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        let count: i64 = match &self.storage {
            Storage::Memory { .. } => return Ok(peer::ran()),
            Storage::Sqlite(storage, _) => {
                let count = "SELECT count(*) FROM Jobs WHERE status = 'Done'";
                sqlx::query_scalar(count).fetch_one(storage.pool()).await?
            }
            Storage::Postgres(storage) => {
                let count = "SELECT count(*) FROM apalis.jobs WHERE status = 'Done'";
                sqlx::query_scalar(count).fetch_one(storage.pool()).await?
            }
        };
        Ok(count.try_into()?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Apalis>().await
}
