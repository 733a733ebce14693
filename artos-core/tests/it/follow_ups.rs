//! Tasks that a stage submits together with its own success.

use artos_core::{
    Client, Clock, ListOrder, ListQuery, Pipeline, Random, RetryPolicy, Stage, StageContext,
    StageOptions, StageResult, Submission, Task, TaskRecord, Timestamp, stage_fn, store::TaskStore,
};
use serde::{Deserialize, Serialize};

use crate::support::{Count, SECOND, increment, runtime, signals, store};

#[derive(Serialize, Deserialize)]
struct Announce(u64);

impl Task for Announce {
    const KIND: &'static str = "announce";
    type Output = ();
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_exists_exactly_when_the_stage_succeeded() {
    let (sender, mut announced) = signals();
    let stage = |cx: StageContext, Count(number): Count| async move {
        cx.follow_up(Submission::new(Announce(number)).priority(3))?;
        if cx.attempt() == 1 {
            // The first attempt's follow-up must not appear.
            Err("not yet".parse::<u64>().unwrap_err())?;
        }
        Ok(number)
    };
    let announce = move |_: StageContext, Announce(number): Announce| {
        sender.send(number).ok();
        async { StageResult::Ok(()) }
    };
    let options = StageOptions { retry: RetryPolicy::fixed(SECOND), ..StageOptions::default() };
    let runtime = runtime(store())
        .register(Pipeline::new("work", stage_fn(stage).with(options)))
        .register(Pipeline::new("announce", stage_fn(announce)))
        .start()
        .await
        .unwrap();
    runtime.client().submit(Count(9)).await.unwrap().wait().await.unwrap();
    assert_eq!(announced.recv().await.unwrap(), 9);
    tokio::time::sleep(60 * SECOND).await;
    assert!(announced.try_recv().is_err(), "the failed attempt announced too");
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_that_breaks_a_limit_fails_the_task_and_says_so() {
    let stage = |cx: StageContext, Count(number): Count| async move {
        cx.follow_up(Submission::new(Count(number)).queue(""))?;
        Ok(number)
    };
    let runtime =
        runtime(store()).register(Pipeline::new("work", stage_fn(stage))).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let error = task.wait().await.unwrap_err().to_string();
    assert!(error.contains("a count task has a bad queue"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stage_in_a_unit_test_needs_no_runtime() {
    assert_eq!(increment(StageContext::for_test("increment"), Count(1)).await.unwrap(), 2);
}

/// A clock that stands still.
#[derive(Debug)]
struct Stopped(i64);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_task_submits_sorts_after_it_though_its_own_clock_was_ahead() {
    let (sender, mut announced) = signals();
    let stage = |cx: StageContext, Count(number): Count| async move {
        cx.follow_up(Announce(number))?;
        Ok(number)
    };
    let announce = move |_: StageContext, Announce(number): Announce| {
        sender.send(number).ok();
        async { StageResult::Ok(()) }
    };
    let store = store();
    let (ahead, behind) = (Stopped(3_600_000_000), Stopped(0));
    let client = Client::deterministic(store.clone(), ahead, Random::from_seed(1));
    let _runtime = runtime(store.clone())
        .deterministic(behind, Random::from_seed(2))
        .register(Pipeline::new("work", stage_fn(stage)))
        .register(Pipeline::new("announce", stage_fn(announce)))
        .on_end(|record, _| (record.kind == Count::KIND).then(|| Submission::new(Announce(2))))
        .start()
        .await
        .unwrap();
    let task = client.submit(Count(1)).await.unwrap();
    for _ in 0..2 {
        announced.recv().await.unwrap();
    }
    let page = store.list(&ListQuery::default()).await.unwrap();
    let oldest = page.tasks.iter().map(|task| task.id).min();
    assert_eq!((page.tasks.len(), oldest), (3, Some(task.id())));
}

#[tokio::test(start_paused = true)]
async fn what_a_task_submits_keeps_its_own_order_though_the_task_s_clock_was_ahead() {
    let announce =
        |number: u64| Submission::new(Announce(number)).label("number", number.to_string());
    let many = move |cx: StageContext, numbers: std::ops::Range<u64>| {
        numbers.into_iter().try_for_each(|number| cx.follow_up(announce(number)).map(drop))
    };
    let first = move |cx: StageContext, Count(number): Count| async move {
        many(cx, 0..25)?;
        Ok(number)
    };
    let second = move |cx: StageContext, number: u64| async move {
        many(cx, 25..50)?;
        Ok(number)
    };
    let at_end = move |number| {
        move |record: &TaskRecord, _| (record.kind == Count::KIND).then(|| announce(number))
    };
    let store = store();
    let (ahead, behind) = (Stopped(3_600_000_000), Stopped(0));
    let client = Client::deterministic(store.clone(), ahead, Random::from_seed(1));
    let _runtime = runtime(store.clone())
        .deterministic(behind, Random::from_seed(2))
        .register(Pipeline::new("first", stage_fn(first)).then("second", stage_fn(second)))
        .on_end(at_end(50))
        .on_end(at_end(51))
        .start()
        .await
        .unwrap();
    client.submit(Count(1)).await.unwrap().wait().await.unwrap();
    let query = ListQuery { order: ListOrder::OldestFirst, limit: 100, ..ListQuery::default() };
    let page = store.list(&query).await.unwrap();
    let numbers: Vec<u64> =
        page.tasks.iter().filter_map(|task| task.labels.get("number")?.parse().ok()).collect();
    assert_eq!(numbers, Vec::from_iter(0..52));
}
