//! Probes, and going away.

use std::sync::atomic::Ordering;

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::{
    store::{Mood, STOPPED},
    support::{BASE, Call, SECOND, Service},
};

#[tokio::test(start_paused = true)]
async fn a_service_that_is_well_is_ready() {
    let service = Service::start().await;
    let answer = service.get("/readyz").anonymous().send().await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!({ "status": "ready", "running": 0 }))
    );
    let answer = service.get("/livez").anonymous().send().await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "status": "live" })));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_makes_it_unready_but_not_dead() {
    let service = Service::start().await;
    for (mood, reason) in [(Mood::Down, "told to fail"), (Mood::Hanging, "no answer within 2s")] {
        service.store.set(mood);
        let problem = service.get("/readyz").send().await.problem(503);
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
        assert!(problem["errors"].is_array());
        assert_eq!(service.get("/livez").send().await.status, StatusCode::OK);
    }
    service.store.set(Mood::Down);
    tokio::time::sleep(30 * SECOND).await;
    let problem = service.get("/readyz").send().await.problem(503);
    assert!(
        problem["errors"].as_array().unwrap().len() > 1,
        "the runtime's own trouble: {problem}"
    );
}

#[tokio::test(start_paused = true)]
async fn many_who_probe_at_a_time_ask_the_store_once() {
    let service = Service::start().await;
    service.store.set(Mood::Hanging);
    let before = service.store.gets();
    let probe = || service.get("/readyz").anonymous().spawn();
    let probes: Vec<_> = (0..50).map(|_| probe()).collect();
    for probe in probes {
        probe.await.unwrap().problem(503);
    }
    assert_eq!(service.store.gets() - before, 1);
    service.store.set(Mood::Well);
    assert_eq!(service.get("/readyz").send().await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stopped_for_good_starts_nothing_and_readyz_says_why_all_the_time() {
    let mut service = Service::start().await;
    service.submit("HOLD").await;
    service.holding().await;
    service.store.set(Mood::Stopped);
    // What runs may end; nobody can be told, and nothing else starts.
    service.script.permits.add_permits(1);
    let (before, extracted) =
        (service.store.calls(), service.script.extracted.load(Ordering::SeqCst));
    let minutes = 10;
    for _ in 0..minutes {
        tokio::time::sleep(60 * SECOND).await;
        let problem = service.get("/readyz").anonymous().send().await.problem(503);
        assert!(problem["detail"].as_str().unwrap().contains(STOPPED), "{problem}");
        assert_eq!(service.get("/livez").anonymous().send().await.status, StatusCode::OK);
        assert_eq!(service.generate("CSR").send().await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let health = service.runtime.health();
    assert!(health.to_string().contains(STOPPED), "{health}");
    assert_eq!(health.running, 0, "a stage holds its slot though its lease is gone: {health}");
    assert_eq!(service.script.extracted.load(Ordering::SeqCst), extracted);
    let calls = service.store.calls() - before;
    // Three loops wait a second and a half on average, and each minute has two requests.
    assert!(calls < minutes * 60 * 5 / 2, "{calls} calls to a store that has stopped");
}

#[tokio::test(start_paused = true)]
async fn a_drain_refuses_new_work_and_answers_the_rest() {
    let service = Service::start().await;
    let id = service.finished("INCOMPLETE").await;
    service.drain.start();
    let problem = service.get("/readyz").send().await.problem(503);
    assert_eq!(problem["errors"][0]["detail"], "draining");
    for call in [service.generate("CSR"), service.post(&format!("{BASE}/{id}/retry"))] {
        let answer = call.send().await;
        assert_eq!(answer.problem(503)["code"], "draining");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(service.status(&id).send().await.status, StatusCode::OK);
    assert_eq!(service.get(BASE).send().await.status, StatusCode::OK);
    assert_eq!(service.tasks().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_shuts_down_makes_it_unready() {
    let service = Service::start().await;
    let Service { app, runtime, .. } = service;
    runtime.shutdown(SECOND).await.unwrap();
    let problem = Call::new(&app, Method::GET, "/readyz").send().await.problem(503);
    assert_eq!(problem["errors"][0]["detail"], "draining");
}
