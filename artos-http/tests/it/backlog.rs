//! How many tasks may wait.

use artos_core::Client;
use axum::http::{Method, StatusCode};

use crate::{
    store::{Mood, MoodyStore},
    support::{BASE, Call, GLOBEX, SECOND, Service, documents, tokens},
};

#[tokio::test(start_paused = true)]
async fn beyond_its_cap_an_organization_is_told_to_wait_and_others_are_not() {
    let service = Service::start_with(|router| router.pending_max(3)).await;
    for _ in 0..3 {
        service.submit("LATER").await;
    }
    let refused = service.generate("LATER").send().await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.problem(429)["code"], "too_many_pending");
    assert_eq!(service.tasks().await, 3);
    let theirs = service.generate("LATER").token(GLOBEX).send().await;
    assert_eq!(theirs.status, StatusCode::ACCEPTED);
    // What no longer waits makes room, as soon as the store is asked again.
    let list = service.get(BASE).send().await.json();
    let first = list["documents"][0]["document_id"].as_str().unwrap();
    service.post(&format!("{BASE}/{first}/cancel")).send().await;
    service.generate("LATER").send().await.problem(429);
    tokio::time::sleep(SECOND).await;
    service.submit("LATER").await;
    service.generate("LATER").send().await.problem(429);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_of_all_everybody_is_told_to_wait() {
    let service = Service::start_with(|router| router.backlog_max(2).pending_max(9)).await;
    service.submit("LATER").await;
    let theirs = service.generate("LATER").token(GLOBEX).send().await;
    assert_eq!(theirs.status, StatusCode::ACCEPTED);
    let refused = service.generate("LATER").send().await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let problem = refused.json();
    assert_eq!(problem["code"], "overloaded");
    let registered = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
    assert_eq!(problem["type"], registered);
}

#[tokio::test(start_paused = true)]
async fn while_the_cap_is_far_the_store_is_seldom_asked() {
    // Without a runtime, which would call the store as well.
    let store = MoodyStore::new();
    let app = artos_http::router(Client::new(store.clone()), tokens())
        .pending_max(1_000)
        .resource(documents())
        .build()
        .unwrap();
    let submit = async || {
        let body = serde_json::json!({ "document_type": "LATER", "file_paths": ["a"] });
        let call = Call::new(&app, Method::POST, &format!("{BASE}/generate")).json(&body);
        assert_eq!(call.send().await.status, StatusCode::ACCEPTED);
    };
    submit().await;
    let before = store.calls();
    for _ in 0..50 {
        submit().await;
    }
    assert_eq!(store.calls() - before, 50);
    tokio::time::sleep(11 * SECOND).await;
    submit().await;
    assert_eq!(store.calls() - before, 52);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_count_refuses_by_itself() {
    let service = Service::start_with(|router| router.pending_max(3)).await;
    service.store.set(Mood::Down);
    let problem = service.generate("LATER").send().await.problem(503);
    assert_eq!(problem["code"], "store_unavailable");
    service.store.set(Mood::Well);
    service.submit("LATER").await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_at_first_are_counted() {
    let service = Service::start_with(|router| router.pending_max(3)).await;
    let calls: Vec<_> = (0..20).map(|_| service.generate("LATER").spawn()).collect();
    let mut taken = 0;
    for call in calls {
        let answer = call.await.unwrap();
        assert!([202, 429].contains(&answer.status.as_u16()), "{answer:?}");
        taken += usize::from(answer.status == StatusCode::ACCEPTED);
    }
    assert_eq!(taken, 3);
    assert_eq!(service.tasks().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_beyond_the_cap_too() {
    let service = Service::start_with(|router| router.pending_max(1).backlog_max(1)).await;
    let call = |kind: &str| service.generate(kind).header("idempotency-key", "one");
    let first = call("LATER").send().await.task_id();
    let again = call("LATER").send().await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.task_id(), first);
    // Another request, another key, another organization.
    assert_eq!(call("CSR").send().await.problem(422)["code"], "idempotency_key_reused");
    let other = service.generate("LATER").header("idempotency-key", "two").send().await;
    assert_eq!(other.problem(429)["code"], "too_many_pending");
    let theirs = call("LATER").token(GLOBEX).send().await;
    assert_eq!((theirs.status.as_u16(), &theirs.json()["code"]), (503, &"overloaded".into()));
    assert_eq!(service.tasks().await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_while_the_store_is_slow_counts() {
    let service = Service::start_with(|router| router.pending_max(3)).await;
    service.submit("LATER").await;
    service.store.hold_inserts(true);
    let slow: Vec<_> = (0..2).map(|_| service.generate("LATER").spawn()).collect();
    for _ in 0..5 {
        // Long enough for another look at the store, which knows of one task.
        tokio::time::sleep(2 * SECOND).await;
        service.generate("LATER").send().await.problem(429);
    }
    service.store.hold_inserts(false);
    for call in slow {
        assert_eq!(call.await.unwrap().status, StatusCode::ACCEPTED);
    }
    assert_eq!(service.tasks().await, 3);
    service.generate("LATER").send().await.problem(429);
}

#[tokio::test(start_paused = true)]
async fn what_callers_who_went_away_left_under_way_counts() {
    let service = Service::start_with(|router| router.pending_max(4)).await;
    service.submit("LATER").await;
    service.store.hold_inserts(true);
    let calls: Vec<_> = (0..3).map(|_| service.generate("LATER").spawn()).collect();
    tokio::time::sleep(SECOND).await;
    for call in calls {
        call.abort();
    }
    tokio::time::sleep(11 * SECOND).await;
    service.generate("LATER").send().await.problem(429);
    service.store.hold_inserts(false);
    tokio::time::sleep(2 * SECOND).await;
    // The first two were their callers' own, and went with them; a group commit had the third.
    assert_eq!(service.tasks().await, 2);
    service.submit("LATER").await;
    service.submit("LATER").await;
    service.generate("LATER").send().await.problem(429);
    assert_eq!(service.tasks().await, 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_only_repeats_takes_no_room() {
    let service = Service::start_with(|router| router.pending_max(3).backlog_max(3)).await;
    for _ in 0..5 {
        let bad = serde_json::json!({ "document_type": "LATER", "file_paths": [""] });
        service.post(&format!("{BASE}/generate")).json(&bad).send().await.problem(422);
        let repeat = service.generate("LATER").header("idempotency-key", "one");
        assert_eq!(repeat.send().await.status, StatusCode::ACCEPTED);
    }
    service.submit("LATER").await;
    service.submit("LATER").await;
    service.generate("LATER").send().await.problem(429);
    // What the cap of all refuses took no room of the organization either.
    let theirs = service.generate("LATER").token(GLOBEX).send().await;
    assert_eq!(theirs.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_no_body_is_waited_for() {
    let service = Service::start_with(|router| router.pending_max(1)).await;
    service.submit("LATER").await;
    service.generate("LATER").send().await.problem(429);
    let never = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    let call = service.generate("LATER").body(axum::body::Body::from_stream(never));
    let answer = tokio::time::timeout(SECOND, call.send()).await;
    assert_eq!(answer.expect("an answer at once").problem(429)["code"], "too_many_pending");
}
