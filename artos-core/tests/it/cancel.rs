//! Cancelling tasks in every state.

use artos_core::{
    Cancelled, Pipeline, StageContext, StageError, StageResult, TaskError, TaskState, stage_fn,
};

use crate::support::{Count, SECOND, increment, runtime, signals, store};

#[tokio::test(start_paused = true)]
async fn a_pending_task_is_cancelled_at_once_and_never_runs() {
    let store = store();
    let client = artos_core::Client::new(store.clone());
    let task = client.submit(Count(1)).await.unwrap();
    assert_eq!(task.cancel().await.unwrap(), Cancelled::Now);
    let again = task.cancel().await.unwrap();
    assert_eq!(again, Cancelled::AlreadyTerminal(TaskState::Cancelled));
    let (sender, mut started) = signals();
    let note = move |_: StageContext, _: Count| {
        sender.send(()).ok();
        async { Ok(0) }
    };
    let runtime =
        runtime(store).register(Pipeline::new("note", stage_fn(note))).start().await.unwrap();
    tokio::time::advance(60 * SECOND).await;
    runtime.shutdown(SECOND).await.unwrap();
    assert!(started.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_running_stage_hears_of_the_cancel_at_once_and_may_clean_up() {
    let (sender, mut signals) = signals();
    let stage = move |cx: StageContext, _: Count| {
        let sender = sender.clone();
        async move {
            sender.send("started").ok();
            cx.cancelled().await;
            sender.send("cleaned up").ok();
            StageResult::<u64>::Err(StageError::cancelled())
        }
    };
    let runtime =
        runtime(store()).register(Pipeline::new("work", stage_fn(stage))).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(signals.recv().await.unwrap(), "started");
    let before = tokio::time::Instant::now();
    assert_eq!(task.cancel().await.unwrap(), Cancelled::Requested);
    assert_eq!(signals.recv().await.unwrap(), "cleaned up");
    assert!(before.elapsed() < SECOND, "the cancel took {:?}", before.elapsed());
    assert!(matches!(task.wait().await.unwrap_err(), TaskError::Cancelled { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_succeeds_after_the_cancel_keeps_its_checkpoint_and_goes_no_further() {
    let (sender, mut signals) = signals();
    let first = {
        let sender = sender.clone();
        move |cx: StageContext, Count(number): Count| {
            let sender = sender.clone();
            async move {
                sender.send("first").ok();
                cx.cancelled().await;
                Ok(number)
            }
        }
    };
    let second = move |_: StageContext, number: u64| {
        sender.send("second").ok();
        async move { Ok(number) }
    };
    let pipeline = Pipeline::new("first", stage_fn(first)).then("second", stage_fn(second));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(signals.recv().await.unwrap(), "first");
    task.cancel().await.unwrap();
    assert!(matches!(task.wait().await.unwrap_err(), TaskError::Cancelled { .. }));
    assert_eq!(task.record().await.unwrap().stage.as_deref(), Some("second"));
    assert!(signals.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_completed_task_stays_completed() {
    let runtime = runtime(store())
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    assert_eq!(task.cancel().await.unwrap(), Cancelled::AlreadyTerminal(TaskState::Completed));
    assert_eq!(task.wait().await.unwrap(), 2);
}
