//! What the log says when nothing runs any more because a runtime was dropped.
//!
//! A program of its own: where the log goes is decided once in a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lines;
#[expect(dead_code, reason = "others need more of it")]
#[path = "it/support.rs"]
mod support;

use tracing_subscriber::filter::LevelFilter;

use crate::{
    lines::Lines,
    support::{SECOND, runtime, store},
};

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_dropped_says_so_and_one_that_is_shut_down_does_not() {
    let lines = Lines::collect(LevelFilter::WARN);
    runtime(store()).start().await.unwrap().shutdown(SECOND).await.unwrap();
    assert_eq!(lines.text(), "");
    drop(runtime(store()).start().await.unwrap());
    let text = lines.text();
    assert!(text.contains("a runtime is dropped that was not shut down"), "{text}");
}
