//! Everything that is wrong with a runtime, told at once.

use std::time::Duration;

use artos_core::{Pipeline, Queue, RetryPolicy, Stage, StageOptions, StartProblem, stage_fn};

use crate::support::{increment, runtime, store};

#[tokio::test]
async fn a_runtime_that_cannot_start_says_everything_that_is_wrong() {
    let bad = StageOptions { retry: RetryPolicy::never().max_attempts(0), ..Default::default() };
    let pipeline = || {
        Pipeline::new("add", stage_fn(increment).with(bad.clone()))
            .then("add", stage_fn(|_, number: u64| async move { Ok(number) }))
    };
    let error = runtime(store())
        .queue(Queue::new("mail").concurrency(0))
        .queue(Queue::new("mail"))
        .queue(Queue::new("a\nb"))
        .poll_interval(Duration::ZERO)
        .lease_duration(Duration::from_millis(1))
        .register(pipeline())
        .register(pipeline())
        .start()
        .await
        .unwrap_err();
    let found: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
    let bad_policy = "stage `add` of kind `count` has a bad retry policy: \
         max_attempts is 0: expected at least 1";
    let expected = [
        "lease_duration: found 1ms, expected at least 100ms",
        "poll_interval: found zero, which would poll without a pause",
        "queue `mail` has concurrency 0: expected at least 1",
        "queue `mail` is declared twice",
        "`a\nb` is no good name for a queue: expected 1 to 128 bytes, no control characters",
        "tasks of kind `count` wait in queue `default`, which this runtime has not declared",
        "tasks of kind `count` wait in queue `default`, which this runtime has not declared",
        bad_policy,
        "the pipeline of kind `count` has two stages named `add`",
        bad_policy,
        "the pipeline of kind `count` has two stages named `add`",
        "two pipelines are registered for kind `count`",
    ];
    assert_eq!(found, expected);
    assert!(error.to_string().starts_with("the runtime cannot start: lease_duration: "));
}

#[test]
fn without_tokio_there_is_an_error_and_no_panic() {
    let start = runtime(store()).register(Pipeline::new("add", stage_fn(increment))).start();
    let error = futures::executor::block_on(start).unwrap_err();
    assert_eq!(error.problems, [StartProblem::NoExecutor]);
}
