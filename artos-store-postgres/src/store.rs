//! The store: each method is one operation over one connection, and then its hints.

use std::{fmt, sync::Arc, time::Duration};

use artos_core::{
    machine::Cancelled,
    model::{ListQuery, NewTask, Page, Retention, Settlement, TaskId},
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::DropGuard;

use crate::{
    Joined, PostgresStoreBuilder,
    call::Calls,
    hints::{News, Outbox, topic_of},
    operations::{Cancel, ClaimDue, Get, Heartbeat, Insert, List, Prune, Rescue, Settle},
    schema::Schema,
    statements::Statements,
};

/// Tasks pruned by one statement, so that no transaction is long.
const PRUNE_STEP: usize = 1_000;

/// Keeps tasks in a Postgres database. Clones share their connections.
///
/// See the [crate's documentation](crate) for what it promises.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

/// What clones of a store share. What it started ends with the last of them.
pub(crate) struct Shared {
    pub(crate) calls: Arc<Calls>,
    pub(crate) statements: Arc<Statements>,
    pub(crate) schema: Schema,
    pub(crate) hub: ChangeHub,
    pub(crate) outbox: Option<Arc<Outbox>>,
    pub(crate) channel: Option<String>,
    #[expect(dead_code, reason = "it stops the work in the background when it is dropped")]
    pub(crate) stop: DropGuard,
}

impl PostgresStore {
    /// Connects to the database at `url`, such as `postgres://user:password@host/database`, and
    /// migrates the schema `artos` in it if need be.
    ///
    /// # Errors
    ///
    /// As for [`PostgresStoreBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> StoreResult<Self> {
        Self::builder(url).connect().await
    }

    /// Starts to set options for a database.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::from_url(url.into())
    }

    /// Starts to set options for a database whose connections come from a pool of yours.
    pub fn with_pool(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::from_pool(pool)
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Joins a transaction of yours, to submit tasks that exist if and only if it commits.
    ///
    /// It has to be one of the same database. Its commit waits for the disk, whatever
    /// `synchronous_commit` was before. Tasks with idempotency keys may make it wait for another
    /// transaction that submits the same keys.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use artos_core::{Client, Task};
    /// # use artos_store_postgres::PostgresStore;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct SendReceipt { order: i64 }
    /// # impl Task for SendReceipt { const KIND: &'static str = "receipt.send"; type Output = (); }
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// # async fn order(pool: sqlx::PgPool, store: PostgresStore) -> Outcome {
    /// let client = Client::new(store.clone());
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("INSERT INTO orders (id) VALUES (7)").execute(&mut *transaction).await?;
    /// let receipt = client.submit(SendReceipt { order: 7 });
    /// receipt.within(store.join(&mut transaction)).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn join<'t>(&self, transaction: &'t mut PgConnection) -> Joined<'t> {
        let Shared { statements, channel, .. } = self.shared.as_ref();
        Joined::new(transaction, statements.within(), channel.clone())
    }

    /// Tells everybody what changed: at once here, and soon elsewhere.
    fn publish(&self, news: News) {
        news.publish(&self.shared.hub);
        if let Some(outbox) = &self.shared.outbox {
            outbox.put(news);
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.shared.schema.name())
            .field("connections", &self.shared.calls.connections.pool.size())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TaskStore for PostgresStore {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.shared.calls.run(Insert::new(&self.shared.statements, tasks)).await?;
        let mut news = News::default();
        for (task, _) in tasks.iter().zip(&answers).filter(|(_, a)| **a == Inserted::Created) {
            news.queue(&task.queue);
        }
        self.publish(news);
        Ok(answers)
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.shared.calls.run(Get { statements: &self.shared.statements, id, part }).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.shared.calls.run(List { statements: &self.shared.statements, query }).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        let statements = &self.shared.statements;
        let (call, _) = self.shared.calls.random.worker_id().as_uuid().as_u64_pair();
        let call = call.cast_signed();
        let operation = ClaimDue { statements, request, call, has_run: false };
        let claims = self.shared.calls.run(operation).await?;
        let tasks = claims.tasks.iter().map(|task| task.record.id).collect();
        self.publish(News { tasks, ..News::default() });
        Ok(claims)
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        let statements = &self.shared.statements;
        let pulses = self.shared.calls.run(Heartbeat { statements, lease_for, beats }).await?;
        let heard = beats
            .iter()
            .zip(&pulses)
            .filter(|(beat, pulse)| beat.progress.is_some() && **pulse != Pulse::Lost);
        let tasks = heard.map(|(beat, _)| beat.lease.task_id).collect();
        self.publish(News { tasks, ..News::default() });
        Ok(pulses)
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        let mut news = News::default();
        let operation = Settle::new(&self.shared.statements, settlements, &mut news);
        let answers = self.shared.calls.run(operation).await?;
        let applied = settlements
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| matches!(answer, Settled::Applied(_)));
        news.tasks.extend(applied.map(|(settlement, _)| settlement.lease.task_id));
        self.publish(news);
        Ok(answers)
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        let statements = &self.shared.statements;
        let cancelled = self.shared.calls.run(Cancel { statements, id }).await?;
        if matches!(cancelled, Cancelled::Now | Cancelled::Requested) {
            let cancellation = cancelled == Cancelled::Requested;
            self.publish(News { tasks: vec![id], cancellation, ..News::default() });
        }
        Ok(cancelled)
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        let mut news = News::default();
        let statements = &self.shared.statements;
        let operation = Rescue { statements, limit, news: &mut news };
        let rescued = self.shared.calls.run(operation).await?;
        news.tasks.extend(&rescued.tasks);
        self.publish(news);
        Ok(rescued)
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        let statements = &self.shared.statements;
        let mut count = 0;
        loop {
            let step = PRUNE_STEP.min(limit - count);
            let prune = Prune { statements, retention, limit: step };
            let pruned = self.shared.calls.run(prune).await?;
            count += pruned.count;
            if pruned.count < step || count == limit {
                return Ok(Pruned { count, ..pruned });
            }
        }
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.shared.hub.subscribe(topic_of(topic))
    }
}
