//! What changes with the number of tasks that wait.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use artos_core::{Client, TaskHandle};

use crate::{
    load::{self, Noop, submit_batches},
    plot::Plot,
    report::{FIGURES, Stopwatch, bar, median, memory_bytes, percentile},
    stores::{Opened, StoreChoice},
};

/// Runs the same number of tasks while more and more others wait behind them.
pub(crate) async fn backlog(
    choice: StoreChoice,
    sizes: &[u64],
    svg: Option<&Path>,
) -> anyhow::Result<()> {
    let mut plot = Plot::new("Tasks per second by backlog", "tasks queued", "tasks/s");
    for &size in sizes {
        let behind = behind(choice, size, load::SLOTS).await?;
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
pub(crate) async fn behind(choice: StoreChoice, size: u64, slots: usize) -> anyhow::Result<Behind> {
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
        let runtime = load::runtime(store.clone(), slots, 1).start().await?;
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
pub(crate) struct Queued {
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
    /// Queues tasks until so many have been, or a few more: whole steps.
    pub(crate) async fn up_to(&mut self, client: &Client, tasks: u64) -> anyhow::Result<()> {
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

    /// Returns the last task of each step, and how many were queued.
    pub(crate) fn all(&self) -> (&[TaskHandle<Noop>], u64) {
        (&self.kept, self.tasks)
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
    let mut took = Vec::new();
    let tasks = queued.sample.spread();
    for task in tasks.clone().chain(tasks) {
        let started = Instant::now();
        task.record().await?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(&took, 990))
}
