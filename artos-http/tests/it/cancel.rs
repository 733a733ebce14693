//! Stopping a task.

use axum::http::StatusCode;

use crate::support::{BASE, NOBODY, Service};

#[tokio::test(start_paused = true)]
async fn a_running_task_is_told_to_stop_and_then_is_stopped() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let path = format!("{BASE}/{id}/cancel");
    let answer = service.post(&path).send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json()["status"], "Generating");
    assert_eq!(answer.header("location"), format!("{BASE}/status/{id}"));
    assert_eq!(answer.header("retry-after"), "1");
    service.end_of(&id).await;
    for _ in 0..2 {
        let answer = service.post(&path).send().await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json()["error"], "cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_task_is_cancelled_at_once() {
    let service = Service::start().await;
    let task = artos_core::Submission::new(crate::support::held_task())
        .tenant("acme")
        .delay(std::time::Duration::from_secs(3_600));
    let id = service.runtime.client().submit(task).await.unwrap().id();
    let answer = service.post(&format!("{BASE}/{id}/cancel")).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["status"], "Failed");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_over_stays_as_it_is() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let before = service.status(&id).send().await;
    let answer = service.post(&format!("{BASE}/{id}/cancel")).send().await;
    assert_eq!((answer.status, &answer.body), (StatusCode::OK, &before.body));
    assert_eq!(service.status(&id).send().await.body, before.body);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_cannot_be_cancelled() {
    let service = Service::start().await;
    service.post(&format!("{BASE}/{NOBODY}/cancel")).send().await.problem(404);
}
