//! A receiver that takes its time holds up nobody else.

use std::net::SocketAddr;

use axum::http::{Method, StatusCode};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::mpsc};

use crate::support::{BASE, Receiver, Service};

/// More than a receiver may have under way, and more than would hold up a single queue.
const EVENTS: usize = 300;

/// A receiver that reads and never answers; it tells of each connection.
async fn silent() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (send, connected) = mpsc::unbounded_channel();
    tokio::runtime::Handle::current().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            send.send(()).ok();
            tokio::runtime::Handle::current().spawn(async move {
                while stream.read(&mut [0; 4_096]).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    (address, connected)
}

#[tokio::test]
async fn a_receiver_that_never_answers_has_a_share_of_the_attempts_and_no_more() {
    let service = Service::start().await;
    let (slow, mut connected) = silent().await;
    let slow = format!("http://{slow}/");
    for _ in 0..EVENTS {
        service.submit("ok", Some(&slow)).await;
    }
    // The share is used up, and there is much more to deliver.
    for _ in 0..8 {
        connected.recv().await.unwrap();
    }
    let mut quick = Receiver::start().await;
    let id = service.submit("ok", Some(&quick.url())).await;
    // Within seconds: an attempt at the other one takes twenty.
    let event = quick.next_within(std::time::Duration::from_secs(10)).await;
    assert_eq!(event.json()["task_id"], id);
    assert!(connected.try_recv().is_err(), "more than its share");
    // Another organization has a share of its own at the same host.
    let body = serde_json::json!({ "what": "ok", "webhook": slow });
    let path = format!("{BASE}/generate");
    let (status, _) = service.call_as("globex-token", Method::POST, &path, body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let reached = tokio::time::timeout(std::time::Duration::from_secs(10), connected.recv());
    reached.await.expect("a turn for the other organization").unwrap();
}
