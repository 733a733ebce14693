//! Behind a pgbouncer in transaction mode, where each transaction may go to another session.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod fixture;

use std::{sync::Arc, time::Duration};

use artos_core::{
    Client, ListQuery, Runtime, Submission,
    store::{Part, TaskStore as _},
};
use artos_store_conformance::{HarnessFactory, cases};
use artos_store_postgres::PostgresStore;
use artos_test_postgres::Pooler;
use sqlx::Connection as _;

use fixture::{Double, Node, Schema, pipeline};

/// Fewer than callers, so that sessions go from hand to hand.
const SESSIONS: u32 = 2;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The parts of the contract that have a statement each.
const CORE: [&str; 8] =
    ["insert", "idempotency", "claim", "settle", "heartbeat", "rescue", "prune", "cancel"];

fn pooler() -> Arc<Pooler> {
    Arc::new(Pooler::start(artos_test_postgres::url(), SESSIONS).unwrap())
}

async fn connect(pooler: &Pooler, schema: &Schema) -> PostgresStore {
    let builder = PostgresStore::builder(pooler.url(artos_test_postgres::url()));
    let builder = builder.schema(&schema.name).call_deadline(PATIENCE);
    builder.behind_transaction_pooling().connect().await.unwrap()
}

#[test]
fn the_core_of_the_contract_is_kept() {
    let pooler = pooler();
    let factory = HarnessFactory::new(move || {
        let pooler = Arc::clone(&pooler);
        async move {
            let schema = Schema::new();
            let store = connect(&pooler, &schema).await;
            Node::of(store, schema)
        }
    });
    let core = cases().into_iter().filter(|case| CORE.contains(&case.topic()));
    let mut count = 0;
    for case in core {
        case.run(&factory);
        count += 1;
    }
    assert!(count > 50, "only {count} cases were found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_share_sessions_do_not_run_each_others_statements() {
    let pooler = pooler();
    let (here, there) = (Schema::new(), Schema::new());
    let stores = [connect(&pooler, &here).await, connect(&pooler, &there).await];
    let calls = (0..400_u32).map(|number| {
        let store = stores[number as usize % 2].clone();
        async move {
            let client = Client::new(store.clone());
            let task = client.submit(Double(number)).await.unwrap();
            let found = store.get(task.id(), Part::Input).await.unwrap().unwrap();
            assert_eq!(found.payload.unwrap(), number.to_string());
            let query = ListQuery { limit: 3, counts: true, ..ListQuery::default() };
            client.list(&query).await.unwrap();
        }
    });
    tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await.unwrap();
    for store in stores {
        let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
        let counts = Client::new(store).list(&query).await.unwrap().counts.unwrap();
        assert_eq!(counts.pending, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_works_and_a_submission_joins_a_transaction() {
    let (pooler, schema) = (pooler(), Schema::new());
    let store = connect(&pooler, &schema).await;
    let runtime = Runtime::builder(store.clone())
        .poll_interval(Duration::from_millis(50))
        .register(pipeline());
    let runtime = runtime.start().await.unwrap();
    let client = Client::new(store.clone());
    let tasks: Vec<_> = (0..200).map(|number| Submission::new(Double(number))).collect();
    let handles = client.submit_many(tasks).await.unwrap();
    for (number, handle) in (0..).zip(handles) {
        let output = tokio::time::timeout(PATIENCE, handle.wait()).await.unwrap();
        assert_eq!(output.unwrap(), number * 2 + 1);
    }
    // A transaction that was begun by hand is not ended by what joins it.
    let url = pooler.url(artos_test_postgres::url());
    let options = url.parse::<sqlx::postgres::PgConnectOptions>().unwrap();
    let options = options.statement_cache_capacity(0);
    let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
    let lost = client.submit(Double(1)).within(store.join(&mut connection)).await.unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
    assert!(client.get(lost.id()).await.unwrap().is_none());
    runtime.shutdown(PATIENCE).await.unwrap();
}
