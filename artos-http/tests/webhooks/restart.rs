//! Deliveries outlive the process that owes them.

use std::time::Duration;

use artos_store_sled::SledStore;

use crate::support::{MovedClock, Receiver, Service};

#[tokio::test]
async fn a_delivery_that_was_owed_is_made_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = MovedClock::default();
    let loopback = "127.0.0.0/8".parse().unwrap();
    // An address where nobody listens now, but somebody will.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let store = SledStore::open(folder.path()).unwrap();
    let store = std::sync::Arc::new(store);
    let service = Service::on(store, clock.clone(), |hooks| hooks.allow(loopback)).await;
    let (endpoint, secret) = service.register(&format!("http://{address}/")).await;
    let id = service.submit("ok", None).await;
    let attempts = service.attempts(&endpoint, 2).await;
    assert_eq!(attempts[0]["outcome"], "scheduled");
    assert_eq!(attempts[1]["error"], "cannot connect");
    service.runtime.shutdown(Duration::from_secs(5)).await.unwrap();
    drop((service.app, service.webhooks));

    let mut receiver = Receiver::on(tokio::net::TcpListener::bind(address).await.unwrap());
    let store = loop {
        match SledStore::open(folder.path()) {
            Ok(store) => break store,
            // The last handle is dropped by a task of the runtime.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let service =
        Service::on(std::sync::Arc::new(store), clock, |hooks| hooks.allow(loopback)).await;
    // Five seconds and the jitter, on the machine's clock: that is how long a second attempt takes.
    let event = receiver.next().await;
    assert_eq!(event.json()["task_id"], id);
    assert!(event.verify(&secret));
    drop(service);
}
