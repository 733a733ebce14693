//! How long a task takes from its submission to its start and to its end.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use artos_core::{Client, Pipeline, Queue, Runtime, Stage, StageContext, StageResult};
use tokio::sync::mpsc;

use crate::{
    load::Noop,
    report::{FIGURES, bar, percentiles},
    stores::{Opened, StoreChoice},
};

/// Tells when it starts.
struct Tell(mpsc::UnboundedSender<(u64, Instant)>);

impl Stage for Tell {
    type Input = Noop;
    type Output = Noop;

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn run(&self, _: &StageContext, task: Noop) -> StageResult<Noop> {
        let _ = self.0.send((task.number(), Instant::now()));
        Ok(task)
    }
}

/// Submits one task after another, each when the one before has ended and some milliseconds have
/// passed since its start; `load` others are submitted each second meanwhile.
#[expect(clippy::disallowed_methods, reason = "the callers of a service are tasks of their own")]
pub(crate) async fn measure(
    choice: StoreChoice,
    tasks: u64,
    load: u64,
    slots: usize,
) -> anyhow::Result<Vec<(String, f64)>> {
    let Opened { store, place: _place } = choice.open().await?;
    let (tell, told) = mpsc::unbounded_channel();
    let runtime = Runtime::builder(store)
        .queue(Queue::new("default").concurrency(slots))
        .register(Pipeline::new("tell", Tell(tell)))
        .start()
        .await?;
    let client = runtime.client();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Whoever submits is a task of tokio, as handlers of a service are.
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, told, tasks).await }
    });
    let measured = tokio::select! {
        measured = asking => measured??,
        failed = press(&client, load) => return Err(failed),
    };
    let loaded = if load == 0 { String::from("idle") } else { format!("{load} tasks/s") };
    let mut found = Vec::new();
    for (what, micros) in measured {
        for (name, at) in percentiles(&micros) {
            let long = format!("latency, {choice}, {loaded}: submit to {what}, {name}");
            FIGURES.note(&long, at, "us");
            found.push((format!("{}_{name}_us", what.replace(' ', "_")), at));
        }
    }
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(found)
}

/// A rest in which everything goes to sleep, in step with nothing. The programs in `benches/peers`
/// rest as long.
pub(crate) const fn rest(number: u64) -> Duration {
    Duration::from_millis(5 + number * 7 % 11)
}

/// What was waited for, and how many microseconds each task took until then.
type Moment = (&'static str, Vec<f64>);

/// Submits the tasks that are measured.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn ask(
    client: &Client,
    mut told: mpsc::UnboundedReceiver<(u64, Instant)>,
    tasks: u64,
) -> anyhow::Result<[Moment; 3]> {
    let micros = |took: Duration| took.as_secs_f64() * 1e6;
    let (mut acknowledged, mut started, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    let bar = bar("submitted", tasks);
    for number in 0..tasks {
        let submitted = Instant::now();
        let task = client.submit(Noop::new(number)).await?;
        acknowledged.push(micros(submitted.elapsed()));
        let at = loop {
            let (other, at) = told.recv().await.context("the runtime is gone")?;
            if other == number {
                break at;
            }
        };
        started.push(micros(at.saturating_duration_since(submitted)));
        let end = async { task.wait().await.map(|_| submitted.elapsed()) };
        let (end, ()) = tokio::join!(end, tokio::time::sleep(rest(number)));
        ended.push(micros(end?));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok([("acknowledged", acknowledged), ("start", started), ("end read", ended)])
}

/// Submits so many others each second, paced by the clock: what a slow moment misses is made up
/// for. Returns why that failed.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn press(client: &Client, load: u64) -> anyhow::Error {
    if load == 0 {
        std::future::pending::<()>().await;
    }
    let (started, mut sent) = (Instant::now(), 0);
    loop {
        let due = (started.elapsed().as_secs_f64() * load as f64) as u64;
        if due > sent {
            let others = (sent..due).map(|one| Noop::new(OTHER + one));
            if let Err(error) = client.submit_many(others).await {
                return error.into();
            }
            sent = due;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Numbers of tasks that only make a load start here.
const OTHER: u64 = 1 << 40;
