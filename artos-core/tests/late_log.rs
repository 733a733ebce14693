//! What the log says when heartbeats come too late to keep leases.
//!
//! A program of its own: where the log goes is decided once in a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lines;
#[expect(dead_code, reason = "others need more of it")]
#[path = "it/support.rs"]
mod support;

use artos_core::{Pipeline, StageContext, StageResult, stage_fn};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    lines::Lines,
    support::{Count, SECOND, runtime, signals, store},
};

#[tokio::test(start_paused = true)]
async fn heartbeats_that_come_late_are_logged_with_what_to_do() {
    let lines = Lines::collect(LevelFilter::ERROR);
    let (sender, mut started) = signals();
    let stage = move |_: StageContext, _: Count| {
        sender.send(()).ok();
        std::future::pending::<StageResult<u64>>()
    };
    let runtime =
        runtime(store()).register(Pipeline::new("wait", stage_fn(stage))).start().await.unwrap();
    let submitted = runtime.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    // In time, again and again.
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(lines.text(), "");
    // As if a stage had kept the thread.
    tokio::time::advance(15 * SECOND).await;
    submitted.cancel().await.unwrap();
    submitted.wait().await.unwrap_err();

    let text = lines.text();
    assert!(text.contains("heartbeats come late") && text.contains("spawn_blocking"), "{text}");
}
