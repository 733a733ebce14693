//! Running a failed task again, from where it failed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use artos_core::{
    Pipeline, RetryError, RetryOptions, StageContext, StageError, StageResult, TaskError,
    TaskState, stage_fn,
};

use crate::support::{Count, increment, runtime, signals, store};

#[tokio::test(start_paused = true)]
async fn a_retried_task_starts_at_the_failed_stage_and_the_failed_one_stays() {
    let broken = Arc::new(AtomicBool::new(true));
    let (sender, mut runs) = signals();
    let first = move |cx: StageContext, task: Count| {
        sender.send(()).ok();
        increment(cx, task)
    };
    let still_broken = Arc::clone(&broken);
    let second = move |_: StageContext, number: u64| {
        let broken = still_broken.load(Ordering::SeqCst);
        async move {
            if broken { Err(StageError::fatal("broken")) } else { StageResult::Ok(number * 2) }
        }
    };
    let pipeline = Pipeline::new("first", stage_fn(first)).then("second", stage_fn(second));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let client = runtime.client();
    let task = client.submit(Count(20)).tenant("acme").label("a", "b").await.unwrap();
    assert!(matches!(task.wait().await, Err(TaskError::Failed { .. })));
    let before = task.record().await.unwrap();

    broken.store(false, Ordering::SeqCst);
    let again = client.retry(task.id()).await.unwrap();
    let again = client.attach::<Count>(again).await.unwrap();
    assert_eq!(again.wait().await.unwrap(), 42);
    let record = again.record().await.unwrap();
    assert_eq!(record.retry_of, Some(task.id()));
    assert_eq!((record.tenant, record.labels), (before.tenant.clone(), before.labels.clone()));
    assert_eq!(task.record().await.unwrap(), before);
    runs.recv().await.unwrap();
    assert!(runs.try_recv().is_err(), "the first stage ran again");
}

#[tokio::test(start_paused = true)]
async fn a_retry_with_a_key_happens_once_and_may_have_more_labels() {
    let fails =
        |_: StageContext, _: Count| async { StageResult::<u64>::Err(StageError::fatal("no")) };
    let runtime = runtime(store()).register(Pipeline::new("fails", stage_fn(fails)));
    let runtime = runtime.start().await.unwrap();
    let client = runtime.client();
    let task = client.submit(Count(1)).label("a", "old").label("b", "old").await.unwrap();
    assert!(matches!(task.wait().await, Err(TaskError::Failed { .. })));
    let options = RetryOptions {
        idempotency_key: Some("once".into()),
        labels: [("b".into(), "new".into()), ("artos.c".into(), "new".into())].into(),
    };
    let first = client.retry_with(task.id(), options.clone()).await.unwrap();
    let second = client.retry_with(task.id(), options).await.unwrap();
    assert_eq!((second.id, first.replayed, second.replayed), (first.id, false, true));
    let labels = client.get(first.id).await.unwrap().unwrap().labels;
    let labels: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("a", "old"), ("artos.c", "new"), ("b", "new")]);
    let labels = (0..40).map(|i| (i.to_string().into(), "x".into())).collect();
    let too_many = RetryOptions { labels, ..RetryOptions::default() };
    let refused = client.retry_with(task.id(), too_many).await;
    assert!(matches!(refused, Err(RetryError::Submit(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn only_a_task_that_did_not_complete_can_be_retried() {
    let runtime = runtime(store())
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let client = runtime.client();
    let task = client.submit(Count(1)).await.unwrap();
    task.wait().await.unwrap();
    let error = client.retry(task.id()).await.unwrap_err();
    assert!(matches!(error, RetryError::NotFailed { state: TaskState::Completed, .. }), "{error}");
}
