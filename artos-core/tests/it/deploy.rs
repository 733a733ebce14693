//! Pipelines that change while tasks are under way.

use artos_core::{
    FailureCause, Pipeline, StageContext, StageError, StageResult, TaskError, TaskHandle,
    TaskState, stage_fn,
};

use crate::support::{Count, SECOND, increment, runtime, store};

/// Leaves a task in the store that is checkpointed at stage `render`.
async fn checkpointed(store: &artos_store_memory::MemoryStore) -> TaskHandle<Count> {
    let stop =
        |_: StageContext, _: u64| async { StageResult::<u64>::Err(StageError::snooze(SECOND)) };
    let pipeline = Pipeline::new("increment", stage_fn(increment)).then("render", stage_fn(stop));
    let old = runtime(store.clone()).register(pipeline).start().await.unwrap();
    let task = old.client().submit(Count(1)).await.unwrap();
    let mut watch = old.client().watch(task.id());
    while watch.changed().await.unwrap().unwrap().snoozes == 0 {}
    old.shutdown(SECOND).await.unwrap();
    artos_core::Client::new(store.clone()).attach(task.id()).await.unwrap()
}

/// A deploy of the stages that the task was made for ends it.
async fn assert_heals(store: artos_store_memory::MemoryStore, task: &TaskHandle<Count>) {
    let with = Pipeline::new("increment", stage_fn(increment))
        .then("render", stage_fn(|_, number: u64| async move { Ok(number * 100) }));
    let _healed = runtime(store).register(with).start().await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_a_deploy_removed_waits_and_heals() {
    let store = store();
    let task = checkpointed(&store).await;
    let without = Pipeline::new("increment", stage_fn(increment));
    let newer = runtime(store.clone()).register(without).start().await.unwrap();
    tokio::time::advance(300 * SECOND).await;
    let record = task.record().await.unwrap();
    assert!(!record.is_terminal(), "{record:?}");
    newer.shutdown(SECOND).await.unwrap();
    assert_heals(store, &task).await;
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_never_comes_back_fails_by_name_after_a_day() {
    let store = store();
    let task = checkpointed(&store).await;
    let without = Pipeline::new("increment", stage_fn(increment));
    let _newer = runtime(store).register(without).start().await.unwrap();
    match task.wait().await.unwrap_err() {
        TaskError::Failed { cause, message, .. } => {
            assert_eq!(cause, FailureCause::UnknownStage);
            assert_eq!(message, "the pipeline of kind `count` has no stage `render`");
        }
        other => panic!("{other}"),
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Pages {
    pages: Vec<u32>,
}

/// A pipeline with the same stages, of which the second takes something else.
fn changed() -> Pipeline<Count, u64> {
    let increment = stage_fn(|_, _: Count| async { Ok(Pages { pages: Vec::new() }) });
    let render = stage_fn(|_, pages: Pages| async move { Ok(pages.pages.len() as u64) });
    Pipeline::new("increment", increment).then("render", render)
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_no_longer_decodes_waits_and_heals() {
    let store = store();
    let task = checkpointed(&store).await;
    let newer = runtime(store.clone()).register(changed()).start().await.unwrap();
    tokio::time::advance(300 * SECOND).await;
    let record = task.record().await.unwrap();
    assert_eq!((record.state, record.attempt), (TaskState::Pending, 0), "{record:?}");
    assert_eq!(record.failure.unwrap().cause, FailureCause::Undecodable);
    newer.shutdown(SECOND).await.unwrap();
    assert_heals(store, &task).await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_nobody_decodes_fails_after_a_day_with_kind_stage_and_path() {
    let store = store();
    let task = checkpointed(&store).await;
    let began = tokio::time::Instant::now();
    let _newer = runtime(store).register(changed()).start().await.unwrap();
    let failed = task.wait().await.unwrap_err();
    assert!(began.elapsed() >= 24 * 3_600 * SECOND, "{:?}", began.elapsed());
    match failed {
        TaskError::Failed { cause, message, attempts, .. } => {
            assert_eq!((cause, attempts), (FailureCause::Undecodable, 1));
            assert!(
                message.starts_with(
                    "the checkpoint of kind `count` does not decode for stage `render`: "
                ) && message.contains("Pages"),
                "{message}"
            );
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_nobody_knows_waits_for_somebody_who_does() {
    let store = store();
    let stranger = runtime(store.clone()).start().await.unwrap();
    let task = stranger.client().submit(Count(1)).await.unwrap();
    let mut watch = stranger.client().watch(task.id());
    while watch.changed().await.unwrap().unwrap().failure.is_none() {}
    let record = task.record().await.unwrap();
    assert_eq!((record.state, record.attempt, record.snoozes), (TaskState::Pending, 0, 0));
    let why = record.failure.unwrap().message;
    assert_eq!(why, "no runtime here has a pipeline for kind `count`");
    let pipeline = Pipeline::new("increment", stage_fn(increment));
    let _friend = runtime(store).register(pipeline).start().await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
}
