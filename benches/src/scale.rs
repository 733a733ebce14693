//! What a store costs that holds much: memory, time to open, speed, room on disk.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use artos_core::{Client, ListQuery, store::TaskStore as _};
use artos_store_sled::{Durability, SledStore, offline};

use crate::{
    load::{self, Steady},
    report::{self, FIGURES, Stopwatch},
    stores::{Opened, StoreChoice, open_sled},
};

/// Bytes of a mebibyte.
const MIB: f64 = 1_048_576.0;

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
    FIGURES.note("on disk", report::folder_bytes(&path)? as f64 / MIB, "MiB");
    let run = if ended { 0 } else { tasks.min(RUN) };
    itself("reopen", &path, &["--run", &run.to_string()])
}

/// Runs a command of this program on a store, in a process of its own, and takes its figures over.
fn itself(command: &str, path: &Path, options: &[&str]) -> anyhow::Result<()> {
    let found = tempfile::NamedTempFile::new()?;
    let mut program = Command::new(std::env::current_exe()?);
    program.arg("--json").arg(found.path()).arg(command).arg(path).args(options);
    let status = program.status().context("starting a process of its own")?;
    ensure!(status.success(), "`{command}` ended with {status}");
    FIGURES.adopt(found.path())
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
        let handles = load::submit_batches(&client, next..end, 500).await?;
        if let Some(last) = handles.last() {
            last.wait().await?;
        }
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
    let what = format!("opened with {} tasks, {} of them pending", counts.total(), counts.pending);
    FIGURES.note(&what, opened.as_secs_f64(), "s");
    FIGURES.note("memory once it is open", memory as f64 / MIB, "MiB");
    if run > 0 {
        let watch = Stopwatch::start()?;
        let client = Client::new(store.clone());
        let runtime = load::runtime(std::sync::Arc::new(store), load::SLOTS, 1).start().await?;
        load::completed_at_least(&client, counts.completed + run).await?;
        watch.report("run, 256 slots, outlives power cuts", run)?;
        let memory = report::memory_bytes()?.saturating_sub(before);
        FIGURES.note("memory once they ran", memory as f64 / MIB, "MiB");
        runtime.shutdown(Duration::from_secs(5)).await?;
    }
    Ok(())
}

/// Submits and runs tasks for a while, keeps them for a short time, and watches the room they take.
pub(crate) async fn steady(choice: StoreChoice, load: Steady, keep: u64) -> anyhow::Result<()> {
    let Opened { store, place } = choice.open().await?;
    let folder = place.folder();
    let on_disk = || folder.as_deref().map(report::folder_bytes).transpose();
    let runtime = load::runtime(store, load::SLOTS, 1)
        .retention(artos_core::Retention::all(Duration::from_secs(keep)))
        // Tasks go about when their time is over, so that what is kept stays about the same.
        .prune_interval(Duration::from_secs(keep.div_ceil(20)))
        .start()
        .await?;
    let client = runtime.client();
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    let look = async |elapsed: Duration, submitted: u64| {
        let kept = client.list(&query).await?.counts.unwrap_or_default().total();
        let memory = report::memory_bytes()? >> 20;
        let disk = on_disk()?.map_or_else(String::new, |disk| format!(", {} on disk", disk >> 20));
        let seconds = elapsed.as_secs();
        println!("{seconds:>5} s: {submitted} submitted, {kept} kept, {memory} MiB{disk}");
        Ok(())
    };
    load.run(&client, look).await?;
    let what = format!("{} tasks/s for {} s, {choice}", load.rate, load.seconds);
    let kept = client.list(&query).await?.counts.unwrap_or_default().total();
    FIGURES.note(&format!("{what}: kept"), kept as f64, "tasks");
    FIGURES.note(&format!("{what}: memory"), report::memory_bytes()? as f64 / MIB, "MiB");
    // While it is open and busy; closing it makes a snapshot, and cleans up.
    let on_disk = on_disk()?;
    drop(client);
    runtime.shutdown(Duration::from_secs(5)).await?;
    if let (Some(folder), Some(on_disk)) = (&folder, on_disk) {
        let held = offline::info(folder)?.live_bytes;
        FIGURES.note(&format!("{what}: on disk"), on_disk as f64 / MIB, "MiB");
        FIGURES.note(&format!("{what}: rows and payloads"), held as f64 / MIB, "MiB");
        FIGURES.note(&format!("{what}: of these on disk"), on_disk as f64 / held as f64, "");
    }
    Ok(())
}
