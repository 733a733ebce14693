//! Following a task over connections that break.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use artos_http::client::{ClientError, TaskEvent};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::support::{NOBODY, Service, builder, documents, request, serve};

/// One event of the service, as text.
fn event(name: &str, id: u32) -> String {
    let status = if name == "end" { "Complete" } else { "Generating" };
    let data = json!({
        "task_id": NOBODY, "status": status, "progress": null, "error": null,
        "document_id": NOBODY, "state": "running", "retry_of": null,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    format!("event: {name}\nid: {id}\nretry: 1\ndata: {data}\n\n")
}

fn stream_of(text: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], text.into()).into_response()
}

#[tokio::test]
async fn the_real_service_is_followed_to_the_end() {
    let service = Service::start().await;
    let (url, _serving) = serve(service.app.clone()).await;
    let documents = documents(&builder(&url).build().unwrap());
    let id = documents.submit(&request("CSR")).await.unwrap().task_id;
    let events: Vec<TaskEvent> = documents.events(id).try_collect().await.unwrap();
    let end = events.last().unwrap();
    assert_eq!((end.name.as_str(), end.status.state.as_ref()), ("end", "completed"));
    assert_eq!(documents.events_after(id, Some(end.id.clone())).count().await, 0);
}

#[tokio::test]
async fn a_cut_connection_loses_and_doubles_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let app = Router::new().fallback(async move |headers: HeaderMap| {
        let last = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => {
                assert_eq!(last, None);
                let half = event("stage", 2);
                stream_of(event("snapshot", 1) + half.split_at(half.len() - 1).0)
            }
            // One that says again what was said before.
            1 => {
                assert_eq!(last.as_deref(), Some("1"));
                stream_of(event("snapshot", 1) + &event("stage", 2) + ": still here\n\n")
            }
            2 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            3 => {
                assert_eq!(last.as_deref(), Some("2"));
                stream_of(event("new-sort", 3) + &event("progress", 4))
            }
            4 => stream_of(event("end", 5)),
            _ => panic!("called after the end"),
        }
    });
    let (url, _serving) = serve(app).await;
    let documents = documents(&builder(&url).build().unwrap());
    let events = documents.events(NOBODY.parse().unwrap());
    let events: Vec<TaskEvent> = events.try_collect().await.unwrap();
    let found: Vec<_> = events.iter().map(|e| (e.name.as_str(), e.id.as_str())).collect();
    assert_eq!(found, [("snapshot", "1"), ("stage", "2"), ("progress", "4"), ("end", "5")]);
}

#[tokio::test]
async fn a_line_without_an_end_is_refused() {
    let app = Router::new().fallback(async || {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>("data: more and more "));
        stream_of(Body::from_stream(endless))
    });
    let (url, _serving) = serve(app).await;
    let client = builder(&url).event_bytes_max(100_000).build().unwrap();
    let mut events = documents(&client).events(NOBODY.parse().unwrap());
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { limit: 100_000 }), "{error:?}");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn streams_that_bring_nothing_are_given_up() {
    let app = Router::new().fallback(async || stream_of(Body::empty()));
    let (url, _serving) = serve(app).await;
    let client = builder(&url).attempts_max(3).build().unwrap();
    let mut events = documents(&client).events(NOBODY.parse().unwrap());
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::GaveUp { attempts: 3, .. }), "{error:?}");
    assert!(events.next().await.is_none());
}
