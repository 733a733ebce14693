//! apalis 1.0: its memory storage, which is a channel and keeps no end state, and its storages in
//! SQLite and Postgres.
//!
//! Handlers run as its README says for throughput, each on a tokio task of its own. The store
//! `memory-one-task` is its memory storage without that: all handlers share one tokio task.
//!
//! A pipeline is a stepped flow: each step that ends puts a task for the next one into the storage,
//! and counts as a task of its own there. In memory there is a storage for flows, which keeps what
//! they return; its steps share one tokio task, because each on a task of its own they stall when
//! some hundreds wait.

use std::time::Duration;

use apalis::{
    layers::WorkerBuilderExt,
    prelude::{
        BackendExt, MemoryStorage, ParallelizeExt, Shared, Strategy, TaskSink, WorkerBuilder,
    },
};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::{SqliteStorage, callback::HookCallbackListener};
use apalis_workflow::{SteppedFlow, WorkflowSink, in_memory::InMemoryWorkflow};
use peer::{About, Error, Noop, Peer, Result, Work};

struct Apalis {
    storage: Storage,
    slots: usize,
    stages: u64,
}

enum Storage {
    /// Handed to the worker when it starts: there is one, and it cannot be shared.
    Memory {
        storage: Option<MemoryStorage<Noop>>,
        parallel: bool,
    },
    MemoryFlow(Shared<InMemoryWorkflow<Noop>>),
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

async fn pass(task: Noop) -> std::result::Result<Noop, Error> {
    Ok(std::hint::black_box(task))
}

impl Peer for Apalis {
    const PIPELINES: bool = true;

    async fn open(work: &Work) -> Result<Self> {
        let stages = work.stages() as u64;
        let storage = match work.store.as_str() {
            "memory" if stages > 1 => Storage::MemoryFlow(InMemoryWorkflow::create()),
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
        Ok(Self { storage, slots: work.slots, stages })
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
            Storage::MemoryFlow(_) => {
                ("apalis-workflow", "none", "all steps in one tokio task".into())
            }
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
        if self.stages > 1 {
            for task in tasks {
                match &mut self.storage {
                    Storage::MemoryFlow(storage) => storage.push_start(task).await?,
                    Storage::Sqlite(storage, _) => storage.push_start(task).await?,
                    Storage::Postgres(storage) => storage.push_start(task).await?,
                    Storage::Memory { .. } => return Err("it runs no flows".into()),
                }
            }
            return Ok(());
        }
        while !tasks.is_empty() {
            let rest = tasks.split_off(tasks.len().min(BATCH));
            match &mut self.storage {
                Storage::Memory { .. } | Storage::MemoryFlow(_) => {
                    return Err("the storage works already".into());
                }
                Storage::Sqlite(storage, _) => storage.push_bulk(tasks).await?,
                Storage::Postgres(storage) => storage.push_bulk(tasks).await?,
            }
            tasks = rest;
        }
        Ok(())
    }

    async fn submit(&mut self, task: Noop) -> Result<()> {
        match &mut self.storage {
            Storage::Memory { .. } | Storage::MemoryFlow(_) => {
                return Err("its storage cannot be shared".into());
            }
            Storage::Sqlite(storage, _) => storage.push(task).await?,
            Storage::Postgres(storage) => storage.push(task).await?,
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let (slots, is_flow) = (self.slots, self.stages > 1);
        macro_rules! work {
            ($backend:expr, $run:expr) => {{
                let worker = WorkerBuilder::new("bench").backend($backend).concurrency(slots);
                tokio::spawn(worker.parallelize(tokio::spawn).build($run).run());
            }};
        }
        macro_rules! flow {
            () => {{
                let flow = SteppedFlow::new("five-stages").and_then(pass).and_then(pass);
                flow.and_then(pass).and_then(pass).and_then(run)
            }};
        }
        match &mut self.storage {
            Storage::Memory { storage, parallel } => {
                let storage = storage.take().ok_or("it works already")?;
                if *parallel {
                    work!(storage, run);
                } else {
                    let worker = WorkerBuilder::new("bench").backend(storage).concurrency(slots);
                    tokio::spawn(worker.build(run).run());
                }
            }
            Storage::Sqlite(storage, listener) => {
                let listener = listener.take().ok_or("it works already")?;
                let strategy = Strategy::new().stream(listener).interval(POLL);
                let storage = storage.clone().poll_with_strategy(strategy);
                if is_flow { work!(storage, flow!()) } else { work!(storage, run) }
            }
            Storage::MemoryFlow(storage) => {
                let worker = WorkerBuilder::new("bench").backend(storage.clone());
                tokio::spawn(worker.concurrency(slots).build(flow!()).run());
            }
            Storage::Postgres(storage) => {
                let strategy = Strategy::new().interval(POLL);
                let storage = storage.clone().with_pubsub().poll_with_strategy(strategy);
                if is_flow { work!(storage, flow!()) } else { work!(storage, run) }
            }
        }
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        let count: i64 = match &self.storage {
            // Of flows it keeps what they return, and nothing lists that.
            Storage::Memory { .. } | Storage::MemoryFlow(_) => return Ok(peer::ran()),
            Storage::Sqlite(storage, _) => {
                let count = "SELECT count(*) FROM Jobs WHERE status = 'Done'";
                sqlx::query_scalar(count).fetch_one(storage.pool()).await?
            }
            Storage::Postgres(storage) => {
                let count = "SELECT count(*) FROM apalis.jobs WHERE status = 'Done'";
                sqlx::query_scalar(count).fetch_one(storage.pool()).await?
            }
        };
        Ok(u64::try_from(count)? / self.stages)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Apalis>().await
}
