//! Submitting twice with the same key.

use artos_core::Submission;
use artos_http::Resource;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{BASE, GLOBEX, Service};

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_with_the_first_task() {
    let service = Service::start().await;
    let first = service.generate("CSR").header("idempotency-key", "8e03-97").send().await;
    assert_eq!(first.header("idempotency-replayed"), "");
    for key in ["8e03-97", "\"8e03-97\""] {
        let again = service.generate("CSR").header("idempotency-key", key).send().await;
        assert_eq!((again.status, &again.body), (StatusCode::ACCEPTED, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
    service.end_of(&first.task_id()).await;
    let late = service.generate("CSR").header("idempotency-key", "8e03-97").send().await;
    assert_eq!(late.task_id(), first.task_id(), "a completed task still answers for its key");
    assert_eq!(service.tasks().await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_in_other_json_is_the_same_request() {
    let service = Service::start().await;
    let send = |body: &'static str| {
        let call = service.post(&format!("{BASE}/generate")).header("idempotency-key", "k");
        call.header("content-type", "application/json").body(body).send()
    };
    let first = send(r#"{"document_type":"CSR","file_paths":["a"]}"#).await;
    let second = send("{ \"file_paths\": [\"\\u0061\"],\n \"document_type\": \"CSR\" }").await;
    assert_eq!(second.task_id(), first.task_id());
}

#[tokio::test(start_paused = true)]
async fn another_request_with_the_same_key_is_refused() {
    let service = Service::start().await;
    service.generate("CSR").header("idempotency-key", "k").send().await;
    let answer = service.generate("IND").header("idempotency-key", "k").send().await;
    assert_eq!(answer.problem(422)["code"], "idempotency_key_reused");
    assert_eq!(service.tasks().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_belongs_to_its_organization_and_its_route() {
    use crate::support::GenerateDocument;
    let other = artos_http::Resource::<GenerateDocument>::new("/other");
    let service = Service::start_with(|router| router.resource(other)).await;
    let first = service.generate("CSR").header("idempotency-key", "k").send().await;
    let globex = service.generate("CSR").token(GLOBEX).header("idempotency-key", "k").send().await;
    let body = json!({ "document_type": "CSR", "file_paths": ["acme/protocol.pdf"] });
    let call = service.post("/other/generate").json(&body).header("idempotency-key", "k");
    let other = call.send().await;
    assert_eq!(globex.header("idempotency-replayed"), "");
    assert_eq!(other.header("idempotency-replayed"), "");
    let ids = [first.task_id(), globex.task_id(), other.task_id()];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_make_one_task() {
    let service = Service::start().await;
    let call = || service.generate("CSR").header("idempotency-key", "k").spawn();
    let calls: Vec<_> = (0..20).map(|_| call()).collect();
    let mut ids = Vec::new();
    let mut new = 0;
    for call in calls {
        let answer = call.await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        new += usize::from(answer.header("idempotency-replayed").is_empty());
        ids.push(answer.task_id());
    }
    ids.dedup();
    assert_eq!((ids.len(), new, service.tasks().await), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_key_takes_no_room_of_labels_and_none_of_them_can_pass_for_one() {
    use crate::support::{GenerateDocument, held_task};
    let labelled = |base: &str, own: &'static str| {
        Resource::<GenerateDocument>::new(base).from_request(move |_: Value, _| async move {
            let submission = (0..31).fold(Submission::new(held_task()), |submission, number| {
                submission.label(format!("label-{number}"), "x")
            });
            Ok(submission.label(own, "x"))
        })
    };
    let (full, forged) = (labelled("/full", "own"), labelled("/forged", "artos.request"));
    let service = Service::start_with(|router| router.resource(full).resource(forged)).await;
    let call = |base: &str| {
        let call = service.post(&format!("{base}/generate")).json(&json!({}));
        call.header("idempotency-key", "k").send()
    };
    let first = call("/full").await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{first:?}");
    assert_eq!(call("/full").await.task_id(), first.task_id());
    call("/forged").await.problem(422);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_every_request_makes_a_task() {
    let service = Service::start().await;
    assert_ne!(service.submit("CSR").await, service.submit("CSR").await);
}

#[tokio::test(start_paused = true)]
async fn bad_keys_are_refused() {
    let service = Service::start().await;
    let too_long = "k".repeat(256);
    for key in ["", "\"\"", "a b", "\"open", &too_long] {
        let answer = service.generate("CSR").header("idempotency-key", key).send().await;
        assert_eq!(answer.problem(400)["code"], "invalid_idempotency_key", "{key}");
    }
    let twice = service.generate("CSR").header("idempotency-key", "a");
    twice.and_header("idempotency-key", "a").send().await.problem(400);
    assert_eq!(service.tasks().await, 0);
}
