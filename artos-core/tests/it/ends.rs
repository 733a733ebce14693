//! Tasks that a runtime submits together with the end of others.

use artos_core::{
    Filter, ListQuery, Pipeline, RetryPolicy, Stage, StageContext, StageError, StageOptions,
    StageResult, Submission, Task, TaskState, stage_fn,
};
use serde::{Deserialize, Serialize};

use crate::support::{Count, SECOND, runtime, signals, store};

#[derive(Serialize, Deserialize)]
struct Tell(String);

impl Task for Tell {
    const KIND: &'static str = "tell";
    type Output = ();
}

/// Even numbers succeed, odd ones fail at once, and 13 fails twice before it does.
async fn judge(cx: StageContext, Count(number): Count) -> StageResult<u64> {
    match number {
        13 if cx.attempt() < 3 => Err("not yet".parse::<u64>().unwrap_err())?,
        7 => Err(StageError::cancelled()),
        8 => std::future::pending().await,
        _ if number % 2 == 0 => Ok(number),
        _ => Err(StageError::fatal("odd")),
    }
}

#[tokio::test(start_paused = true)]
async fn each_end_is_told_once_and_nothing_else_is() {
    let (sender, mut told) = signals();
    let tell = move |_: StageContext, Tell(text): Tell| {
        sender.send(text).ok();
        async { StageResult::Ok(()) }
    };
    let options = StageOptions { retry: RetryPolicy::fixed(SECOND), ..StageOptions::default() };
    let runtime = runtime(store())
        .register(Pipeline::new("judge", stage_fn(judge).with(options)))
        .register(Pipeline::new("tell", stage_fn(tell)))
        .on_end(|record, state| {
            (record.kind == Count::KIND)
                .then(|| Submission::new(Tell(format!("{state} {}", record.attempt))))
        })
        .start()
        .await
        .unwrap();
    for (number, expected) in
        [(2, "completed 1"), (3, "failed 1"), (13, "failed 3"), (7, "cancelled 1")]
    {
        let task = runtime.client().submit(Count(number)).await.unwrap();
        let _ = task.wait().await;
        assert_eq!(told.recv().await.unwrap(), expected);
    }
    // This one ignores its cancel until it is dropped.
    let task = runtime.client().submit(Count(8)).await.unwrap();
    while task.record().await.unwrap().state != TaskState::Running {
        tokio::time::sleep(SECOND).await;
    }
    task.cancel().await.unwrap();
    assert_eq!(told.recv().await.unwrap(), "cancelled 1");
    tokio::time::sleep(60 * SECOND).await;
    assert!(told.try_recv().is_err(), "an end was told twice");
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_that_panics_or_breaks_a_limit_does_not_keep_the_task_from_ending() {
    let runtime = runtime(store())
        .register(Pipeline::new("judge", stage_fn(judge)))
        .on_end(|_, _| -> Option<Submission<Tell>> { panic!("told to") })
        .on_end(|_, _| Some(Submission::new(Tell(String::new())).queue("")))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(2)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    assert_eq!(task.record().await.unwrap().state, TaskState::Completed);
    let filter = Filter { kinds: vec![Tell::KIND.into()], ..Filter::default() };
    let query = ListQuery { filter, ..ListQuery::default() };
    assert!(runtime.client().list(&query).await.unwrap().tasks.is_empty());
}
