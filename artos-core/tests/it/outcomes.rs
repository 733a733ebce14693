//! Each way a stage can end, as its submitter sees it.

use artos_core::{
    FailureCause, Pipeline, ResultExt, RetryPolicy, Stage, StageContext, StageError, StageOptions,
    StageResult, TaskError, TaskState, stage_fn,
};

use crate::support::{Count, SECOND, increment, runtime, store};

fn once() -> StageOptions {
    StageOptions { retry: RetryPolicy::never(), ..StageOptions::default() }
}

fn parts(error: TaskError) -> (FailureCause, String, String) {
    match error {
        TaskError::Failed { cause, stage, message, .. } => (cause, stage.to_string(), message),
        other => panic!("expected a failure, found {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_stages_gives_its_output() {
    let pipeline = Pipeline::new("increment", stage_fn(increment))
        .then("show", stage_fn(|_, number: u64| async move { Ok(number.to_string()) }))
        .then("parse", stage_fn(|_, text: String| async move { Ok(text.parse::<u64>()?) }));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(41)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 42);
    let record = task.record().await.unwrap();
    assert_eq!(record.state, TaskState::Completed);
    assert_eq!((record.attempt, record.epoch.0, record.failure), (1, 1, None));
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_fails_the_task_at_once_with_its_own_words() {
    let stage = |_: StageContext, _: Count| async {
        let number = "x".parse::<u64>().map_err(|_| "Missing required section: Safety Analysis");
        number.fatal()
    };
    let runtime =
        runtime(store()).register(Pipeline::new("check", stage_fn(stage))).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let (cause, stage, message) = parts(task.wait().await.unwrap_err());
    assert_eq!(cause, FailureCause::Fatal);
    assert_eq!(stage, "check");
    assert_eq!(message, "Missing required section: Safety Analysis");
    assert_eq!(task.record().await.unwrap().attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_attempt_that_failed_and_the_runtime_goes_on() {
    let stage = |cx: StageContext, Count(number): Count| async move {
        assert!(number != 13 && cx.attempt() > 1, "unlucky {number}");
        Ok(number)
    };
    let options = StageOptions {
        retry: RetryPolicy::fixed(SECOND).max_attempts(2),
        ..StageOptions::default()
    };
    let pipeline = Pipeline::new("luck", stage_fn(stage).with(options));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let client = runtime.client();
    let unlucky = client.submit(Count(13)).await.unwrap();
    let lucky = client.submit(Count(7)).await.unwrap();
    assert_eq!(lucky.wait().await.unwrap(), 7);
    let (cause, _, message) = parts(unlucky.wait().await.unwrap_err());
    assert_eq!(cause, FailureCause::Panic);
    assert_eq!(message, "the stage panicked: unlucky 13");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_runs_too_long_times_out() {
    let stage = |_: StageContext, _: Count| std::future::pending::<StageResult<u64>>();
    let options = StageOptions { attempt_timeout: 30 * SECOND, ..once() };
    let pipeline = Pipeline::new("hang", stage_fn(stage).with(options));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let (cause, _, message) = parts(task.wait().await.unwrap_err());
    assert_eq!(cause, FailureCause::Timeout);
    assert_eq!(message, "the attempt ran longer than 30s");
}

#[tokio::test(start_paused = true)]
async fn a_snooze_spends_no_attempt() {
    let stage = |cx: StageContext, Count(number): Count| async move {
        assert_eq!(cx.attempt(), 1);
        if cx.submitted_at().since(artos_core::Timestamp::MIN).is_zero() || number == 0 {
            return Ok(number);
        }
        Err(StageError::snooze(60 * SECOND))
    };
    let options = StageOptions { snoozes_max: 4, ..once() };
    let pipeline = Pipeline::new("early", stage_fn(stage).with(options));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let (cause, _, message) = parts(task.wait().await.unwrap_err());
    assert_eq!(cause, FailureCause::NeverFinished);
    assert_eq!(message, "the stage snoozed 4 times and never finished");
}

#[tokio::test(start_paused = true)]
async fn a_stage_may_cancel_its_own_task() {
    let stage =
        |_: StageContext, _: Count| async { StageResult::<u64>::Err(StageError::cancelled()) };
    let runtime =
        runtime(store()).register(Pipeline::new("stop", stage_fn(stage))).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let error = task.wait().await.unwrap_err();
    assert!(matches!(error, TaskError::Cancelled { id } if id == task.id()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_does_not_encode_fails_visibly() {
    // JSON has no keys that are lists.
    type Odd = std::collections::BTreeMap<Vec<u8>, u8>;
    let odd = |_: StageContext, _: Count| async { Ok(Odd::from([(vec![1], 2)])) };
    let pipeline =
        Pipeline::new("odd", stage_fn(odd)).then("never", stage_fn(|_, _: Odd| async { Ok(0) }));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let (cause, stage, message) = parts(task.wait().await.unwrap_err());
    assert_eq!((cause, stage.as_str()), (FailureCause::Unstorable, "odd"));
    assert!(message.starts_with("the output of stage `odd` does not encode"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_output_beyond_the_limit_fails_visibly() {
    let large = |_: StageContext, _: Count| async { Ok("x".repeat(64 * 1024 * 1024 - 1)) };
    let pipeline = Pipeline::new("large", stage_fn(large))
        .then("never", stage_fn(|_, _: String| async { Ok(0) }));
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let (cause, stage, message) = parts(task.wait().await.unwrap_err());
    assert_eq!((cause, stage.as_str()), (FailureCause::Unstorable, "large"));
    assert!(message.contains("67108865") && message.contains("67108864"), "{message}");
}
