//! A runtime that goes away in the middle, and the one that goes on.

use artos_core::{Pipeline, StageContext, StageResult, stage_fn};
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Count, SECOND, runtime, signals, store};

/// Five stages that note their names; the third waits for ever where `hold` says so.
fn five_stages(runs: &UnboundedSender<&'static str>, hold: bool) -> Pipeline<Count, u64> {
    let noted = |name: &'static str, hold: bool| {
        let runs = runs.clone();
        move |_: StageContext, number: u64| {
            runs.send(name).ok();
            async move {
                if hold {
                    std::future::pending::<()>().await;
                }
                StageResult::Ok(number * 10 + 1)
            }
        }
    };
    let first = noted("one", false);
    Pipeline::new("one", stage_fn(move |cx, Count(number): Count| first(cx, number)))
        .then("two", stage_fn(noted("two", false)))
        .then("three", stage_fn(noted("three", hold)))
        .then("four", stage_fn(noted("four", false)))
        .then("five", stage_fn(noted("five", false)))
}

#[tokio::test(start_paused = true)]
async fn a_task_dropped_in_stage_three_is_finished_elsewhere_from_stage_three() {
    let store = store();
    let (runs, mut started) = signals();
    let first = runtime(store.clone()).register(five_stages(&runs, true)).start().await.unwrap();
    let task = first.client().submit(Count(0)).await.unwrap();
    for name in ["one", "two", "three"] {
        assert_eq!(started.recv().await.unwrap(), name);
    }
    drop(first);
    let dropped = tokio::time::Instant::now();

    let second = runtime(store).register(five_stages(&runs, false)).start().await.unwrap();
    let task = second.client().attach::<Count>(task.id()).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 11_111);
    assert!(dropped.elapsed() < 30 * SECOND, "the orphan waited for {:?}", dropped.elapsed());
    let mut rest = Vec::new();
    while let Ok(name) = started.try_recv() {
        rest.push(name);
    }
    assert_eq!(rest, ["three", "four", "five"]);
}

#[tokio::test(start_paused = true)]
async fn the_attempt_of_a_runtime_that_died_is_charged() {
    let store = store();
    let (runs, mut started) = signals();
    let first = runtime(store.clone()).register(five_stages(&runs, true)).start().await.unwrap();
    let task = first.client().submit(Count(0)).await.unwrap();
    while started.recv().await.unwrap() != "three" {}
    drop(first);

    let client = artos_core::Client::new(store.clone());
    let (runs, mut started) = signals();
    let _second = runtime(store).register(five_stages(&runs, true)).start().await.unwrap();
    assert_eq!(started.recv().await.unwrap(), "three");
    let record = client.get(task.id()).await.unwrap().unwrap();
    assert_eq!((record.attempt, record.stage.as_deref()), (2, Some("three")));
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_kills_every_runtime_fails_at_exactly_max_attempts() {
    use artos_core::{FailureCause, RetryPolicy, Stage, StageOptions, TaskError};
    let store = store();
    let (runs, mut started) = signals();
    let client = artos_core::Client::new(store.clone());
    let task = client.submit(Count(0)).await.unwrap();
    let poison = || {
        let runs = runs.clone();
        let stage = move |cx: StageContext, _: Count| {
            runs.send(cx.attempt()).ok();
            std::future::pending::<StageResult<u64>>()
        };
        let options = StageOptions {
            retry: RetryPolicy::default().max_attempts(3),
            ..StageOptions::default()
        };
        Pipeline::new("poison", stage_fn(stage).with(options))
    };
    for attempt in 1..=3 {
        let doomed = runtime(store.clone()).register(poison()).start().await.unwrap();
        assert_eq!(started.recv().await.unwrap(), attempt);
        drop(doomed);
    }
    let _last = runtime(store.clone()).register(poison()).start().await.unwrap();
    let error = task.wait().await.unwrap_err();
    assert!(
        matches!(error, TaskError::Failed { cause: FailureCause::LeaseLost, attempts: 3, .. }),
        "{error}"
    );
    assert!(started.try_recv().is_err(), "a fourth attempt was made");
}
