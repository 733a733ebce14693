//! The schema is made, by any number of nodes at once, and not touched when it is newer.

mod fixture;

use artos_core::{Client, ListQuery, Task, store::StoreError};
use artos_store_postgres::{Migrate, PostgresStore, migrations};
use sqlx::Row as _;

use fixture::Schema;

#[derive(serde::Serialize, serde::Deserialize)]
struct Nothing;

impl Task for Nothing {
    const KIND: &'static str = "nothing";
    type Output = ();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_may_migrate_at_once() {
    let schema = Schema::new();
    let mut connecting = tokio::task::JoinSet::new();
    for _ in 0..12 {
        connecting.spawn(schema.builder().connect());
    }
    for store in connecting.join_all().await {
        let store = store.unwrap();
        Client::new(store).submit(Nothing).await.unwrap();
    }
    let mut connection = schema.connection().await;
    let count = format!("SELECT count(*) FROM \"{}\".migrations", schema.name);
    let count = sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(&mut connection).await.unwrap();
    assert_eq!(count.get::<i64, _>(0), i64::from(migrations::latest()));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let schema = Schema::new();
    schema.connect().await;
    let newer = format!("INSERT INTO \"{}\".migrations (version) VALUES (1000)", schema.name);
    schema.execute(&newer).await;
    for migrate in [Migrate::WhenConnecting, Migrate::Never] {
        let refused = schema.builder().migrate(migrate).connect().await;
        let Err(StoreError::NewerFormat { found: 1_000, .. }) = refused else {
            panic!("{refused:?}")
        };
    }
}

#[tokio::test]
async fn a_missing_schema_is_refused_if_somebody_else_migrates() {
    let schema = Schema::new();
    let refused = schema.builder().migrate(Migrate::Never).connect().await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    // What this prints is what such a team runs.
    schema.execute(&migrations::sql(&schema.name, 0).unwrap()).await;
    let store = schema.builder().migrate(Migrate::Never).connect().await.unwrap();
    Client::new(store).submit(Nothing).await.unwrap();
}

#[tokio::test]
async fn a_role_with_few_rights_can_do_everything_but_migrate() {
    let schema = Schema::new();
    schema.connect().await;
    let role = format!("{}_role", schema.name);
    schema.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    // As in databases where nobody may do anything unless told so.
    let nobody = format!(
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA \"{0}\" FROM PUBLIC; \
         REVOKE ALL ON SCHEMA \"{0}\" FROM PUBLIC; \
         REVOKE ALL ON ALL TABLES IN SCHEMA \"{0}\" FROM PUBLIC",
        schema.name
    );
    schema.execute(&nobody).await;
    schema.execute(&migrations::grants(&schema.name, &role).unwrap()).await;
    let url = schema.url_as(&role, "secret");
    let store = PostgresStore::builder(url).schema(&schema.name).connect().await.unwrap();
    let client = Client::new(store);
    let task = client.submit(Nothing).label("a", "b").await.unwrap();
    task.cancel().await.unwrap();
    let other = Schema::new();
    let refused = PostgresStore::builder(schema.url_as(&role, "secret")).schema(&other.name);
    let refused = refused.connect().await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
}

#[tokio::test]
async fn two_schemas_of_one_database_know_nothing_of_each_other() {
    let (one, other) = (Schema::new(), Schema::named("odd \"name\" 报告"));
    let (here, there) = (Client::new(one.connect().await), Client::new(other.connect().await));
    here.submit(Nothing).idempotency_key("k").await.unwrap();
    assert_eq!(there.list(&ListQuery::default()).await.unwrap().tasks, []);
    there.submit(Nothing).idempotency_key("k").await.unwrap();
    assert_eq!(here.list(&ListQuery::default()).await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn a_name_that_postgres_would_cut_is_refused() {
    for name in [String::new(), "n".repeat(64), String::from("a\0b")] {
        let refused = PostgresStore::builder("postgres://nowhere").schema(name).connect().await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    }
}

#[test]
fn what_a_builder_shows_has_no_password() {
    let builder = PostgresStore::builder("postgres://app:hunter2@db/app?password=hunter2");
    assert!(!format!("{builder:?}").contains("hunter2"));
}
