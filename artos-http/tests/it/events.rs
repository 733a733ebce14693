//! Following a task as server-sent events.

use std::time::Duration;

use axum::{body::BodyDataStream, http::StatusCode};
use futures::StreamExt;
use serde_json::Value;

use crate::support::{BASE, Call, GLOBEX, SECOND, Service};

/// An open stream.
pub(crate) struct Stream {
    body: BodyDataStream,
    buffer: String,
    /// The last id that came.
    last: String,
}

/// One event of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    /// That of the event, or else of the last one before it that had one, as browsers have it.
    pub(crate) id: u64,
    /// The same as it was written: streams of organizations have more in it.
    pub(crate) full_id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Stream {
    pub(crate) async fn open(call: Call) -> Self {
        let response = call.response().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self {
            body: response.into_body().into_data_stream(),
            buffer: String::new(),
            last: String::new(),
        }
    }

    /// Returns the next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                return Some(block);
            }
            let chunk = self.body.next().await?.unwrap();
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let found = block.lines().find_map(|line| line.strip_prefix(name));
                found.map(|value| value.trim().to_owned())
            };
            if let Some(data) = field("data:") {
                if let Some(id) = field("id:") {
                    self.last = id;
                }
                let id = self.last.split('-').next().unwrap_or_default();
                return Some(Event {
                    id: id.parse().unwrap_or_default(),
                    full_id: self.last.clone(),
                    name: field("event:").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn path(id: &str) -> String {
    format!("{BASE}/status/{id}/events")
}

#[tokio::test(start_paused = true)]
async fn a_stream_shows_how_the_task_is_then_each_change_then_the_end() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let mut stream = Stream::open(service.get(&path(&id))).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first.name, "snapshot");
    assert_eq!(first.data["task_id"], id);
    assert_eq!(first.data["progress"]["percent"], 40);
    service.script.permits.add_permits(1);
    let rest = stream.rest().await;
    let last = rest.last().unwrap();
    assert_eq!(last.name, "end");
    assert_eq!(last.data["status"], "Complete");
    let ids: Vec<_> = std::iter::once(&first).chain(&rest).map(|event| event.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_it_missed_and_nothing_twice() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let mut stream = Stream::open(service.get(&path(&id))).await;
    let first = stream.next().await.unwrap();
    drop(stream);
    let known = first.id.to_string();
    let again = Stream::open(service.get(&path(&id)).header("last-event-id", &known)).await;
    let by_query = Stream::open(service.get(&format!("{}?after={known}", path(&id)))).await;
    service.script.permits.add_permits(1);
    for stream in [again, by_query] {
        let events = stream.rest().await;
        assert!(events.iter().all(|event| event.id > first.id), "{events:?}");
        assert_eq!(events.last().unwrap().name, "end");
    }
    // What was missed altogether is told as it is now.
    let call = service.get(&path(&id)).header("last-event-id", "1");
    let events = Stream::open(call).await.rest().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name, "end");
    let last = events[0].id.to_string();
    let answer = service.get(&path(&id)).header("last-event-id", &last).send().await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.body.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_id_that_makes_no_sense_is_ignored() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    for odd in ["x", "-1", "99999", "99999999999999999999999", "1.5", ""] {
        let call = service.get(&path(&id)).header("last-event-id", odd);
        let events = Stream::open(call).await.rest().await;
        assert_eq!(events.len(), 1, "{odd}");
        assert_eq!(events[0].data["status"], "Complete");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_which_nothing_happens_is_kept_alive_without_calling_the_store() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let mut stream = Stream::open(service.get(&path(&id))).await;
    stream.next().await.unwrap();
    // One more look, because something may have changed while the stream was opened.
    stream.block().await.unwrap();
    let before = service.store.gets();
    for _ in 0..10 {
        let started = tokio::time::Instant::now();
        let comment = stream.block().await.unwrap();
        assert!(comment.starts_with(':'), "{comment}");
        assert_eq!(started.elapsed(), 15 * SECOND);
    }
    assert_eq!(service.store.gets(), before, "the store was asked though nothing changed");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_streams_and_takes_no_new_ones() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let mut stream = Stream::open(service.get(&path(&id))).await;
    stream.next().await.unwrap();
    let started = tokio::time::Instant::now();
    service.drain.start();
    assert_eq!(stream.next().await, None);
    assert_eq!(started.elapsed(), Duration::ZERO);
    service.get(&path(&id)).send().await.problem(503);
}

#[tokio::test(start_paused = true)]
async fn an_organization_has_only_so_many_streams_and_sees_only_its_own_tasks() {
    let mut service = Service::start_with(|router| router.streams_max(2)).await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    service.get(&path(&id)).token(GLOBEX).send().await.problem(404);
    let first = Stream::open(service.get(&path(&id))).await;
    let _second = Stream::open(service.get(&path(&id))).await;
    let problem = service.get(&path(&id)).send().await.problem(429);
    assert_eq!(problem["code"], "too_many_streams");
    drop(first);
    let _third = Stream::open(service.get(&path(&id))).await;
}
