//! What receivers get when tasks end.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{BASE, HOOKS, Receiver, Service};

#[tokio::test]
async fn an_end_is_told_to_the_endpoint_and_to_the_url_in_the_request() {
    let service = Service::start().await;
    let (mut registered, mut named) = (Receiver::start().await, Receiver::start().await);
    let (_, secret) = service.register(&registered.url()).await;
    let id = service.submit("ok", Some(&named.url())).await;
    let requests = service.get(&format!("{HOOKS}/requests/secret")).await;
    let requests = requests["secret"].as_str().unwrap();
    for (receiver, secret) in [(&mut registered, secret.as_str()), (&mut named, requests)] {
        let event = receiver.next().await;
        let body = event.json();
        // What the handlers of documented clients read.
        assert_eq!(body["task_id"], id);
        assert_eq!(body["status"], "Complete");
        assert_eq!(body["document_id"], id);
        assert_eq!(body["type"], "document.complete");
        assert_eq!(body["error"], json!(null));
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(event.header("webhook-id"), format!("msg_{}", id.replace('-', "")));
        assert_eq!(event.header("content-type"), "application/json");
        assert!(event.verify(secret), "{event:?}");
        assert!(!event.verify("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        let theirs = standardwebhooks::Webhook::new(secret).unwrap();
        theirs.verify(&event.body, &event.headers).unwrap();
        assert!(event.body.len() < 20_000);
    }
}

#[tokio::test]
async fn a_failure_is_told_with_its_error() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    service.register(&receiver.url()).await;
    let id = service.submit("bad", None).await;
    let body = receiver.next().await.json();
    assert_eq!(body["type"], "document.failed");
    assert_eq!(body["status"], "Failed");
    assert_eq!(body["task_id"], id);
    assert_eq!(body["error"], "Missing required section: Safety Analysis");
}

#[tokio::test]
async fn an_endpoint_hears_only_of_the_types_it_wants_and_only_of_its_organization() {
    let service = Service::start().await;
    let (mut failures, mut foreign) = (Receiver::start().await, Receiver::start().await);
    let wanted = json!({ "url": failures.url(), "events": ["document.failed"] });
    assert_eq!(service.post(HOOKS, wanted).await.0, StatusCode::CREATED);
    let theirs = json!({ "url": foreign.url() });
    let post = axum::http::Method::POST;
    let (status, _) = service.call_as("globex-token", post, HOOKS, theirs).await;
    assert_eq!(status, StatusCode::CREATED);
    service.submit("ok", None).await;
    let id = service.submit("bad", None).await;
    assert_eq!(failures.next().await.json()["task_id"], id);
    assert!(failures.is_empty());
    assert!(foreign.is_empty());
    assert_eq!(foreign.connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_names_a_bad_url_is_refused_before_a_task_is_made() {
    let service = Service::start().await;
    for url in ["ftp://example.org/", "http://10.0.0.1/", "nonsense", "https://10.0.0.1/"] {
        let body = json!({ "what": "ok", "webhook": url });
        let (status, body) = service.post(&format!("{BASE}/generate"), body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
        assert_eq!(body["errors"][0]["pointer"], "/webhook");
    }
    let list = service.get(&format!("{BASE}/")).await;
    assert!(list["documents"].as_array().unwrap().is_empty());
}
