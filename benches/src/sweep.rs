//! What changes with the number of stages, the size of payloads, of the backlog, and of the fleet.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use artos_core::{
    Client, Pipeline, Queue, Runtime, StageContext, StageResult, Task, TaskHandle, stage_fn,
};
use serde::{Deserialize, Serialize};

use crate::{
    load::{self, Noop, all_completed, submit_batches},
    plot::Plot,
    report::{FIGURES, Stopwatch, bar, median, memory_bytes},
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

/// Reads some states of a backlog, and runs its first tasks, several times over.
pub(crate) async fn behind(choice: StoreChoice, size: u64) -> anyhow::Result<Behind> {
    let Opened { store, place: _place } = choice.open().await?;
    let client = Client::new(store.clone());
    let before = memory_bytes()?;
    let mut queued = Queued::default();
    queued.up_to(&client, size).await?;
    let each = memory_bytes()?.saturating_sub(before) as f64 / size as f64;
    FIGURES.note(&format!("backlog of {size}, {choice}: memory"), each, "bytes per task");
    let read = read_p99(&queued).await?;
    FIGURES.note(&format!("backlog of {size}, {choice}: status reads, p99"), read, "us");
    let (mut rates, mut completed) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        queued.up_to(&client, completed + size).await?;
        let Some((last, until)) = queued.before(completed + size.min(RUN_OF_BACKLOG)) else {
            bail!("found a backlog of {size}, expected at least {STEP}");
        };
        let watch = Stopwatch::start()?;
        let runtime = load::runtime(store.clone(), 256, 1).start().await?;
        last.wait().await?;
        let what = format!("backlog of {size}, {choice}: its first tasks");
        rates.push(watch.rate(&what, until - completed)?);
        // Others before it may end a moment later.
        load::completed_at_least(&client, until).await?;
        runtime.shutdown(Duration::from_secs(5)).await?;
        completed = load::completed_at_least(&client, until).await?;
    }
    Ok(Behind { each, rate: median(&rates), read })
}

/// The states of how many tasks are read, each twice; of ten thousand tasks as of a million.
const READ: usize = 1_000;

/// How often the first tasks are run.
const ROUNDS: usize = 5;

/// How many tasks of a backlog are run in a round.
const RUN_OF_BACKLOG: u64 = 10_000;

/// Of so many queued tasks, one is kept to wait for.
const STEP: u64 = 500;

/// Tasks that were queued, the first ones first.
#[derive(Default)]
struct Queued {
    tasks: u64,
    /// The last of every five hundred.
    kept: Vec<TaskHandle<Noop>>,
    sample: Sample,
}

/// Tasks from all over, in order.
struct Sample {
    tasks: Vec<TaskHandle<Noop>>,
    /// Of how many tasks one is here.
    each: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self { tasks: Vec::new(), each: 10 }
    }
}

impl Sample {
    /// Adds a part of the tasks that come next, of which the first has this number.
    fn extend(&mut self, tasks: Vec<TaskHandle<Noop>>, first: u64) {
        let numbered = (first..).zip(tasks);
        let chosen = numbered.filter(|(number, _)| number.is_multiple_of(self.each));
        self.tasks.extend(chosen.map(|(_, task)| task));
        if self.tasks.len() >= 2 * READ {
            let mut is_kept = false;
            self.tasks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.each *= 2;
        }
    }

    /// Returns as many as are read.
    fn spread(&self) -> impl Iterator<Item = &TaskHandle<Noop>> + Clone {
        self.tasks.iter().step_by((self.tasks.len() / READ).max(1)).take(READ)
    }
}

impl Queued {
    /// Queues tasks until so many have been.
    async fn up_to(&mut self, client: &Client, tasks: u64) -> anyhow::Result<()> {
        let bar = bar("queued", tasks);
        while self.tasks < tasks {
            let end = self.tasks + STEP;
            let mut tasks = submit_batches(client, self.tasks..end, STEP).await?;
            self.kept.extend(tasks.pop());
            self.sample.extend(tasks, self.tasks);
            self.tasks = end;
            bar.set_position(end);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Returns a task that was among the first so many, and how many were queued up to it.
    fn before(&self, tasks: u64) -> Option<(&TaskHandle<Noop>, u64)> {
        let steps = tasks / STEP;
        let task = self.kept.get(usize::try_from(steps).ok()?.checked_sub(1)?)?;
        Some((task, steps * STEP))
    }
}

/// Reads the states of tasks from all over; the 99th percentile, in microseconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn read_p99(queued: &Queued) -> anyhow::Result<f64> {
    let mut reads = Vec::new();
    let tasks = queued.sample.spread();
    for task in tasks.clone().chain(tasks) {
        let started = Instant::now();
        task.record().await?;
        reads.push(started.elapsed().as_secs_f64() * 1e6);
    }
    reads.sort_unstable_by(f64::total_cmp);
    Ok(reads.get(reads.len() * 99 / 100).copied().unwrap_or(f64::NAN))
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
        Queued::default().up_to(&client, tasks).await?;
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
