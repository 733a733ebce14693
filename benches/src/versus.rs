//! The stores beside their ceilings, in turns in one run.

use anyhow::{bail, ensure};
use bytes::Bytes;

use crate::{
    ceiling::{
        self,
        sled::{Inserts, Raw, TASK_BYTES},
    },
    load::{self, Noop, Submitting},
    postgres,
    report::{FIGURES, Stopwatch, median},
    stores::StoreChoice,
};

/// Runs what is written by hand beside a store; tasks per second.
pub(crate) async fn ceiling(
    choice: StoreChoice,
    tasks: u64,
    slots: usize,
    stages: usize,
) -> anyhow::Result<f64> {
    match choice {
        StoreChoice::Memory => hand_written(tasks, slots, stages, By::Pool).await,
        StoreChoice::Sled => {
            let inserts = Inserts::Before;
            Raw { tasks, group: slots, bytes: TASK_BYTES, stages, inserts }.run()
        }
        StoreChoice::SledProcess => bail!("what outlives only the process has no ceiling here"),
        StoreChoice::Postgres => {
            ensure!(stages == 1, "found {stages} stages, expected 1: bare SQL has no pipelines");
            let rate = postgres::bare_alone(tasks)?;
            FIGURES.note("ceiling, bare SQL by pgbench, one stage", rate, "tasks/s");
            Ok(rate)
        }
    }
}

/// The sled store beside raw sled: as many bytes and syncs, and groups as large as the slots.
pub(crate) async fn sled(tasks: u64, turns: usize, slots: usize) -> anyhow::Result<()> {
    let mut ceilings = Vec::new();
    let (mut completed, mut acknowledged, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let whole = Submitting { tasks, callers: 64, batch: 100, slots };
        let rates = load::submit(StoreChoice::Sled, whole).await?;
        let inserts = Inserts::Meanwhile;
        let ceiling = Raw { tasks, group: slots, bytes: TASK_BYTES, stages: 1, inserts }.run()?;
        let single = Submitting { tasks: tasks / 4, callers: 256, batch: 1, slots };
        acknowledged.push(load::submit(StoreChoice::Sled, single).await?.acknowledged);
        ratios.push(rates.completed / ceiling);
        completed.push(rates.completed);
        ceilings.push(ceiling);
    }
    println!("medians of {turns}, with what is acknowledged outliving power cuts:");
    FIGURES.note("raw sled, an insert, a claim and an end", median(&ceilings), "tasks/s");
    FIGURES.note("artos, submitted, run and completed", median(&completed), "tasks/s");
    FIGURES.note("  in proportion to raw sled", median(&ratios), "");
    FIGURES.note("artos, 256 callers one by one, acknowledged", median(&acknowledged), "tasks/s");
    Ok(())
}

/// The memory store beside a queue written by hand, in turns.
pub(crate) async fn memory(
    tasks: u64,
    turns: usize,
    slots: usize,
    stages: usize,
) -> anyhow::Result<()> {
    let mut rates = [(); 4].map(|()| Vec::new());
    let [ours, spawned, pooled, typed] = &mut rates;
    for _ in 0..turns {
        ours.push(load::burn_down(StoreChoice::Memory, tasks, slots, stages).await?);
        spawned.push(hand_written(tasks, slots, stages, By::Spawning).await?);
        pooled.push(hand_written(tasks, slots, stages, By::Pool).await?);
        typed.push(hand_written(tasks, slots, stages, By::PoolWithJson).await?);
    }
    let [ours, spawned, pooled, typed] = rates.map(|rates| median(&rates));
    println!(
        "medians of {turns}, {tasks} tasks of {stages} stages, {slots} at a time, not durable:"
    );
    let note = |what: &str, rate: f64| {
        FIGURES.note(what, rate, "tasks/s");
        FIGURES.note(&format!("  artos in proportion to {what}"), ours / rate, "");
    };
    FIGURES.note("artos, memory store", ours, "tasks/s");
    note("channel and map by hand, a tokio task for each", spawned);
    note("channel and map by hand, a tokio task for each slot", pooled);
    note("the same, with payloads read and written as JSON", typed);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Spawning,
    Pool,
    PoolWithJson,
}

/// Runs the queue that is written by hand; tasks per second.
pub(crate) async fn hand_written(
    tasks: u64,
    slots: usize,
    stages: usize,
    by: By,
) -> anyhow::Result<f64> {
    let inputs = (0..tasks).map(|number| serde_json::to_vec(&Noop::new(number)).map(Bytes::from));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let filled = ceiling::memory::fill(inputs.into_iter());
    let pass = move |payload: Bytes| {
        if by != By::PoolWithJson {
            return payload;
        }
        let task = serde_json::from_slice::<Noop>(&payload).ok();
        serde_json::to_vec(&task).unwrap_or_default().into()
    };
    let watch = Stopwatch::start()?;
    let (what, completed) = match by {
        By::Spawning => {
            ("a tokio task for each", ceiling::memory::run(filled, slots, stages, pass).await)
        }
        By::Pool | By::PoolWithJson => (
            "a tokio task for each slot",
            ceiling::memory::run_pool(filled, slots, stages, pass).await,
        ),
    };
    ensure!(completed as u64 == tasks, "found {completed} completed tasks, expected {tasks}");
    let json = if by == By::PoolWithJson { ", JSON" } else { "" };
    watch.rate(&format!("ceiling, channel and map by hand, {what}{json}, {stages} stages"), tasks)
}
