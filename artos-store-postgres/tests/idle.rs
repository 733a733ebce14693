//! What a node with nothing to do asks of its server.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::time::Duration;

use artos_core::{Pipeline, Queue, Runtime, StageContext, StageResult, Task, stage_fn};
use artos_store_postgres::PostgresStore;
use artos_test_postgres::{Durability, Server};
use sqlx::{Connection as _, PgConnection};

/// For how long the node is watched, by the server's clock.
const SECONDS: usize = 20;

#[derive(serde::Serialize, serde::Deserialize)]
struct Nothing;

impl Task for Nothing {
    const KIND: &'static str = "nothing";
    type Output = ();
}

async fn nothing(_: StageContext, _: Nothing) -> StageResult<()> {
    Ok(())
}

/// Returns the statements that nodes have run so far, by the server's log.
fn statements(server: &Server) -> Vec<String> {
    let log = std::fs::read_to_string(server.log()).unwrap();
    let is_one = |line: &&str| {
        line.starts_with("artos:LOG:  execute ") || line.starts_with("artos:LOG:  statement: ")
    };
    log.lines().filter(is_one).map(String::from).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_node_runs_at_most_one_statement_a_second() {
    // Only a log of this server's own tells the statements of one node.
    let settings = ["log_statement=all", "log_line_prefix=%a:"];
    let server = Server::start_with(Durability::None, &settings).unwrap();
    let store = PostgresStore::connect(server.url()).await.unwrap();
    let runtime = Runtime::builder(store)
        .queue(Queue::new("default").concurrency(64))
        .queue(Queue::new("other").concurrency(64))
        .register(Pipeline::new("nothing", stage_fn(nothing)));
    let runtime = runtime.start().await.unwrap();
    // It has worked before, so it knows that there is nothing to wait for.
    runtime.client().submit(Nothing).await.unwrap().wait().await.unwrap();
    let mut clock = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query("SELECT pg_sleep(2)").execute(&mut clock).await.unwrap();
    let before = statements(&server);
    let sleep = sqlx::query("SELECT pg_sleep($1)").bind(SECONDS as f64);
    sleep.execute(&mut clock).await.unwrap();
    let after = statements(&server);
    let asked = after.get(before.len()..).unwrap_or_default();
    assert!(!before.is_empty(), "the server's log has no statement");
    assert!(asked.len() <= SECONDS, "{} statements:\n{}", asked.len(), asked.join("\n"));
    runtime.shutdown(Duration::from_secs(30)).await.unwrap();
}
