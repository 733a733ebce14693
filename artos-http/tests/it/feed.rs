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
        for (name, id) in [("snapshot", &stays), ("end", &ends), ("end", &quick)] {
            let event = stream.next().await.unwrap();
            assert_eq!((event.name.as_str(), &event.data["task_id"]), (name, &json!(id)));
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

#[tokio::test(start_paused = true)]
async fn many_streams_of_an_organization_share_one_look() {
    let service = Service::start().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(service.get(&path())).await);
    }
    let before = service.store.lists();
    let id = service.submit("LATER").await;
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().data["task_id"], id);
    }
    tokio::time::sleep(60 * SECOND).await;
    // Two listings for the change, and two every ten seconds.
    let lists = service.store.lists() - before;
    assert!(lists <= 16, "{lists}");
    // When nobody follows any more, nobody looks.
    drop(streams);
    tokio::time::sleep(20 * SECOND).await;
    let before = service.store.lists();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(service.store.lists(), before);
    // And somebody who comes then finds everything.
    let mut stream = Stream::open(service.get(&path())).await;
    assert_eq!(stream.next().await.unwrap().data["task_id"], id);
    service.post(&format!("{BASE}/{id}/cancel")).send().await;
    assert_eq!(stream.next().await.unwrap().name, "end");
}

#[tokio::test(start_paused = true)]
async fn only_the_last_of_events_that_come_together_has_an_id() {
    let service = Service::start().await;
    for _ in 0..3 {
        service.submit("LATER").await;
    }
    let mut stream = Stream::open(service.get(&path())).await;
    let ids = [stream.next().await, stream.next().await, stream.next().await];
    let ids = ids.map(|event| event.unwrap().id);
    // Whoever is cut off before the third has no id to come back with, and gets all three.
    assert_eq!(ids[..2], [0, 0]);
    assert!(ids[2] > 0);
    let (one, other) = (service.submit("LATER").await, service.submit("LATER").await);
    let events = [stream.next().await.unwrap(), stream.next().await.unwrap()];
    assert_eq!(events.each_ref().map(|event| &event.data["task_id"]), [&json!(one), &json!(other)]);
    assert_eq!(events[0].id, ids[2]);
    assert!(events[1].id > ids[2]);
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_the_store_cannot_be_read_is_told_afterwards() {
    let service = Service::start().await;
    let mut stream = Stream::open(service.get(&path())).await;
    service.store.set_listless(true);
    let quick = service.finished("CSR").await;
    assert!(tokio::time::timeout(60 * SECOND, stream.next()).await.is_err());
    service.store.set_listless(false);
    let events = until_end(&mut stream, &quick).await;
    assert_eq!(events.last().unwrap().data["status"], "Complete");
}

#[tokio::test(start_paused = true)]
async fn of_more_tasks_than_it_can_follow_a_stream_says_so_and_reads_only_so_many() {
    let service = Service::start().await;
    for _ in 0..1_000 {
        service.submit("LATER").await;
    }
    let mut stream = Stream::open(service.get(&path())).await;
    for _ in 0..1_000 {
        assert_eq!(stream.next().await.unwrap().name, "snapshot");
    }
    let before = service.store.gets();
    for _ in 0..300 {
        service.submit("LATER").await;
    }
    let mut names = std::collections::BTreeMap::<String, usize>::new();
    let silence = async {
        loop {
            *names.entry(stream.next().await.unwrap().name).or_default() += 1;
        }
    };
    let silence = tokio::time::timeout(60 * SECOND, silence).await;
    assert!(silence.is_err());
    assert_eq!(names.get("state"), Some(&300), "{names:?}");
    let gaps = names.get("gap").copied().unwrap_or_default();
    assert!((1..=7).contains(&gaps), "{names:?}");
    let gets = service.store.gets() - before;
    assert!(gets <= 200, "{gets} tasks were read one by one");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_is_no_longer_good() {
    let service = Service::start().await;
    let is_good = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = std::sync::Arc::clone(&is_good);
    let auth = artos_http::Auth::lookup(move |_| {
        let is_good = asked.load(std::sync::atomic::Ordering::SeqCst);
        async move { Ok(is_good.then(|| artos_http::Caller::of("acme"))) }
    });
    let router = artos_http::router(service.runtime.client(), auth);
    let app = router.resource(crate::support::documents()).build().unwrap();
    let service = service.behind(app);
    let id = service.submit("LATER").await;
    let mut all = Stream::open(service.get(&path())).await;
    let one = service.get(&format!("{BASE}/status/{id}/events"));
    let mut one = Stream::open(one).await;
    assert_eq!(all.next().await.unwrap().name, "snapshot");
    assert_eq!(one.next().await.unwrap().name, "snapshot");
    let both = async { tokio::select!(event = all.next() => event, event = one.next() => event) };
    assert!(tokio::time::timeout(600 * SECOND, both).await.is_err());
    is_good.store(false, std::sync::atomic::Ordering::SeqCst);
    let started = Instant::now();
    assert_eq!(tokio::join!(all.next(), one.next()), (None, None));
    assert!(started.elapsed() <= 60 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_ends_the_streams_and_who_comes_back_is_told_again() {
    let service = Service::start().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(Stream::open(service.get(&path())).await);
    }
    service.store.set_panicking(true);
    let id = service.submit("LATER").await;
    for stream in &mut streams {
        let told = tokio::time::timeout(60 * SECOND, stream.next()).await;
        assert_eq!(told.expect("the stream ends"), None);
    }
    service.store.set_panicking(false);
    let mut stream = Stream::open(service.get(&path())).await;
    assert_eq!(stream.next().await.unwrap().name, "snapshot");
    service.post(&format!("{BASE}/{id}/cancel")).send().await;
    let told = tokio::time::timeout(60 * SECOND, stream.next()).await;
    assert_eq!(told.expect("the end is told").unwrap().name, "end");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_told_if_an_end_of_an_older_task_cannot_be_told() {
    let service = Service::start().await;
    let old = service.submit("LATER").await;
    tokio::time::sleep(60 * SECOND).await;
    for _ in 0..1_000 {
        service.finished("CSR").await;
    }
    tokio::time::sleep(60 * SECOND).await;
    let stays = service.submit("LATER").await;
    let mut stream = Stream::open(service.get(&path())).await;
    let first = [stream.next().await.unwrap(), stream.next().await.unwrap()];
    assert_eq!(first.each_ref().map(|event| &event.data["task_id"]), [&json!(old), &json!(stays)]);
    drop(stream);
    tokio::time::sleep(60 * SECOND).await;
    service.post(&format!("{BASE}/{old}/cancel")).send().await;
    let back = |id: &str| service.get(&path()).header("last-event-id", id);
    let mut stream = Stream::open(back(&first[1].full_id)).await;
    let gap = stream.next().await.unwrap();
    assert_eq!(gap.name, "gap");
    let shown = stream.next().await.unwrap();
    assert_eq!((shown.name.as_str(), &shown.data["task_id"]), ("snapshot", &json!(stays)));
    drop(stream);
    // All that was open then is among the last tasks, so nothing can be missed any more.
    tokio::time::sleep(60 * SECOND).await;
    service.post(&format!("{BASE}/{stays}/cancel")).send().await;
    let mut stream = Stream::open(back(&shown.full_id)).await;
    let end = stream.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["task_id"]), ("end", &json!(stays)));
}
