//! How long a task takes from its submission to its start and to its end.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use artos_core::{Pipeline, Queue, Runtime, Stage, StageContext, StageResult};
use tokio::sync::mpsc;

use crate::{
    load::Noop,
    report::{FIGURES, bar},
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

/// Submits one task after another, each when the one before is done; `load` others are submitted
/// each second meanwhile.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn measure(
    choice: StoreChoice,
    tasks: u64,
    load: u64,
) -> anyhow::Result<Vec<(String, f64)>> {
    let Opened { store, place: _place } = choice.open().await?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let runtime = Runtime::builder(store)
        .queue(Queue::new("default").concurrency(256))
        .register(Pipeline::new("tell", Tell(tell)))
        .start()
        .await?;
    let client = runtime.client();
    let others = client.clone();
    let pressing = async move {
        // Paced by the clock: what a slow moment misses is made up for.
        let (started, mut sent) = (Instant::now(), 0);
        if load == 0 {
            std::future::pending::<()>().await;
        }
        loop {
            let due = (started.elapsed().as_secs_f64() * load as f64) as u64;
            if due > sent {
                others.submit_many((sent..due).map(|one| Noop::new(OTHER + one))).await?;
                sent = due;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let asking = async {
        let (mut acknowledged, mut started, mut done) = (Vec::new(), Vec::new(), Vec::new());
        let bar = bar("submitted", tasks);
        for number in 0..tasks {
            // A moment of rest, so that everything has gone to sleep.
            tokio::time::sleep(Duration::from_millis(2)).await;
            let submitted = Instant::now();
            let task = client.submit(Noop::new(number)).await?;
            acknowledged.push(submitted.elapsed());
            let at = loop {
                let (other, at) = told.recv().await.context("the runtime is gone")?;
                if other == number {
                    break at;
                }
            };
            started.push(at.saturating_duration_since(submitted));
            task.wait().await?;
            done.push(submitted.elapsed());
            bar.inc(1);
        }
        bar.finish_and_clear();
        anyhow::Ok([("acknowledged", acknowledged), ("start", started), ("end read", done)])
    };
    let measured = tokio::select! {
        measured = asking => measured?,
        failed = pressing => return failed,
    };
    let loaded = if load == 0 { String::from("idle") } else { format!("{load} tasks/s") };
    let mut found = Vec::new();
    for (what, mut times) in measured {
        times.sort_unstable();
        let at = |part: f64| {
            let at = (times.len() as f64 * part) as usize;
            times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        for (name, part) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
            let long = format!("latency, {choice}, {loaded}: submit to {what}, {name}");
            let micros = at(part).as_secs_f64() * 1e6;
            FIGURES.note(&long, micros, "us");
            found.push((format!("{}_{name}_us", what.replace(' ', "_")), micros));
        }
    }
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(found)
}

/// Numbers of tasks that only make a load start here.
const OTHER: u64 = 1 << 40;
