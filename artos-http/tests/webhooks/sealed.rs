//! Secrets that are stored sealed.

use artos_core::{
    ListQuery,
    store::{Part, TaskStore},
};
use artos_store_memory::MemoryStore;

use crate::support::{HOOKS, MovedClock, Receiver, Service};

/// Everything that the store has as an input.
async fn dump(store: &MemoryStore) -> String {
    let page = store.list(&ListQuery { limit: 1_000, ..ListQuery::default() }).await.unwrap();
    let mut all = String::new();
    for task in page.tasks {
        let found = store.get(task.id, Part::Input).await.unwrap().unwrap();
        all += &String::from_utf8_lossy(&found.payload.unwrap_or_default());
    }
    all
}

#[tokio::test]
async fn whoever_reads_the_store_learns_no_secret_and_messages_are_signed_all_the_same() {
    for is_sealed in [true, false] {
        let clock = MovedClock::default();
        let store = MemoryStore::with_clock(clock.clone());
        let service = Service::on(store.clone(), clock, |webhooks| {
            let webhooks = webhooks.allow("127.0.0.0/8".parse().unwrap());
            if is_sealed { webhooks.seal_secrets_with([7; 32]) } else { webhooks }
        })
        .await;
        let mut receiver = Receiver::start().await;
        let (endpoint, old) = service.register(&receiver.url()).await;
        let rotated =
            service.post(&format!("{HOOKS}/{endpoint}/rotate"), serde_json::json!({})).await;
        let new = rotated.1["secret"].as_str().unwrap();
        service.submit("ok", None).await;
        let event = receiver.next().await;
        assert!(event.verify(&old) && event.verify(new));
        let shown = service.get(&format!("{HOOKS}/{endpoint}/secret")).await;
        assert_eq!(shown["secret"], new);
        let stored = dump(&store).await;
        assert!(stored.contains(&endpoint));
        assert_eq!(stored.contains(&old), !is_sealed);
        assert_eq!(stored.contains(new), !is_sealed);
    }
}

#[tokio::test]
async fn without_the_key_nothing_is_signed_and_the_endpoint_can_still_go() {
    let clock = MovedClock::default();
    let store = MemoryStore::with_clock(clock.clone());
    let loopback = || "127.0.0.0/8".parse().unwrap();
    let with_key = Service::on(store.clone(), clock.clone(), |webhooks| {
        webhooks.allow(loopback()).seal_secrets_with([7; 32])
    })
    .await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = with_key.register(&receiver.url()).await;
    with_key.runtime.shutdown(std::time::Duration::from_secs(5)).await.unwrap();
    let without = Service::on(store, clock, |webhooks| webhooks.allow(loopback())).await;
    let path = format!("{HOOKS}/{endpoint}");
    let method = axum::http::Method::GET;
    let (status, body) = without.call(method, &path, serde_json::Value::Null).await;
    assert_eq!(status, 500, "{body}");
    assert_eq!(body["detail"], "internal error");
    let id = without.submit("ok", None).await;
    without.until(&id, artos_core::TaskRecord::is_terminal).await;
    assert!(receiver.is_empty());
    let method = axum::http::Method::DELETE;
    assert_eq!(without.call(method, &path, serde_json::Value::Null).await.0, 204);
}
