//! What the log says about attempts that a store did not take until their leases had lapsed.
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
    support::{Count, Faults, FaultyStore, SECOND, runtime, signals, store},
};

#[tokio::test(start_paused = true)]
async fn each_attempt_that_could_not_be_settled_is_logged_with_the_store_s_error() {
    let lines = Lines::collect(LevelFilter::ERROR);
    let (sender, mut started) = signals();
    let (proceed, going) = tokio::sync::watch::channel(false);
    let stage = move |_: StageContext, Count(number): Count| {
        sender.send(()).ok();
        let mut going = going.clone();
        async move {
            going.wait_for(|go| *go).await.ok();
            StageResult::Ok(number)
        }
    };
    let store = FaultyStore::new(store());
    let runtime = runtime(store.clone())
        .register(Pipeline::new("wait", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    runtime.client().submit_many((0..20).map(Count)).await.unwrap();
    for _ in 0..20 {
        started.recv().await.unwrap();
    }
    Faults::set(&store.faults.down, true);
    Faults::set(&store.faults.slow_settles, true);
    proceed.send(true).unwrap();
    // Longer than their leases.
    tokio::time::sleep(60 * SECOND).await;

    let text = lines.text();
    let unsettled = text.lines().filter(|line| line.contains("the attempt could not be settled"));
    let (told, untold): (Vec<_>, Vec<_>) =
        unsettled.partition(|line| line.contains("the store is unavailable: told to fail"));
    assert_eq!((told.len(), untold), (20, vec![]));
}
