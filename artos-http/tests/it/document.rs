//! Fetching what a task made.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{BASE, Service};

#[tokio::test(start_paused = true)]
async fn a_completed_task_has_its_document() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let answer = service.get(&format!("{BASE}/{id}")).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    let report = json!({ "title": "CSR", "words": 1 });
    assert_eq!(answer.json(), json!({ "document": { "document_id": id, "report": report } }));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let call = service.get(&format!("{BASE}/{id}")).header("if-none-match", answer.header("etag"));
    let again = call.send().await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.header("etag"), answer.header("etag"));
}

#[tokio::test(start_paused = true)]
async fn a_download_is_served_next_to_it() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let path = format!("{BASE}/{id}/file");
    let answer = service.get(&path).send().await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, b"CSR".as_slice()));
    assert_eq!(answer.header("content-type"), "text/plain");
    let again = service.get(&path).header("if-none-match", answer.header("etag")).send().await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    service.get(&path).token("wrong").send().await.problem(401);
    service.get(&path).token(crate::support::GLOBEX).send().await.problem(404);
}

#[tokio::test(start_paused = true)]
async fn a_task_at_work_has_no_document_yet() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    for path in [format!("{BASE}/{id}"), format!("{BASE}/{id}/file")] {
        let answer = service.get(&path).send().await;
        assert_eq!(answer.problem(409)["code"], "not_ready");
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_has_none_and_says_why() {
    let service = Service::start().await;
    let id = service.finished("INCOMPLETE").await;
    let answer = service.get(&format!("{BASE}/{id}")).send().await;
    let problem = answer.problem(409);
    assert_eq!(problem["code"], "generation_failed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.ends_with("Missing required section: Safety Analysis"), "{detail}");
    assert_eq!(answer.header("retry-after"), "");
}
