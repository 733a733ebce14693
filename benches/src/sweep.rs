//! What changes with the number of stages, the size of payloads, and of the fleet.

use std::{path::Path, time::Duration};

use anyhow::ensure;
use artos_core::{
    Client, Pipeline, Queue, Runtime, RuntimeBuilder, StageContext, StageResult, Task, stage_fn,
};
use serde::{Deserialize, Serialize};

use crate::{
    load::{self, all_completed, wait_in_turn},
    plot::Plot,
    queued::Queued,
    report::Stopwatch,
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

/// Which pipelines are run.
#[derive(Debug, clap::Args)]
pub(crate) struct Pipelines {
    /// How many stages the tasks have, each number with each of `--bytes`.
    #[arg(long, value_delimiter = ',', default_value = "1,5,20,100")]
    stages: Vec<usize>,
    /// Bytes of their payloads.
    #[arg(long, value_delimiter = ',', default_value = "100,10000,1000000")]
    bytes: Vec<usize>,
    /// How many tasks; unless it is given, as many as take some seconds.
    #[arg(long)]
    tasks: Option<u64>,
    /// How many run at a time.
    #[arg(long, default_value_t = load::SLOTS)]
    slots: usize,
}

/// Most tasks, stages and bytes of checkpoints that make a point, unless somebody asks for more.
const TASKS_MAX: u64 = 100_000;
const STAGES_MAX: u64 = 200_000;
const BYTES_MAX: u64 = 200_000_000;

/// How many tasks take some seconds.
fn enough(stages: usize, bytes: usize) -> u64 {
    let (stages, bytes) = (stages as u64, bytes as u64);
    (STAGES_MAX / stages).min(BYTES_MAX / (stages * bytes)).clamp(4, TASKS_MAX)
}

/// Runs pipelines of several lengths with payloads of several sizes.
pub(crate) async fn pipelines(
    choice: StoreChoice,
    asked: Pipelines,
    svg: Option<&Path>,
) -> anyhow::Result<()> {
    let Pipelines { stages, bytes, tasks, slots } = asked;
    let is_good = !stages.contains(&0) && !bytes.contains(&0) && tasks != Some(0);
    ensure!(is_good, "found 0 stages, bytes or tasks, expected at least 1");
    let mut plot = Plot::new("Stages per second", "stages of a task", "stages/s");
    for bytes in bytes {
        for &stages in &stages {
            let tasks = tasks.unwrap_or_else(|| enough(stages, bytes));
            let rate = pipeline(choice, Carrying { stages, bytes, tasks, slots }).await?;
            plot.point(&format!("{bytes} bytes"), stages as f64, rate * stages as f64);
        }
    }
    plot.write(svg)
}

/// Tasks of so many stages, each with a payload of so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carrying {
    pub(crate) stages: usize,
    pub(crate) bytes: usize,
    pub(crate) tasks: u64,
    pub(crate) slots: usize,
}

/// Most tasks that are submitted together.
const BATCH: u64 = 100;

/// Runs tasks that wait already; how many each second.
pub(crate) async fn pipeline(choice: StoreChoice, work: Carrying) -> anyhow::Result<f64> {
    let Carrying { stages, bytes, tasks, slots } = work;
    let Opened { store, place: _place } = choice.open().await?;
    let client = Client::new(store.clone());
    let text = "x".repeat(bytes);
    let mut last = Vec::new();
    let mut left = tasks;
    while left > 0 {
        let batch = left.min(BATCH);
        let texts = (0..batch).map(|_| Carry(text.clone()));
        last.extend(client.submit_many(texts).await?.pop());
        left -= batch;
    }
    let watch = Stopwatch::start()?;
    let runtime = carrying(store, stages, slots).start().await?;
    wait_in_turn(&last, tasks).await?;
    all_completed(&client, tasks).await?;
    let what = format!("pipeline, {choice}, {stages} stages, payloads of {bytes} bytes: tasks");
    let rate = watch.rate(&what, tasks)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(rate)
}

fn carrying(store: AnyStore, stages: usize, slots: usize) -> RuntimeBuilder {
    let mut pipeline = Pipeline::new("stage-0", stage_fn(carry));
    for number in 1..stages {
        // A program has as many names as it has; this one lives for one run.
        let name = String::leak(format!("stage-{number}"));
        pipeline = pipeline.then(name, stage_fn(carry));
    }
    Runtime::builder(store).queue(Queue::new("default").concurrency(slots)).register(pipeline)
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
        let mut queued = Queued::default();
        queued.up_to(&client, tasks).await?;
        let (last, tasks) = queued.all();
        let watch = Stopwatch::start()?;
        let mut runtimes = Vec::new();
        for _ in 0..count {
            runtimes.push(load::runtime(store.clone(), load::SLOTS, 1).start().await?);
        }
        wait_in_turn(last, tasks).await?;
        all_completed(&client, tasks).await?;
        let rate = watch.rate(&format!("scale, {choice}, {count} runtimes"), tasks)?;
        plot.point(&choice.to_string(), count as f64, rate);
        for runtime in runtimes {
            runtime.shutdown(Duration::from_secs(5)).await?;
        }
    }
    plot.write(svg)
}
