//! Backoff: persisted, with the slot free meanwhile, and exact when the jitter is off.

use std::time::Duration;

use artos_core::{
    FailureCause, Pipeline, RetryPolicy, Stage, StageContext, StageError, StageOptions,
    StageResult, TaskError, stage_fn,
};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use crate::support::{Count, SECOND, runtime, signals, store};

fn failing(policy: RetryPolicy, attempts: UnboundedSender<(u32, Instant)>) -> Pipeline<Count, u64> {
    let fail = move |cx: StageContext, _: Count| {
        attempts.send((cx.attempt(), Instant::now())).ok();
        async { StageResult::<u64>::Err(StageError::retry("no luck")) }
    };
    let options = StageOptions { retry: policy, ..StageOptions::default() };
    Pipeline::new("fail", stage_fn(fail).with(options))
}

#[tokio::test(start_paused = true)]
async fn twenty_four_attempts_wait_exactly_as_the_policy_says() {
    let policy = RetryPolicy::exponential(SECOND)
        .cap(Duration::from_secs(3600))
        .max_attempts(24)
        .without_jitter();
    let (sender, mut attempts) = signals();
    let runtime = runtime(store()).register(failing(policy.clone(), sender)).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();

    let error = task.wait().await.unwrap_err();
    assert!(
        matches!(&error, TaskError::Failed { attempts: 24, cause: FailureCause::Error, message, .. }
            if message == "no luck"),
        "{error}"
    );
    let mut last: Option<Instant> = None;
    for number in 1..=24 {
        let (attempt, at) = attempts.recv().await.unwrap();
        assert_eq!(attempt, number);
        if let Some(last) = last {
            let waited = at - last;
            let policy = policy.delay(number - 1, 0.0);
            assert!(waited >= policy && waited < policy + SECOND, "{number}: {waited:?}");
        }
        last = Some(at);
    }
    assert!(attempts.try_recv().is_err(), "a 25th attempt was made");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_task_holds_no_slot() {
    let (sender, mut attempts) = signals();
    let runtime = runtime(store())
        .queue(artos_core::Queue::new("default").concurrency(1))
        .register(failing(RetryPolicy::fixed(60 * SECOND).max_attempts(2), sender))
        .start()
        .await
        .unwrap();
    let client = runtime.client();
    let before = Instant::now();
    client.submit_many([Count(1), Count(2), Count(3)]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(attempts.recv().await.unwrap().0, 1);
    }
    assert!(before.elapsed() < SECOND, "the tasks waited for each other's backoff");
}

#[tokio::test(start_paused = true)]
async fn a_delay_the_stage_names_is_kept() {
    let (sender, mut attempts) = signals();
    let stage = move |cx: StageContext, Count(number): Count| {
        sender.send(Instant::now()).ok();
        async move {
            if cx.attempt() == 1 {
                return Err(StageError::retry_after(90 * SECOND, "too many requests"));
            }
            Ok(number)
        }
    };
    let runtime =
        runtime(store()).register(Pipeline::new("call", stage_fn(stage))).start().await.unwrap();
    let task = runtime.client().submit(Count(7)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 7);
    let (first, second) = (attempts.recv().await.unwrap(), attempts.recv().await.unwrap());
    let waited = second - first;
    assert!(waited >= 90 * SECOND && waited < 91 * SECOND, "{waited:?}");
}
