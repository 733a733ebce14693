//! Handing in a task.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{BASE, Service};

#[tokio::test(start_paused = true)]
async fn a_submission_is_accepted_and_says_where_to_look() {
    let service = Service::start().await;
    let answer = service.generate("CSR").send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.task_id();
    assert_eq!(
        answer.body,
        format!(r#"{{"message":"Document generation started","task_id":"{id}"}}"#)
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("location"), format!("{BASE}/status/{id}"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("idempotency-replayed"), "");
    assert_eq!(service.get(answer.header("location")).send().await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_task_belongs_to_the_caller_and_has_the_labels_of_the_request() {
    let service = Service::start().await;
    let body = json!({ "document_type": "CSR", "file_paths": [], "output_name": "CSR_Final" });
    let answer = service.post(&format!("{BASE}/generate")).json(&body).send().await;
    let record = service.runtime.client().get(answer.task_id().parse().unwrap()).await;
    let record = record.unwrap().unwrap();
    assert_eq!(record.tenant.as_deref(), Some("acme"));
    assert_eq!(record.labels.get("name").map(|name| name.as_str()), Some("CSR_Final"));
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_and_json_by_another_name_are_fine() {
    let service = Service::start().await;
    let body = json!({ "document_type": "CSR", "file_paths": [], "more": { "of": ["this"] } });
    for media in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json"] {
        let call = service.post(&format!("{BASE}/generate/")).json(&body);
        let answer = call.header("content-type", media).send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{media}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preference_for_what_happens_anyway_is_acknowledged() {
    let service = Service::start().await;
    let answer = service.generate("CSR").header("prefer", "respond-async, wait=5").send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.header("preference-applied"), "respond-async");
}

#[tokio::test(start_paused = true)]
async fn a_resource_without_closures_takes_the_task_and_shows_the_output() {
    use crate::support::GenerateDocument;
    let plain = artos_http::Resource::<GenerateDocument>::new("/plain").message("Started");
    let service = Service::start_with(|router| router.resource(plain)).await;
    let body = json!({ "document_type": "CSR", "file_paths": ["a", "b"] });
    let answer = service.post("/plain/generate").json(&body).send().await;
    assert_eq!(answer.json()["message"], "Started");
    service.end_of(&answer.task_id()).await;
    let document = service.get(&format!("/plain/{}", answer.task_id())).send().await;
    assert_eq!(document.json(), json!({ "document": { "title": "CSR", "words": 2 } }));
}
