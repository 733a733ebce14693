//! Leases that are kept up: what a runtime believes of them decides what it starts and writes.

use artos_core::{
    Pipeline, Stage, StageContext, StageError, StageOptions, StageResult, TaskState, stage_fn,
};
use tokio::time::Instant;

use crate::support::{Count, Faults, FaultyStore, SECOND, increment, runtime, signals, store};

/// A stage that takes longer than a lease, and goes on.
async fn long(_: StageContext, Count(number): Count) -> StageResult<Count> {
    tokio::time::sleep(60 * SECOND).await;
    Ok(Count(number))
}

#[tokio::test(start_paused = true)]
async fn the_stage_after_one_that_outlasted_its_first_lease_starts_at_once() {
    let pipeline = Pipeline::new("long", stage_fn(long)).then("increment", stage_fn(increment));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let began = Instant::now();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    assert!(began.elapsed() <= 61 * SECOND, "it took {:?}", began.elapsed());
    assert_eq!(task.record().await.unwrap().attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_heard_of_its_cancel_has_its_lease_to_tidy_up() {
    let (heard, mut told) = signals();
    let tidy = move |cx: StageContext, _: Count| {
        let heard = heard.clone();
        async move {
            cx.cancelled().await;
            heard.send(()).ok();
            tokio::time::sleep(12 * SECOND).await;
            Err::<u64, _>(StageError::cancelled())
        }
    };
    let store = FaultyStore::new(store());
    Faults::set(&store.faults.no_heartbeats, true);
    let runtime = runtime(store.clone())
        .cancel_grace(60 * SECOND)
        .register(Pipeline::new("tidy", stage_fn(tidy).with(StageOptions::default())))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    // Until now, the lease is the one of the claim, which ends while the stage tidies up.
    tokio::time::sleep(29 * SECOND / 2).await;
    Faults::set(&store.faults.no_heartbeats, false);
    task.cancel().await.unwrap();
    told.recv().await.unwrap();
    // The answer that told of the cancel extended the lease, too: those that fail now end nothing.
    Faults::set(&store.faults.no_heartbeats, true);
    let heard_at = Instant::now();
    assert!(task.wait().await.is_err());
    assert!(heard_at.elapsed() <= 13 * SECOND, "it took {:?}", heard_at.elapsed());
    assert_eq!(task.record().await.unwrap().state, TaskState::Cancelled);
}
