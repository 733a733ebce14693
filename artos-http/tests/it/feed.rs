//! Following all tasks of an organization.

use axum::http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    events::{Event, Stream},
    support::{BASE, GLOBEX, SECOND, Service},
};

fn path() -> String {
    format!("{BASE}/events")
}

/// Reads events of a task until its end.
async fn until_end(stream: &mut Stream, id: &str) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = stream.next().await.unwrap();
        assert_eq!(event.data["task_id"], id, "{event:?}");
        events.push(event);
        if events.last().unwrap().name == "end" {
            return events;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_shows_what_is_open_and_then_what_happens_to_whichever_task_of_the_organization() {
    let mut service = Service::start().await;
    service.finished("CSR").await;
    let held = service.submit("HOLD").await;
    service.holding().await;
    let foreign = service.generate("CSR").token(GLOBEX).send().await.task_id();
    let mut stream = Stream::open(service.get(&path())).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["task_id"]), ("snapshot", &json!(held)));
    assert_eq!(first.data["state"], "running");

    // It is over before anybody looks, and told all the same.
    let quick = service.finished("INCOMPLETE").await;
    let events = until_end(&mut stream, &quick).await;
    assert_eq!(events.last().unwrap().data["status"], "Failed");
    service.script.permits.add_permits(1);
    let events = until_end(&mut stream, &held).await;
    assert_eq!(events.last().unwrap().data["status"], "Complete");
    assert!(events.iter().all(|event| event.id >= first.id));

    let later = service.submit("LATER").await;
    let event = stream.next().await.unwrap();
    assert_eq!((event.name.as_str(), &event.data["task_id"]), ("state", &json!(later)));
    service.post(&format!("{BASE}/{later}/cancel")).send().await;
    assert_eq!(until_end(&mut stream, &later).await.len(), 1);
    service.end_of(&foreign).await;
    service.drain.start();
    assert_eq!(stream.next().await, None);
    service.get(&path()).send().await.problem(503);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_hears_what_happened_meanwhile() {
    let service = Service::start().await;
    service.finished("CSR").await;
    tokio::time::sleep(60 * SECOND).await;
    let (ends, stays) = (service.submit("LATER").await, service.submit("LATER").await);
    let mut stream = Stream::open(service.get(&path())).await;
    let mut last = stream.next().await.unwrap().id;
    last = last.max(stream.next().await.unwrap().id);
    drop(stream);
    tokio::time::sleep(60 * SECOND).await;
    service.post(&format!("{BASE}/{ends}/cancel")).send().await;
    let quick = service.finished("CSR").await;
    for call in [
        service.get(&path()).header("last-event-id", &last.to_string()),
        service.get(&format!("{}?after={last}", path())),
    ] {
        let mut stream = Stream::open(call).await;
        // What happened shortly before the last event is told again: clocks differ.
        for id in [&stays, &ends, &quick] {
            let event = stream.next().await.unwrap();
            assert_eq!((event.name.as_str(), &event.data["task_id"]), ("snapshot", &json!(id)));
        }
        // Nothing of what was over before is told.
        assert!(tokio::time::timeout(60 * SECOND, stream.next()).await.is_err());
    }
    service.post(&format!("{BASE}/{stays}/cancel")).send().await;
}

#[tokio::test(start_paused = true)]
async fn what_no_hint_tells_is_found_within_seconds() {
    let service = Service::start().await;
    let id = service.submit("LATER").await;
    service.store.mute();
    let mut stream = Stream::open(service.get(&path())).await;
    assert_eq!(stream.next().await.unwrap().name, "snapshot");
    let started = Instant::now();
    service.post(&format!("{BASE}/{id}/cancel")).send().await;
    assert_eq!(stream.next().await.unwrap().name, "end");
    assert!(started.elapsed() <= 11 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_which_nothing_happens_looks_seldom() {
    let service = Service::start().await;
    let mut stream = Stream::open(service.get(&path())).await;
    let before = service.store.calls();
    let silence = tokio::time::timeout(60 * SECOND, stream.next()).await;
    assert!(silence.is_err());
    // Two listings every ten seconds, and what the runtime itself does.
    let calls = service.store.calls() - before;
    assert!(calls <= 30, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn an_organization_has_only_so_many_streams() {
    let service = Service::start_with(|router| router.streams_max(1)).await;
    let open = Stream::open(service.get(&path())).await;
    let refused = service.get(&path()).send().await.problem(429);
    assert_eq!(refused["code"], "too_many_streams");
    assert_eq!(service.get(&path()).token(GLOBEX).response().await.status(), StatusCode::OK);
    drop(open);
    Stream::open(service.get(&path())).await;
}
