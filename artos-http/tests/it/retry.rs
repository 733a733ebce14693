//! Running a failed task again.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;

use crate::support::{BASE, GLOBEX, NOBODY, Service};

#[tokio::test(start_paused = true)]
async fn a_failed_task_runs_again_from_the_stage_that_failed() {
    let service = Service::start().await;
    let failed = service.finished("INCOMPLETE").await;
    let before = service.status(&failed).send().await;
    assert_eq!(service.script.extracted.load(Ordering::SeqCst), 1);

    service.script.section_is_there.store(true, Ordering::SeqCst);
    let answer = service.post(&format!("{BASE}/{failed}/retry")).send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let new = answer.task_id();
    assert_ne!(new, failed);
    assert_eq!(answer.json()["retry_of"], failed);
    assert_eq!(answer.json()["message"], "Document generation started");
    assert_eq!(answer.header("location"), format!("{BASE}/status/{new}"));
    assert_eq!(answer.header("retry-after"), "1");

    service.end_of(&new).await;
    assert_eq!(service.script.extracted.load(Ordering::SeqCst), 1, "the first stage ran again");
    let status = service.status(&new).send().await.json();
    assert_eq!(status["status"], "Complete");
    assert_eq!(status["retry_of"], failed);
    assert_eq!(service.status(&failed).send().await.body, before.body);
    assert_eq!(service.get(&format!("{BASE}/{new}")).token(GLOBEX).send().await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_retry_with_a_key_happens_once() {
    let service = Service::start().await;
    let failed = service.finished("INCOMPLETE").await;
    let other = service.finished("INCOMPLETE").await;
    let retry = |id: &str| {
        service.post(&format!("{BASE}/{id}/retry")).header("idempotency-key", "once").send()
    };
    let first = retry(&failed).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let second = retry(&failed).await;
    assert_eq!((second.status, second.task_id()), (StatusCode::ACCEPTED, first.task_id()));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_ne!(retry(&other).await.task_id(), first.task_id(), "a key belongs to its path");
    let plain = service.post(&format!("{BASE}/{failed}/retry")).send().await;
    assert_ne!(plain.task_id(), first.task_id());
    let call = service.post(&format!("{BASE}/{failed}/retry")).header("idempotency-key", "a b");
    assert_eq!(call.send().await.problem(400)["code"], "invalid_idempotency_key");
}

#[tokio::test(start_paused = true)]
async fn only_a_failed_task_can_be_retried() {
    let mut service = Service::start().await;
    let complete = service.finished("CSR").await;
    let running = service.submit("HOLD").await;
    service.holding().await;
    let tasks = service.tasks().await;
    for id in [complete, running] {
        let answer = service.post(&format!("{BASE}/{id}/retry")).send().await;
        assert_eq!(answer.problem(409)["code"], "not_retryable");
    }
    service.post(&format!("{BASE}/{NOBODY}/retry")).send().await.problem(404);
    assert_eq!(service.tasks().await, tasks);
}
