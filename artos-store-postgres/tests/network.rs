//! A network that loses, holds and resets: calls end in time, nothing is done twice, and a store
//! works again as soon as the network does.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod fixture;

use std::{net::SocketAddr, time::Duration};

use artos_core::{
    Client, Clock, Name, Pipeline, Random, Runtime, StageContext, StageResult, SystemClock, Task,
    TaskState, Timestamp,
    model::{Epoch, Lease, Outcome, Settlement, WorkerId},
    stage_fn,
    store::{Claim, Part, Settled, StoreError, TaskStore as _},
};
use artos_store_postgres::{PostgresStore, PostgresStoreBuilder};
use artos_test_postgres::{Proxy, Way};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, postgres::PgPoolOptions};

use fixture::Schema;

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(serde::Serialize, serde::Deserialize)]
struct Echo(u64);

impl Task for Echo {
    const KIND: &'static str = "echo";
    type Output = u64;
}

/// A schema, and a network between it and a store.
struct Far {
    schema: Schema,
    proxy: Proxy,
}

impl Far {
    async fn new() -> Self {
        let schema = Schema::new();
        schema.connect().await;
        let (_, place) = artos_test_postgres::url().split_once('@').unwrap();
        let host = place.split(['/', '?']).next().unwrap();
        let server: SocketAddr = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
        Self { schema, proxy: Proxy::start(server).await.unwrap() }
    }

    fn builder(&self) -> PostgresStoreBuilder {
        let url = self.proxy.url(artos_test_postgres::url());
        PostgresStore::builder(url).schema(&self.schema.name).without_notifications()
    }

    /// Connects a store through a pool that the test sees, with one connection.
    async fn pooled(&self) -> (PostgresStore, PgPool) {
        let url = self.proxy.url(artos_test_postgres::url());
        let options = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
        let pool = options.connect(&url).await.unwrap();
        let builder = PostgresStore::with_pool(pool.clone()).schema(&self.schema.name);
        let builder = builder.without_notifications().call_deadline(PATIENCE);
        (builder.connect().await.unwrap(), pool)
    }

    /// Loses replies from now on, once the connection has had all that it waits for.
    async fn lose_replies(&self, pool: &PgPool) {
        // A connection that goes back to its pool is asked whether it lives.
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        self.proxy.set(|weather| weather.replies = Way::Loses);
    }

    /// Waits until a condition of the tasks holds in the database, past the network.
    async fn until(&self, connection: &mut PgConnection, condition: &str) {
        let sql = format!("SELECT count(*) FROM \"{}\".tasks WHERE {condition}", self.schema.name);
        let found = async {
            loop {
                let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.clone()));
                if query.fetch_one(&mut *connection).await.unwrap() > 0 {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap();
    }
}

fn claim(worker: WorkerId) -> Claim {
    Claim { queue: Name::from("default"), worker, limit: 10, lease_for: PATIENCE * 10 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_whose_reply_got_lost_is_made_once_and_acknowledged() {
    let far = Far::new().await;
    let (store, pool) = far.pooled().await;
    let client = Client::new(store.clone());
    // The statement is prepared now, so that the next reply is the one of a commit.
    client.submit(Echo(1)).await.unwrap();
    let mut direct = far.schema.connection().await;
    far.lose_replies(&pool).await;
    let committed = async {
        far.until(&mut direct, "input = '2'").await;
        far.proxy.clear();
    };
    let (submitted, ()) = tokio::join!(client.submit(Echo(2)).send(), committed);
    assert!(!submitted.unwrap().replayed, "it is the task of this call");
    assert_eq!(client.list(&artos_core::ListQuery::default()).await.unwrap().tasks.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_and_a_settlement_whose_replies_got_lost_are_found_again() {
    let far = Far::new().await;
    let (store, pool) = far.pooled().await;
    Client::new(store.clone()).submit(Echo(1)).await.unwrap();
    let mut direct = far.schema.connection().await;
    let worker = Random::from_entropy().worker_id();
    let request = claim(worker);
    store.claim(&Claim { limit: 0, ..claim(worker) }).await.unwrap();
    far.lose_replies(&pool).await;
    let committed = async {
        far.until(&mut direct, "state = 1").await;
        far.proxy.clear();
    };
    let (claims, ()) = tokio::join!(store.claim(&request), committed);
    let claims = claims.unwrap().tasks;
    assert_eq!(claims.iter().map(|task| task.record.epoch.0).collect::<Vec<_>>(), [1]);

    let lease = claims[0].record.lease_token();
    let outcome = Outcome::Complete { output: "1".into() };
    let settlement = Settlement { lease, outcome, follow_ups: Vec::new() };
    let late = Lease { epoch: Epoch(7), ..lease };
    let refused = Settlement { lease: late, outcome: Outcome::Cancel, follow_ups: Vec::new() };
    assert_eq!(store.settle(&[refused]).await.unwrap(), [Settled::Stale]);
    far.lose_replies(&pool).await;
    let committed = async {
        far.until(&mut direct, "state = 2").await;
        far.proxy.clear();
    };
    let settlements = [settlement];
    let (settled, ()) = tokio::join!(store.settle(&settlements), committed);
    assert_eq!(settled.unwrap(), [Settled::Applied(TaskState::Completed)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_end_at_their_deadline_when_the_server_hangs_and_work_right_after_it() {
    let far = Far::new().await;
    let deadline = Duration::from_millis(300);
    let builder = far.builder().max_connections(3).call_deadline(deadline);
    let store = builder.connect().await.unwrap();
    far.proxy.set(|weather| (weather.requests, weather.replies) = (Way::Held, Way::Held));
    // More of them than there are connections: some never get one.
    let worker = Random::from_entropy().worker_id();
    let calls = (0..20).map(|_| {
        let store = store.clone();
        async move { store.claim(&claim(worker)).await }
    });
    let answers = tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await.unwrap();
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    }
    far.proxy.clear();
    // No connection that hung is in the way.
    let again = far.builder().call_deadline(PATIENCE).connect().await.unwrap();
    let id = Client::new(again).submit(Echo(1)).await.unwrap().id();
    let calls = (0..20).map(|_| store.get(id, Part::Record));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().any(Result::is_ok), "{answers:?}");
}

/// A clock that is wrong.
#[derive(Debug)]
struct Wrong {
    ahead: Duration,
    behind: Duration,
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let behind = i64::try_from(self.behind.as_micros()).unwrap();
        Timestamp::from_micros((SystemClock.now() + self.ahead).as_micros() - behind)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_of_nodes_that_are_an_hour_off_decide_nothing() {
    let schema = Schema::new();
    let (hour, none) = (Duration::from_secs(3_600), Duration::ZERO);
    let early = || Wrong { ahead: none, behind: hour };
    let late = || Wrong { ahead: hour, behind: none };
    async fn echo(_: StageContext, Echo(number): Echo) -> StageResult<u64> {
        Ok(number)
    }
    let mut nodes = Vec::new();
    for (number, clock) in [early(), late()].into_iter().enumerate() {
        let runtime = Runtime::builder(schema.connect().await)
            .deterministic(clock, Random::from_seed(number as u64))
            .register(Pipeline::new("echo", stage_fn(echo)));
        nodes.push(runtime.start().await.unwrap());
    }
    let store = schema.connect().await;
    for (seed, clock) in [(10, early()), (11, late())] {
        let client = Client::deterministic(store.clone(), clock, Random::from_seed(seed));
        let now = client.submit(Echo(seed)).await.unwrap();
        let later = client.submit(Echo(seed)).delay(hour * 2).await.unwrap();
        let output = tokio::time::timeout(PATIENCE, now.wait()).await.unwrap();
        assert_eq!(output.unwrap(), seed);
        let record = client.get(later.id()).await.unwrap().unwrap();
        assert_eq!(record.state, TaskState::Pending);
        // From the server's time, whatever the client's is.
        let wait = record.run_at.since(record.created_at);
        assert_eq!(wait, hour * 2);
    }
    for node in nodes {
        node.shutdown(PATIENCE).await.unwrap();
    }
}
