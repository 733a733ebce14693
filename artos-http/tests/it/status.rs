//! Asking how a task is.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{BASE, SECOND, Service, held_task};

#[tokio::test(start_paused = true)]
async fn the_four_documented_keys_come_first_in_their_order() {
    let mut service = Service::start().await;
    let later = artos_core::Submission::new(held_task()).tenant("acme").delay(SECOND);
    let id = service.runtime.client().submit(later).await.unwrap().id();
    let fresh = service.status(&id.to_string()).send().await.body;
    let start =
        format!(r#"{{"task_id":"{id}","status":"Generating","progress":null,"error":null,"#);
    assert!(fresh.starts_with(start.as_bytes()), "{fresh:?}");
    let id = service.holding().await;
    let body = service.status(&id).send().await.json();
    let progress = &body["progress"];
    assert_eq!(progress["percent"], 40);
    assert_eq!(progress["stage"], "extract");
    assert_eq!(progress["stage_number"], 1);
    assert_eq!(progress["stage_count"], 2);
    assert_eq!(progress["message"], "reading protocol.pdf");
    assert!(progress["updated_at"].as_str().unwrap().starts_with("2026-01-01T00:00:01"));
    assert_eq!(body["document_id"], id);
    assert_eq!(body["state"], "running");
    assert_eq!(body["retry_of"], Value::Null);
    assert!(body["created_at"].is_string() && body["updated_at"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_completed_task_is_complete() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let answer = service.status(&id).send().await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::OK, ""));
    assert_eq!(answer.json()["status"], "Complete");
    assert_eq!(answer.json()["error"], Value::Null);
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_shows_exactly_what_the_stage_said() {
    let service = Service::start().await;
    let id = service.finished("INCOMPLETE").await;
    let answer = service.status(&id).send().await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::OK, ""));
    assert_eq!(answer.json()["status"], "Failed");
    assert_eq!(answer.json()["error"], "Missing required section: Safety Analysis");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_is_failed_with_the_error_cancelled() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    service.post(&format!("{BASE}/{id}/cancel")).send().await;
    service.end_of(&id).await;
    let body = service.status(&id).send().await.json();
    assert_eq!((&body["status"], &body["error"]), (&json!("Failed"), &json!("cancelled")));
    assert_eq!(body["state"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_half_the_age_from_one_second_to_thirty() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    for (wait, expected) in [(0, "1"), (5, "3"), (4, "5"), (600, "30")] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        assert_eq!(service.status(&id).send().await.header("retry-after"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_task_is_not_sent_again() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let first = service.status(&id).send().await;
    let etag = first.header("etag");
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    assert_eq!(first.header("vary"), "Prefer");
    let weak = format!("\"0\", W/{etag}");
    for known in [etag, &weak, "*"] {
        let again = service.status(&id).header("if-none-match", known).send().await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        for name in ["etag", "cache-control", "vary", "retry-after"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    // A tag with a space, or without an end, is none.
    for unreadable in ["\"a b\"", "\"x", "W/\"\t\""] {
        let again = service.status(&id).header("if-none-match", unreadable);
        let again = again.header("if-none-match", "\"y\"").send().await;
        assert_eq!(again.status, StatusCode::OK, "{unreadable}");
    }
    for known in ["\"0\"", "nonsense", ""] {
        let again = service.status(&id).header("if-none-match", known).send().await;
        assert_eq!(again.status, StatusCode::OK, "{known}");
    }
    service.script.permits.add_permits(1);
    service.end_of(&id).await;
    let changed = service.status(&id).header("if-none-match", etag).send().await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag"), etag);
    tokio::time::sleep(SECOND).await;
    assert_eq!(service.status(&id).send().await.body, changed.body);
}

#[tokio::test(start_paused = true)]
async fn a_trailing_slash_changes_nothing() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    for path in ["status/{}", "{}", "{}/file"] {
        let path = format!("{BASE}/{}", path.replace("{}", &id));
        let plain = service.get(&path).send().await;
        let slashed = service.get(&format!("{path}/")).send().await;
        assert_eq!(plain.status, StatusCode::OK, "{path}");
        assert_eq!((plain.status, plain.body), (slashed.status, slashed.body), "{path}");
    }
}
