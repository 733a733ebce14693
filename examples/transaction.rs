//! A task that exists if and only if an order does: both are in one transaction, in one Postgres.
//!
//! It uses the database at `DATABASE_URL`, or starts a private server for as long as it runs.

use std::time::Duration;

use artos_core::{Client, Pipeline, Runtime, StageContext, StageResult, Task, stage_fn};
use artos_store_postgres::PostgresStore;
use sqlx::{PgPool, postgres::PgPoolOptions};

#[derive(serde::Serialize, serde::Deserialize)]
struct SendReceipt {
    order: i64,
}

impl Task for SendReceipt {
    const KIND: &'static str = "receipt.send";
    type Output = String;
}

async fn send(_: StageContext, SendReceipt { order }: SendReceipt) -> StageResult<String> {
    Ok(format!("sent the receipt of order {order}"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = match std::env::var("DATABASE_URL") {
        Ok(url) => url,
        Err(_) => String::from(artos_test_postgres::url()),
    };
    let pool = PgPoolOptions::new().max_connections(5).connect(&url).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY)").execute(&pool).await?;

    // This process serves. Another one, or several, would work; here it is the same one.
    let store = PostgresStore::connect(&url).await?;
    let client = Client::new(store.clone());
    let worker = Runtime::builder(PostgresStore::connect(&url).await?)
        .register(Pipeline::new("send", stage_fn(send)))
        .start()
        .await?;

    let number = order(&pool, &client, &store, Outcome::Commit).await?;
    println!("order {number} was made, and its receipt is on its way");
    let number = order(&pool, &client, &store, Outcome::RollBack).await?;
    println!("order {number} was not made, and nobody will send a receipt");
    worker.shutdown(Duration::from_secs(10)).await?;
    Ok(())
}

/// How a transaction ends.
#[derive(PartialEq, Eq)]
enum Outcome {
    Commit,
    RollBack,
}

/// Makes an order together with the task that sends its receipt.
async fn order(
    pool: &PgPool,
    client: &Client,
    store: &PostgresStore,
    outcome: Outcome,
) -> anyhow::Result<i64> {
    let mut transaction = pool.begin().await?;
    let insert = "INSERT INTO orders SELECT COALESCE(max(id), 0) + 1 FROM orders RETURNING id";
    let order: i64 = sqlx::query_scalar(insert).fetch_one(&mut *transaction).await?;
    let receipt = client.submit(SendReceipt { order });
    let task = receipt.within(store.join(&mut transaction)).await?;
    if outcome == Outcome::Commit {
        transaction.commit().await?;
        println!("{}", task.wait().await?);
    } else {
        transaction.rollback().await?;
        anyhow::ensure!(client.get(task.id()).await?.is_none(), "the task outlived its order");
    }
    Ok(order)
}
