//! What is written to the log, and what must not be.

use std::{
    io,
    sync::{Arc, Mutex},
};

use crate::support::{ACME, BASE, NOBODY, Service};

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

#[tokio::test(start_paused = true)]
async fn a_request_is_logged_by_its_route_and_without_its_secrets() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let service = Service::start().await;
    let path = format!("{BASE}/status/{NOBODY}?secret=in-the-query");
    service.get(&path).header("x-request-id", "request-7").send().await.problem(404);
    let id = service.generate("CSR").header("idempotency-key", "key-of-a-client").send().await;
    service.generate("PANIC").token("a-wrong-token").send().await.problem(401);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let request = text.lines().find(|line| line.contains("request-7")).unwrap();
    assert!(request.contains("/api/v1/documents/status/{task_id}"), "{request}");
    assert!(request.contains("GET") && request.contains("404"), "{request}");
    assert!(text.contains(&id.task_id()), "the id of a new task is logged");
    for secret in [ACME, "a-wrong-token", "in-the-query", "key-of-a-client"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
