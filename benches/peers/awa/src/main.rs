//! awa: its own storage engine in Postgres, which is its default.

use awa::{
    Client, InsertOpts, InsertParams, JobArgs, JobResult, JobState, QueueConfig, admin,
    insert_with, migrations,
};
use peer::{About, Noop, Peer, Result, Work};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};

#[derive(Debug, Serialize, Deserialize, JobArgs)]
struct Task {
    noop: Noop,
}

struct Awa {
    pool: PgPool,
    slots: u32,
    client: Option<Client>,
}

impl Peer for Awa {
    async fn open(work: &Work) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(20).connect(&work.place).await?;
        migrations::run(&pool).await?;
        Ok(Self { pool, slots: work.slots.try_into()?, client: None })
    }

    fn about(&self) -> About {
        About {
            name: "awa",
            version: peer::version(include_str!("../Cargo.lock"), "awa"),
            durability: "the server's: each commit synced",
            settings: format!("max_workers {}, 20 connections", self.slots),
        }
    }

    async fn submit_all(&mut self, tasks: Vec<Noop>) -> Result<()> {
        for tasks in tasks.chunks(1_000) {
            let params = tasks.iter().map(|noop| {
                let task = Task { noop: noop.clone() };
                let opts = InsertOpts::default();
                Ok(InsertParams { kind: task.kind_str().into(), args: task.to_args()?, opts })
            });
            let params = params.collect::<Result<Vec<_>>>()?;
            // Its staging table is emptied at the end of each transaction.
            let mut transaction = self.pool.begin().await?;
            awa::insert_many_copy(&mut transaction, &params).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn submit(&mut self, noop: Noop) -> Result<()> {
        insert_with(&self.pool, &Task { noop }, InsertOpts::default()).await?;
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let queue = QueueConfig { max_workers: self.slots, ..QueueConfig::default() };
        let client = Client::builder(self.pool.clone())
            .queue("default", queue)
            .register::<Task, _, _>(|task, _| async move {
                peer::run(&task.noop);
                Ok(JobResult::Completed)
            })
            .build()?;
        client.start().await?;
        self.client = Some(client);
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        let counts = admin::state_counts(&self.pool).await?;
        Ok(counts.get(&JobState::Completed).copied().unwrap_or(0).try_into()?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Awa>().await
}
