//! underway: steps in Postgres, each a row of its own that the step before inserts.
//!
//! A worker goes through what waits already one by one, so there are several, as its documentation
//! says to have more.

use std::sync::Arc;

use peer::{About, Noop, Peer, Result, Work};
use sqlx::{PgPool, postgres::PgPoolOptions};
use underway::{Job, To};

const CONNECTIONS: u32 = 60;

struct Underway {
    pool: PgPool,
    job: Arc<Job<Noop, ()>>,
    slots: usize,
    stages: i64,
}

impl Peer for Underway {
    const PIPELINES: bool = true;

    async fn open(work: &Work) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&work.place).await?;
        underway::run_migrations(&pool).await?;
        let last = |_, task: Noop| async move {
            peer::run(&task);
            To::done()
        };
        let job = Job::<Noop, ()>::builder();
        let job = if work.stages() == 1 {
            job.step(last).name("noop").pool(pool.clone()).build().await?
        } else {
            job.step(|_, task: Noop| async move { To::next(task) })
                .step(|_, task: Noop| async move { To::next(task) })
                .step(|_, task: Noop| async move { To::next(task) })
                .step(|_, task: Noop| async move { To::next(task) })
                .step(last)
                .name("noop")
                .pool(pool.clone())
                .build()
                .await?
        };
        let stages = i64::try_from(work.stages())?;
        Ok(Self { pool, job: Arc::new(job), slots: work.slots, stages })
    }

    fn about(&self) -> About {
        About {
            name: "underway",
            version: peer::version(include_str!("../Cargo.lock"), "underway"),
            durability: "the server's: each commit synced",
            settings: format!("{} workers, {CONNECTIONS} connections", self.slots),
        }
    }

    async fn submit_all(&mut self, tasks: Vec<Noop>) -> Result<()> {
        // Its step in bulk makes no state that a job's first step reads, so these go one by one.
        for task in tasks {
            self.job.enqueue(&task).await?;
        }
        Ok(())
    }

    async fn submit(&mut self, task: Noop) -> Result<()> {
        self.job.enqueue(&task).await?;
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        for _ in 0..self.slots {
            let worker = self.job.worker();
            tokio::spawn(async move { worker.run().await });
        }
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        // Each step is a row.
        let count = "SELECT count(*) FROM underway.task WHERE state = 'succeeded'";
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&self.pool).await?;
        Ok((rows / self.stages).try_into()?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Underway>().await
}
