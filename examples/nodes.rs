//! Several processes share the work of one Postgres: this program starts itself again as workers,
//! kills one of them, and every task is finished all the same.
//!
//! It uses the database at `DATABASE_URL`, or starts a private server for as long as it runs.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use artos_core::{Client, Pipeline, Queue, Runtime, StageContext, StageResult, Task, stage_fn};
use artos_store_postgres::PostgresStore;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// Answers which process ran it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Square(u64);

impl Task for Square {
    const KIND: &'static str = "square";
    type Output = (u64, u32);
}

async fn square(_: StageContext, Square(number): Square) -> StageResult<(u64, u32)> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok((number * number, std::process::id()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(url) = std::env::args().nth(1) {
        return work(&url).await;
    }
    let url = match std::env::var("DATABASE_URL") {
        Ok(url) => url,
        Err(_) => String::from(artos_test_postgres::url()),
    };
    let client = Client::new(PostgresStore::connect(&url).await?);
    let (mut first, _second) = (start_worker(&url).await?, start_worker(&url).await?);
    let tasks = client.submit_many((0..100).map(Square)).await?;
    // A few are done, and a few are running.
    let mut handles = tasks.into_iter().enumerate();
    for (number, task) in handles.by_ref().take(10) {
        anyhow::ensure!(task.wait().await?.0 == (number * number) as u64);
    }
    first.kill().await?;
    println!("one of two workers was killed; what it was doing is leased again in two seconds");
    let mut by = BTreeMap::<u32, u32>::new();
    for (number, task) in handles {
        let (square, worker) = task.wait().await?;
        anyhow::ensure!(square == (number * number) as u64);
        *by.entry(worker).or_default() += 1;
    }
    println!("all are done; of the last 90, by process: {by:?}");
    Ok(())
}

async fn start_worker(url: &str) -> anyhow::Result<Child> {
    let mut worker = Command::new(std::env::current_exe()?)
        .arg(url)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(output) = worker.stdout.take() {
        BufReader::new(output).lines().next_line().await?;
    }
    Ok(worker)
}

/// Works until it is killed.
async fn work(url: &str) -> anyhow::Result<()> {
    let _runtime = Runtime::builder(PostgresStore::connect(url).await?)
        .queue(Queue::new("default").concurrency(4))
        .lease_duration(Duration::from_secs(2))
        .register(Pipeline::new("square", stage_fn(square)))
        .start()
        .await?;
    println!("ready");
    std::future::pending().await
}
