//! Running a failed task again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use artos_core::Client;
use artos_http::{Caller, Problem};
use axum::http::{Method, StatusCode};

use crate::support::{BASE, Call, GLOBEX, NOBODY, SECOND, Service, documents, tokens};

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
async fn a_repeated_retry_is_answered_beyond_the_cap_as_the_first_was() {
    let service = Service::start_with(|router| router.pending_max(1)).await;
    let failed = service.generate("INCOMPLETE").header("idempotency-key", "mine").send().await;
    let failed = failed.task_id();
    service.end_of(&failed).await;
    // Away from the workers, so that the new task waits.
    let app = artos_http::router(Client::new(service.store.clone()), tokens());
    let app = app.pending_max(1).resource(documents()).build().unwrap();
    service.runtime.shutdown(SECOND).await.unwrap();
    let retry = |key: &str| {
        let call = Call::new(&app, Method::POST, &format!("{BASE}/{failed}/retry"));
        call.header("idempotency-key", key).send()
    };
    let first = retry("once").await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{first:?}");
    let second = retry("once").await;
    assert_eq!((second.status, second.task_id()), (StatusCode::ACCEPTED, first.task_id()));
    assert_eq!(second.header("idempotency-replayed"), "true");
    for key in ["twice", "mine"] {
        assert_eq!(retry(key).await.problem(429)["code"], "too_many_pending", "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_holds_for_retries_as_for_submissions() {
    let (is_strict, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (rule, count) = (Arc::clone(&is_strict), Arc::clone(&asked));
    let resource = documents().authorize(move |_, caller: &Caller| {
        count.fetch_add(1, Ordering::SeqCst);
        assert!(caller.organization().is_some());
        match rule.load(Ordering::SeqCst) {
            true => Err(Problem::forbidden("not these files")),
            false => Ok(()),
        }
    });
    let service = Service::start().await;
    let router = artos_http::router(service.runtime.client(), tokens()).resource(resource);
    let service = service.behind(router.build().unwrap());
    let failed = service.finished("INCOMPLETE").await;
    let retry = || service.post(&format!("{BASE}/{failed}/retry"));
    let again = retry().send().await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    service.end_of(&again.task_id()).await;
    let tasks = service.tasks().await;
    is_strict.store(true, Ordering::SeqCst);
    assert_eq!(retry().send().await.problem(403)["detail"], "not these files");
    assert_eq!(service.generate("CSR").send().await.problem(403)["code"], "forbidden");
    // Whose task it is comes first.
    let before = asked.load(Ordering::SeqCst);
    retry().token(GLOBEX).send().await.problem(404);
    assert_eq!((service.tasks().await, asked.load(Ordering::SeqCst)), (tasks, before));
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
