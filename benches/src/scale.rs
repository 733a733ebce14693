//! What a sled store costs that holds much: memory, time to open, speed, room on disk.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use artos_core::{Client, ListQuery, store::TaskStore as _};
use artos_store_sled::{Durability, SledStore, offline};

use crate::{
    load,
    report::{self, Stopwatch},
    stores::open_sled,
};

/// Tasks that are run after a store was opened, to see how fast it is then.
const RUN: u64 = 50_000;

/// Fills a store with tasks that wait, or that ended; opens it, and runs some of those that wait.
///
/// Each step is a process of its own, so that none sees the memory of the one before.
pub(crate) fn fill_and_open(tasks: u64, ended: bool) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("store");
    let count = tasks.to_string();
    let fill = ["--tasks", &count, "--ended"];
    itself("fill", &path, fill.get(..if ended { 3 } else { 2 }).unwrap_or_default())?;
    println!("on disk: {} MiB", report::folder_bytes(&path)? >> 20);
    let run = if ended { 0 } else { tasks.min(RUN) };
    itself("reopen", &path, &["--run", &run.to_string()])
}

/// Runs a command of this program on a store, in a process of its own.
fn itself(command: &str, path: &Path, options: &[&str]) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let status = Command::new(program).arg(command).arg(path).args(options).status();
    let status = status.context("starting a process of its own")?;
    ensure!(status.success(), "`{command}` ended with {status}");
    Ok(())
}

/// Fills a store with tasks that wait, or that ended.
pub(crate) async fn fill(path: &Path, tasks: u64, ended: bool) -> anyhow::Result<()> {
    let store = open_sled(path, Durability::Process)?;
    let watch = Stopwatch::start()?;
    if !ended {
        load::submit_batches(&Client::new(store), 0..tasks, 500).await?;
        return watch.report("sled, submitted in batches of 500, to fill the store", tasks);
    }
    let runtime = load::runtime(store, 1_024, 1).start().await?;
    let client = runtime.client();
    let mut next = 0;
    while next < tasks {
        let end = (next + 20_000).min(tasks);
        load::submit_batches(&client, next..end, 500).await?;
        load::all_completed(&client, end).await?;
        next = end;
    }
    watch.report("sled, submitted and run, to fill the store", tasks)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

/// Opens a store and says what that costs, then runs some of its tasks.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn open(path: &Path, run: u64) -> anyhow::Result<()> {
    let before = report::memory_bytes()?;
    let started = Instant::now();
    let store = SledStore::open(path)?;
    let opened = started.elapsed();
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    let counts = store.list(&query).await?.counts.unwrap_or_default();
    let memory = report::memory_bytes()?.saturating_sub(before);
    println!(
        "opened in {opened:.3?} with {} tasks, {} of them pending; {} MiB of memory",
        counts.total(),
        counts.pending,
        memory >> 20
    );
    if run > 0 {
        let watch = Stopwatch::start()?;
        let client = Client::new(store.clone());
        let runtime = load::runtime(std::sync::Arc::new(store), 256, 1).start().await?;
        load::completed_at_least(&client, counts.completed + run).await?;
        watch.report("run, 256 slots, outlives power cuts", run)?;
        let memory = report::memory_bytes()?.saturating_sub(before);
        println!("{} MiB of memory then", memory >> 20);
        runtime.shutdown(Duration::from_secs(5)).await?;
    }
    Ok(())
}

/// Submits and runs tasks for a while, keeps them for a short time, and watches the room they take.
pub(crate) async fn steady(seconds: u64, keep: u64, rate: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("store");
    let store = open_sled(&path, Durability::Power)?;
    let runtime = load::runtime(store, 256, 1)
        .retention(artos_core::Retention::all(Duration::from_secs(keep)))
        // Tasks go about when their time is over, so that what is kept stays about the same.
        .prune_interval(Duration::from_secs(keep.div_ceil(20)))
        .start()
        .await?;
    let client = runtime.client();
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    let look = async |elapsed: Duration, submitted: u64| {
        let counts = client.list(&query).await?.counts.unwrap_or_default();
        println!(
            "{:>5} s: {submitted} submitted, {} kept, {} MiB on disk, {} in memory",
            elapsed.as_secs(),
            counts.total(),
            report::folder_bytes(&path)? >> 20,
            report::memory_bytes()? >> 20
        );
        Ok(())
    };
    load::Steady { seconds, rate, look_every: 10 }.run(&client, look).await?;
    // While it is open and busy; closing it makes a snapshot, and cleans up.
    let on_disk = report::folder_bytes(&path)?;
    drop(client);
    runtime.shutdown(Duration::from_secs(5)).await?;
    let held = offline::info(&path)?.live_bytes;
    #[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
    let ratio = on_disk as f64 / held as f64;
    println!(
        "after {seconds} s: {} MiB on disk hold {} MiB of rows and payloads: {ratio:.2} times that",
        on_disk >> 20,
        held >> 20
    );
    Ok(())
}
