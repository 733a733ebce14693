//! What the log says about stages, and that it never says more than the store has acknowledged.
//!
//! A program of its own: which log statements are on is decided once in a process, and other tests
//! running at the same time would decide it for this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lines;

use std::time::Duration;

use artos_core::{
    Pipeline, ResultExt, Runtime, StageContext, StageError, StageResult, Task, stage_fn,
};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::LevelFilter;

use crate::lines::Lines;

#[derive(Serialize, Deserialize)]
struct Bake(u32);

impl Task for Bake {
    const KIND: &'static str = "bake";
    type Output = u32;
}

async fn knead(_: StageContext, task: Bake) -> StageResult<u32> {
    Ok(task.0)
}

async fn bake(context: StageContext, loaves: u32) -> StageResult<u32> {
    match loaves {
        0 => Err(StageError::fatal("no dough")),
        1 if context.attempt() == 1 => Err("the oven is cold").retry_after(Duration::ZERO),
        loaves => Ok(loaves),
    }
}

#[tokio::test]
async fn each_stage_that_starts_and_each_checkpoint_that_is_recorded_is_logged_in_order() {
    let lines = Lines::collect(LevelFilter::DEBUG);
    let runtime = Runtime::builder(MemoryStore::default())
        .register(Pipeline::new("knead", stage_fn(knead)).then("bake", stage_fn(bake)))
        .start()
        .await
        .unwrap();
    let good = runtime.client().submit(Bake(3)).await.unwrap();
    good.wait().await.unwrap();
    let bad = runtime.client().submit(Bake(0)).await.unwrap();
    bad.wait().await.unwrap_err();
    let slow = runtime.client().submit(Bake(1)).await.unwrap();
    slow.wait().await.unwrap();
    // The runtime may still have to say how the last attempt was settled.
    runtime.shutdown(Duration::from_secs(5)).await.unwrap();

    let text = lines.text();
    let begun = [
        ["stage started", "stage=knead attempt=1"],
        ["checkpoint recorded", "next_stage=bake"],
        ["stage started", "stage=bake attempt=1"],
    ];
    let completed = ["attempt settled", "outcome=complete state=completed"];
    let histories = [
        (good.id(), vec![completed]),
        (
            bad.id(),
            vec![
                ["attempt settled", "outcome=fail state=failed"],
                ["ERROR", "stage=\"bake\" attempt=1 cause=fatal error=\"no dough\""],
            ],
        ),
        (
            slow.id(),
            vec![
                ["attempt settled", "outcome=retry state=pending"],
                ["WARN", "attempt=1 cause=error error=\"the oven is cold\" again_in=0ns"],
                ["stage started", "stage=bake attempt=2"],
                completed,
            ],
        ),
    ];
    for (id, end) in histories {
        let id = format!("task_id={id}");
        let told: Vec<_> = text.lines().filter(|line| line.contains(&id)).collect();
        let expected = [begun.to_vec(), end].concat();
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (line, parts) in told.iter().zip(expected) {
            assert!(parts.iter().all(|part| line.contains(part)), "{parts:?}: {line}");
        }
    }
}
