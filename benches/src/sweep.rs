//! What changes with the number of stages, the size of payloads, of the backlog, and of the fleet.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use artos_core::{
    Client, Pipeline, Queue, Runtime, StageContext, StageResult, Task, TaskHandle, stage_fn,
};
use serde::{Deserialize, Serialize};

use crate::{
    load::{self, Noop, all_completed, submit_batches},
    plot::Plot,
    report::{FIGURES, Stopwatch, bar, memory_bytes},
    stores::{AnyStore, Opened, StoreChoice},
};

/// A task that carries a text from stage to stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Carry(String);

impl Task for Carry {
    const KIND: &'static str = "bench.carry";
    type Output = Self;
}

async fn carry(_: StageContext, task: Carry) -> StageResult<Carry> {
    Ok(task)
}

/// Stages and payload bytes of each point, and how many tasks make it.
const PIPELINES: [(usize, usize, u64); 9] = [
    (1, 100, 100_000),
    (5, 100, 40_000),
    (20, 100, 10_000),
    (100, 100, 4_000),
    (1, 10_000, 20_000),
    (5, 10_000, 5_000),
    (20, 10_000, 2_000),
    (1, 1_000_000, 400),
    (5, 1_000_000, 100),
];

/// Runs pipelines of several lengths with payloads of several sizes.
pub(crate) async fn pipelines(choice: StoreChoice, svg: Option<&Path>) -> anyhow::Result<()> {
    let mut plot = Plot::new("Stages per second", "stages of a task", "stages/s");
    for (stages, bytes, tasks) in PIPELINES {
        let rate = pipeline(choice, stages, bytes, tasks).await?;
        plot.point(&format!("{bytes} bytes"), stages as f64, rate * stages as f64);
    }
    plot.write(svg)
}

/// Runs tasks of so many stages, each with a payload of so many bytes; tasks per second.
pub(crate) async fn pipeline(
    choice: StoreChoice,
    stages: usize,
    bytes: usize,
    tasks: u64,
) -> anyhow::Result<f64> {
    let Opened { store, place: _place } = choice.open().await?;
    let client = Client::new(store.clone());
    let text = "x".repeat(bytes);
    for _ in 0..tasks.div_ceil(100) {
        let batch = (0..tasks.min(100)).map(|_| Carry(text.clone()));
        client.submit_many(batch).await?;
    }
    let watch = Stopwatch::start()?;
    let runtime = carrying(store, stages)?.start().await?;
    let tasks = tasks.div_ceil(100) * tasks.min(100);
    all_completed(&client, tasks).await?;
    let what = format!("pipeline, {choice}, {stages} stages, payloads of {bytes} bytes: tasks");
    let rate = watch.rate(&what, tasks)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(rate)
}

fn carrying(store: AnyStore, stages: usize) -> anyhow::Result<artos_core::RuntimeBuilder> {
    let mut pipeline = Pipeline::new("stage-0", stage_fn(carry));
    for number in 1..stages {
        // A program has as many names as it has; this one lives for one run.
        let name = String::leak(format!("stage-{number}"));
        pipeline = pipeline.then(name, stage_fn(carry));
    }
    Ok(Runtime::builder(store).queue(Queue::new("default").concurrency(256)).register(pipeline))
}

/// Runs the same number of tasks while more and more others wait behind them.
pub(crate) async fn backlog(
    choice: StoreChoice,
    sizes: &[u64],
    svg: Option<&Path>,
) -> anyhow::Result<()> {
    let mut plot = Plot::new("Tasks per second by backlog", "tasks queued", "tasks/s");
    for &size in sizes {
        let behind = behind(choice, size).await?;
        plot.point(&choice.to_string(), size as f64, behind.rate);
    }
    plot.write(svg)
}

/// What was measured with a backlog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    /// Bytes of memory that each queued task takes.
    pub(crate) each: f64,
    /// Tasks finished per second, of the first.
    pub(crate) rate: f64,
    /// The 99th percentile of reading a status, in microseconds.
    pub(crate) read: f64,
}

/// Reads some states of a backlog, and runs its first tasks.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn behind(choice: StoreChoice, size: u64) -> anyhow::Result<Behind> {
    let Opened { store, place: _place } = choice.open().await?;
    let client = Client::new(store.clone());
    let before = memory_bytes()?;
    let filled = fill(&client, size).await?;
    let each = memory_bytes()?.saturating_sub(before) as f64 / size as f64;
    FIGURES.note(&format!("backlog of {size}, {choice}: memory"), each, "bytes per task");
    let mut reads = Vec::new();
    for task in filled.iter().cycle().take(READS) {
        let started = Instant::now();
        task.record().await?;
        reads.push(started.elapsed().as_secs_f64() * 1e6);
    }
    reads.sort_unstable_by(f64::total_cmp);
    let read = reads.get(READS * 99 / 100).copied().unwrap_or(f64::NAN);
    FIGURES.note(&format!("backlog of {size}, {choice}: status reads, p99"), read, "us");
    let tasks = size.min(RUN_OF_BACKLOG);
    let watch = Stopwatch::start()?;
    let runtime = load::runtime(store, 256, 1).start().await?;
    load::completed_at_least(&client, tasks).await?;
    let rate = watch.rate(&format!("backlog of {size}, {choice}: the first {tasks}"), tasks)?;
    drop(runtime);
    Ok(Behind { each, rate, read })
}

/// How many states are read.
const READS: usize = 2_000;

/// How many tasks of a backlog are run.
const RUN_OF_BACKLOG: u64 = 10_000;

/// Queues tasks; returns a thousand of them, from all over.
async fn fill(client: &Client, size: u64) -> anyhow::Result<Vec<TaskHandle<Noop>>> {
    let bar = bar("queued", size);
    let mut kept = Vec::new();
    let step = (size / 1_000).max(1);
    for start in (0..size).step_by(usize::try_from(step)?) {
        let end = (start + step).min(size);
        kept.extend(submit_batches(client, start..end, 500).await?.pop());
        bar.set_position(end);
    }
    bar.finish_and_clear();
    Ok(kept)
}

/// Runs the same tasks on one runtime, two, and more, which share a store.
pub(crate) async fn scale(
    choice: StoreChoice,
    runtimes_max: usize,
    tasks: u64,
    svg: Option<&Path>,
) -> anyhow::Result<()> {
    let mut plot = Plot::new("Tasks per second by runtimes", "runtimes", "tasks/s");
    for count in 1..=runtimes_max {
        let Opened { store, place: _place } = choice.open().await?;
        let client = Client::new(store.clone());
        fill(&client, tasks).await?;
        let watch = Stopwatch::start()?;
        let mut runtimes = Vec::new();
        for _ in 0..count {
            runtimes.push(load::runtime(store.clone(), 256, 1).start().await?);
        }
        all_completed(&client, tasks).await?;
        let rate = watch.rate(&format!("scale, {choice}, {count} runtimes"), tasks)?;
        plot.point(&choice.to_string(), count as f64, rate);
        for runtime in runtimes {
            runtime.shutdown(Duration::from_secs(5)).await?;
        }
    }
    plot.write(svg)
}
