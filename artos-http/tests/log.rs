//! What is written to the log, and what must not be.
//!
//! A program of its own: which log statements are on is decided once in a process, and other tests
//! running at the same time would decide it for this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use artos_core::{Client, Task};
use artos_http::{Auth, Resource};
use artos_store_memory::MemoryStore;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tracing_subscriber::filter::LevelFilter;

#[derive(Serialize, Deserialize)]
struct SendMail {
    to: String,
}

impl Task for SendMail {
    const KIND: &'static str = "mail.send";
    type Output = ();
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn post(token: &str) -> Request<Body> {
    Request::post("/mails/generate?secret=in-the-query")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("idempotency-key", "key-of-a-client")
        .header("x-request-id", "request-7")
        .body(Body::from(r#"{"to": "ada@example.org"}"#))
        .unwrap()
}

#[tokio::test]
async fn a_request_is_logged_by_its_route_and_without_its_secrets() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone());
    subscriber.init();
    let client = Client::new(MemoryStore::default());
    let app = artos_http::router(client, Auth::tokens([("acme", "token-of-acme")]))
        .resource(Resource::<SendMail>::new("/mails"))
        .build()
        .unwrap();
    let accepted = app.clone().oneshot(post("token-of-acme")).await.unwrap();
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let refused = app.oneshot(post("a-wrong-token")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = |wanted: &str| text.lines().find(|line| line.contains(wanted)).unwrap();
    for wanted in ["accepted task_id=", "answered status=202", "answered status=401"] {
        let line = line(wanted);
        for part in ["request-7", "POST", "/mails/generate"] {
            assert!(line.contains(part), "{line}");
        }
    }
    let secrets =
        ["token-of-acme", "a-wrong-token", "in-the-query", "key-of-a-client", "ada@example.org"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}
