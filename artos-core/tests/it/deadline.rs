//! A task's own deadline, whatever it is doing when it passes.

use artos_core::{FailureCause, Pipeline, StageContext, StageResult, TaskError, stage_fn};

use crate::support::{Count, SECOND, runtime, store};

fn cause(error: &TaskError) -> Option<FailureCause> {
    match error {
        TaskError::Failed { cause, .. } => Some(*cause),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_task_fails_when_its_deadline_passes() {
    let hang = |_: StageContext, _: Count| std::future::pending::<StageResult<u64>>();
    let runtime =
        runtime(store()).register(Pipeline::new("hang", stage_fn(hang))).start().await.unwrap();
    let before = tokio::time::Instant::now();
    let task = runtime.client().submit(Count(1)).deadline(40 * SECOND).await.unwrap();
    let error = task.wait().await.unwrap_err();
    assert_eq!(cause(&error), Some(FailureCause::Expired), "{error}");
    assert!(before.elapsed() < 41 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_task_claimed_after_its_deadline_never_runs() {
    let store = store();
    let client = artos_core::Client::new(store.clone());
    let task = client.submit(Count(1)).deadline(10 * SECOND).await.unwrap();
    tokio::time::advance(11 * SECOND).await;
    let never = |_: StageContext, _: Count| async { panic!("it ran") };
    let never = Pipeline::<Count, u64>::new("never", stage_fn(never));
    let _runtime = runtime(store).register(never).start().await.unwrap();
    let error = task.wait().await.unwrap_err();
    assert_eq!(cause(&error), Some(FailureCause::Expired), "{error}");
}
