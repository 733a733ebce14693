//! Submitted by one process, started in another, beside what a single commit takes on that server.

use std::{
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use artos_core::{Client, Pipeline, Queue, Runtime, StageContext, StageResult, Task, stage_fn};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use super::{connect, server};
use crate::report::{FIGURES, percentiles};

/// Answers when it started, in microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct WhatTime;

impl Task for WhatTime {
    const KIND: &'static str = "bench.what-time";
    type Output = u64;
}

/// Submits tasks one after the other, and prints how long each took to start elsewhere. A start
/// takes two commits, one after the other: the submission's and the claim's.
pub(super) async fn run(tasks: u64) -> anyhow::Result<()> {
    let server = server()?;
    let store = connect(&server.url()).await?;
    let mut node = Command::new(std::env::current_exe()?)
        .args(["postgres", "node", &server.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = node.stdout.take().context("no pipe")?;
    let ready = BufReader::new(stdout).lines().next_line().await?;
    ensure!(ready.as_deref() == Some("ready"), "the node does not work: {ready:?}");
    let client = Client::new(store);
    let mut floor = Floor::new(&server.url()).await?;
    let (mut starts, mut submits, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for task in 0..tasks {
        // Not in step with anything: neither claims nor hints are under way.
        tokio::time::sleep(Duration::from_millis(20 + task * 7 % 31)).await;
        commits.push(floor.commit().await?);
        tokio::time::sleep(Duration::from_millis(20 + task * 11 % 31)).await;
        let asked = micros();
        let handle = client.submit(WhatTime).await?;
        submits.push(since(asked));
        starts.push(handle.wait().await?.saturating_sub(asked) as f64 / 1e3);
    }
    drop(node.stdin.take());
    ensure!(node.wait().await?.success(), "the node failed");
    println!("{tasks} tasks, each on an idle queue:");
    say("from before the submit to the start in another process", &starts);
    say("of it, until the submit was acknowledged", &submits);
    say("on the same server, one insert of one row by bare SQL", &commits);
    Ok(())
}

/// Prints how long something took.
fn say(what: &str, took: &[f64]) {
    for (name, at) in percentiles(took) {
        FIGURES.note(&format!("  {what}, {name}"), at, "ms");
    }
}

/// What a commit takes that does nothing else.
struct Floor(PgConnection);

impl Floor {
    async fn new(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        let table = "CREATE TABLE floor (number bigint)";
        sqlx::raw_sql(table).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    async fn commit(&mut self) -> anyhow::Result<f64> {
        let asked = micros();
        sqlx::query("INSERT INTO floor VALUES (1)").execute(&mut self.0).await?;
        Ok(since(asked))
    }
}

/// Returns how many milliseconds ago that was.
fn since(asked: u64) -> f64 {
    micros().saturating_sub(asked) as f64 / 1e3
}

/// Works until the input ends.
pub(super) async fn node(url: &str) -> anyhow::Result<()> {
    async fn what_time(_: StageContext, _: WhatTime) -> StageResult<u64> {
        Ok(micros())
    }
    let runtime = Runtime::builder(connect(url).await?)
        .queue(Queue::new("default").concurrency(8))
        .register(Pipeline::new("look", stage_fn(what_time)))
        .start()
        .await?;
    println!("ready");
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "two processes compare what their clock says")]
fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_micros().try_into().unwrap_or(u64::MAX)
}
