//! graphile_worker: the Rust rewrite of Graphile Worker, with its local queue and batched ends, as
//! its own benchmark of throughput has them.
//!
//! It deletes what ended well, so what is no longer in its table did.

use std::{sync::Arc, time::Duration};

use graphile_worker::{
    Database, IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, Worker,
    WorkerContext, WorkerOptions, WorkerUtils,
};
use peer::{About, Noop, Peer, Result, Work};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Task(Noop);

impl TaskHandler for Task {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        peer::run(&self.0);
        Ok::<(), String>(())
    }
}

const SCHEMA: &str = "graphile_worker";
/// As its own benchmark has them.
const LOCAL_QUEUE: usize = 5_000;
const BATCH_DELAY: Duration = Duration::from_millis(5);
const POLL: Duration = Duration::from_millis(5);

struct Graphile {
    pool: PgPool,
    utils: WorkerUtils,
    worker: Arc<Worker>,
    slots: usize,
    submitted: u64,
}

impl Peer for Graphile {
    async fn open(work: &Work) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(20).connect(&work.place).await?;
        let utils = WorkerUtils::new(Database::from(pool.clone()), SCHEMA);
        utils.migrate().await?;
        let worker = WorkerOptions::default()
            .pg_pool(pool.clone())
            .schema(SCHEMA)
            .concurrency(work.slots)
            .poll_interval(POLL)
            .complete_job_batch_delay(BATCH_DELAY)
            .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE))
            .define_job::<Task>()
            .init()
            .await?;
        Ok(Self { pool, utils, worker: Arc::new(worker), slots: work.slots, submitted: 0 })
    }

    fn about(&self) -> About {
        About {
            name: "graphile_worker",
            version: peer::version(include_str!("../../Cargo.lock"), "graphile_worker"),
            durability: "the server's: each commit synced",
            settings: format!(
                "concurrency {}, local_queue {LOCAL_QUEUE}, \
                 complete_job_batch_delay {BATCH_DELAY:?}, poll_interval {POLL:?}",
                self.slots
            ),
        }
    }

    async fn submit_all(&mut self, tasks: Vec<Noop>) -> Result<()> {
        for tasks in tasks.chunks(1_000) {
            let specs = tasks.iter().map(|task| {
                Ok(RawJobSpec {
                    identifier: String::from(Task::IDENTIFIER),
                    payload: serde_json::to_value(task)?,
                    spec: JobSpec::default(),
                })
            });
            self.utils.add_raw_jobs(&specs.collect::<Result<Vec<_>>>()?).await?;
            self.submitted += tasks.len() as u64;
        }
        Ok(())
    }

    async fn submit(&mut self, task: Noop) -> Result<()> {
        self.utils.add_job(Task(task), JobSpec::default()).await?;
        self.submitted += 1;
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let worker = Arc::clone(&self.worker);
        tokio::spawn(async move { worker.run().await });
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        let count = "SELECT count(*) FROM graphile_worker._private_jobs";
        let left: i64 = sqlx::query_scalar(count).fetch_one(&self.pool).await?;
        Ok(self.submitted.saturating_sub(left.try_into()?))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Graphile>().await
}
