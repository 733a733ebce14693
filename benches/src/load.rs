//! No-op tasks through the whole runtime.

use std::time::{Duration, Instant};

use anyhow::ensure;
use artos_core::{
    Client, ListQuery, Pipeline, Queue, Runtime, RuntimeBuilder, StageContext, StageResult, Task,
    TaskHandle, stage_fn,
};
use serde::{Deserialize, Serialize};

use crate::{
    report::{Stopwatch, bar},
    stores::{AnyStore, Opened, StoreChoice},
};

/// How many tasks run at a time, unless somebody asks for another number.
pub(crate) const SLOTS: usize = 256;

/// A task with a payload of about 90 bytes, as peers' benchmarks carry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Noop {
    number: u64,
    customer: String,
    document: String,
}

impl Task for Noop {
    const KIND: &'static str = "bench.noop";
    type Output = Noop;
}

impl Noop {
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            customer: String::from("org-7f3a"),
            document: String::from("org-7f3a/documents/protocol.pdf"),
        }
    }
}

/// Runs a pipeline of no-ops.
pub(crate) fn runtime(store: AnyStore, slots: usize, stages: usize) -> RuntimeBuilder {
    async fn pass(_: StageContext, task: Noop) -> StageResult<Noop> {
        Ok(task)
    }
    const NAMES: [&str; 8] = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    let mut pipeline = Pipeline::new("zero", stage_fn(pass));
    for name in NAMES.into_iter().take(stages.saturating_sub(1)) {
        pipeline = pipeline.then(name, stage_fn(pass));
    }
    Runtime::builder(store).queue(Queue::new("default").concurrency(slots)).register(pipeline)
}

/// Waits for one task after another up to the last, and shows how far that is of so many tasks.
///
/// Of many, some are waited for: to ask for all, or for counts over and over, is work that the
/// store would do beside that which is measured.
pub(crate) async fn wait_in_turn<T: Task>(
    handles: &[TaskHandle<T>],
    tasks: u64,
) -> anyhow::Result<()> {
    let bar = bar("completed", tasks);
    let step = (handles.len() / WAITS_MAX).max(1);
    for (number, handle) in (1..).zip(handles) {
        if number % step == 0 || number == handles.len() {
            handle.wait().await?;
            bar.set_position(tasks * number as u64 / handles.len() as u64);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// About how many tasks are waited for, however many there are.
const WAITS_MAX: usize = 50;

/// Waits until every task is completed, by the store's own count.
pub(crate) async fn all_completed(client: &Client, tasks: u64) -> anyhow::Result<()> {
    let completed = completed_at_least(client, tasks).await?;
    ensure!(completed == tasks, "found {completed} completed tasks, expected {tasks}");
    Ok(())
}

/// Time between two looks at the counts.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until so many tasks are completed, or more; how many, by the store's own count.
pub(crate) async fn completed_at_least(client: &Client, tasks: u64) -> anyhow::Result<u64> {
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    loop {
        let counts = client.list(&query).await?.counts.unwrap_or_default();
        ensure!(counts.failed + counts.cancelled == 0, "some tasks failed: {counts:?}");
        if counts.completed >= tasks {
            return Ok(counts.completed);
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) async fn burn_down(
    choice: StoreChoice,
    tasks: u64,
    slots: usize,
    stages: usize,
) -> anyhow::Result<f64> {
    ensure!((1..=9).contains(&stages), "found {stages} stages, expected 1 to 9");
    let Opened { store, place: _place } = choice.open().await?;
    let client = Client::new(store.clone());
    let handles = submit_batches(&client, 0..tasks, 100).await?;
    let watch = Stopwatch::start()?;
    let runtime = runtime(store, slots, stages).start().await?;
    wait_in_turn(&handles, tasks).await?;
    all_completed(&client, tasks).await?;
    let what = format!("burn-down, {choice}, {stages} stages, {slots} slots");
    let rate = watch.rate(&what, tasks)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(rate)
}

/// How tasks are submitted and run at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submitting {
    pub(crate) tasks: u64,
    pub(crate) callers: u64,
    pub(crate) batch: u64,
    pub(crate) slots: usize,
}

/// A fixed load: so many tasks a second, for so many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady {
    pub(crate) seconds: u64,
    pub(crate) rate: u64,
    /// Seconds between two looks.
    pub(crate) look_every: u64,
}

impl Steady {
    /// Submits paced by the clock, so that what a slow moment misses is made up for; hands how many
    /// were submitted to each look.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) async fn run(
        self,
        client: &Client,
        mut look: impl AsyncFnMut(Duration, u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let (mut submitted, mut next_look) = (0, self.look_every);
        while started.elapsed() < Duration::from_secs(self.seconds) {
            let wanted = u64::try_from(started.elapsed().as_millis())? * self.rate / 1_000;
            // A batch at a time, so that a store that does not keep up shows in the numbers only.
            let end = wanted.min(submitted + 1_000);
            if submitted < end {
                drop(client.submit_many((submitted..end).map(Noop::new)).await?);
                submitted = end;
            }
            if end == wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if started.elapsed() > Duration::from_secs(next_look) {
                look(started.elapsed(), submitted).await?;
                next_look += self.look_every;
            }
        }
        Ok(())
    }
}

/// How many tasks were acknowledged, and how many completed, each second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) acknowledged: f64,
    pub(crate) completed: f64,
}

/// Submits and runs tasks at the same time.
pub(crate) async fn submit(choice: StoreChoice, load: Submitting) -> anyhow::Result<Rates> {
    let Submitting { tasks, callers, batch, slots } = load;
    let Opened { store, place: _place } = choice.open().await?;
    let runtime = runtime(store, slots, 1).start().await?;
    let client = runtime.client();
    let watch = Stopwatch::start()?;
    let share = tasks / callers;
    let submitting = (0..callers).map(|caller| {
        let client = client.clone();
        let numbers = caller * share..(caller + 1) * share;
        async move { submit_batches(&client, numbers, batch).await }
    });
    let submitted = futures::future::try_join_all(submitting).await?;
    let count = submitted.iter().map(Vec::len).sum::<usize>() as u64;
    let what = format!("submit, {choice}, {callers} callers, batches of {batch}, {slots} slots");
    let acknowledged = watch.rate(&format!("{what}: acknowledged"), count)?;
    let last: Vec<_> = submitted.into_iter().filter_map(|mut handles| handles.pop()).collect();
    wait_in_turn(&last, count).await?;
    all_completed(&client, count).await?;
    let completed = watch.rate(&format!("{what}: completed"), count)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(Rates { acknowledged, completed })
}

pub(crate) async fn submit_batches(
    client: &Client,
    numbers: std::ops::Range<u64>,
    batch: u64,
) -> anyhow::Result<Vec<TaskHandle<Noop>>> {
    let mut handles = Vec::new();
    let mut next = numbers.start;
    while next < numbers.end {
        let end = (next + batch).min(numbers.end);
        if batch == 1 {
            handles.push(client.submit(Noop::new(next)).await?);
        } else {
            handles.extend(client.submit_many((next..end).map(Noop::new)).await?);
        }
        next = end;
    }
    Ok(handles)
}
