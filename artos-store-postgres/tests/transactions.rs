//! Tasks that are submitted within a transaction of the caller's own.

mod fixture;

use std::time::Duration;

use artos_core::{
    Client, ListQuery, Name, SubmitError, Task, TaskState,
    notify::Topic,
    store::{StoreError, TaskStore as _},
};
use sqlx::Connection as _;

use fixture::Schema;

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt(u32);

impl Task for Receipt {
    const KIND: &'static str = "receipt";
    type Output = ();
}

#[tokio::test]
async fn a_task_exists_once_its_transaction_has_committed() {
    let schema = Schema::new();
    let store = schema.connect().await;
    let client = Client::new(store.clone());
    let mut changes = store.changes(Topic::Queue(Name::from_static("default")));
    let mut connection = schema.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let receipt = client.submit(Receipt(1)).label("order", "7");
    let task = receipt.within(store.join(&mut transaction)).await.unwrap();
    assert!(task.record().await.is_err(), "nobody sees it before the commit");
    transaction.commit().await.unwrap();
    assert_eq!(task.record().await.unwrap().state, TaskState::Pending);
    tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap();
}

#[tokio::test]
async fn a_task_goes_with_its_transaction() {
    let schema = Schema::new();
    let store = schema.connect().await;
    let client = Client::new(store.clone());
    let mut connection = schema.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let receipt = client.submit(Receipt(1)).idempotency_key("order-1");
    receipt.within(store.join(&mut transaction)).await.unwrap();
    transaction.rollback().await.unwrap();
    let page = client.list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.tasks, []);
    client.submit(Receipt(1)).idempotency_key("order-1").await.unwrap();
}

#[tokio::test]
async fn keys_count_within_transactions_too() {
    let schema = Schema::new();
    let store = schema.connect().await;
    let client = Client::new(store.clone());
    let first = client.submit(Receipt(1)).idempotency_key("k").await.unwrap();
    let mut connection = schema.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let again = client.submit(Receipt(1)).idempotency_key("k");
    let again = again.within(store.join(&mut transaction)).await.unwrap();
    assert_eq!(again.id(), first.id());
    let other = client.submit(Receipt(2)).idempotency_key("k");
    let other = other.within(store.join(&mut transaction)).await;
    assert!(matches!(other, Err(SubmitError::IdempotencyConflict { .. })));
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_cannot_see_what_is_in_the_way_is_told() {
    let schema = Schema::new();
    let store = schema.connect().await;
    let client = Client::new(store.clone());
    let mut connection = schema.connection().await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    let mut transaction = connection.begin_with(begin).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut *transaction).await.unwrap();
    sqlx::raw_sql("SELECT txid_current_snapshot()").execute(&mut *transaction).await.unwrap();
    client.submit(Receipt(1)).idempotency_key("k").await.unwrap();
    let again = client.submit(Receipt(1)).idempotency_key("k");
    let again = again.within(store.join(&mut transaction)).await;
    let Err(SubmitError::Store(error)) = again else { panic!("{again:?}") };
    assert!(matches!(*error, StoreError::Invalid { .. } | StoreError::Unavailable { .. }));
}

#[tokio::test]
async fn an_acknowledged_task_waits_for_the_disk_whatever_the_session_says() {
    let schema = Schema::new();
    let store = schema.connect().await;
    let client = Client::new(store.clone());
    let mut connection = schema.connection().await;
    sqlx::query("SET synchronous_commit = off").execute(&mut connection).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    client.submit(Receipt(1)).within(store.join(&mut transaction)).await.unwrap();
    let setting: String =
        sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(setting, "on");
    transaction.commit().await.unwrap();
}
