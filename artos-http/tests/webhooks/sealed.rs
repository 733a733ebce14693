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
    let secret = format!("{path}/secret");
    let (status, body) = without.call(method, &secret, serde_json::Value::Null).await;
    assert_eq!(status, 500, "{body}");
    assert_eq!(body["detail"], "internal error");
    let id = without.submit("ok", None).await;
    without.until(&id, artos_core::TaskRecord::is_terminal).await;
    assert!(receiver.is_empty());
    let method = axum::http::Method::DELETE;
    assert_eq!(without.call(method, &path, serde_json::Value::Null).await.0, 204);
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_silences_its_own_endpoint_only_until_it_is_rotated() {
    let clock = MovedClock::default();
    let store = MemoryStore::with_clock(clock.clone());
    let loopback = || "127.0.0.0/8".parse().unwrap();
    let sealing = async |key: [u8; 32]| {
        let more = |webhooks: artos_http::WebhooksBuilder| {
            webhooks.allow(loopback()).seal_secrets_with(key)
        };
        Service::on(store.clone(), clock.clone(), more).await
    };
    let before = sealing([7; 32]).await;
    let mut lost = Receiver::start().await;
    let (silenced, _) = before.register(&lost.url()).await;
    before.submit("ok", Some(&lost.url())).await;
    lost.next().await;
    lost.next().await;
    before.runtime.shutdown(std::time::Duration::from_secs(5)).await.unwrap();

    // The key is lost. Everything about the others goes on.
    let service = sealing([8; 32]).await;
    let mut receiver = Receiver::start().await;
    let (_, secret) = service.register(&receiver.url()).await;
    service.submit("ok", Some(&receiver.url())).await;
    let event = receiver.next().await;
    assert!(event.verify(&secret));
    let path = format!("{HOOKS}/{silenced}");
    for endpoint in [silenced.as_str(), "requests"] {
        service.attempts(endpoint, 2).await;
    }
    let failing = |endpoint: &serde_json::Value| endpoint["failing"].to_string();
    let listed = service.get(HOOKS).await;
    let listed = listed["endpoints"].as_array().unwrap();
    let why = "the secret was sealed with a key that is not there any more";
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert_eq!(listed.iter().filter(|one| failing(one).contains(why)).count(), 2, "{listed:?}");
    assert!(lost.is_empty());
    for change in ["disable", "enable"] {
        service.post(&format!("{path}/{change}"), serde_json::Value::Null).await;
        assert_eq!(service.get(&path).await["enabled"], change == "enable");
    }

    // With a new secret it goes on, and gets what it missed.
    let (status, rotated) = service.post(&format!("{path}/rotate"), serde_json::json!({})).await;
    assert_eq!(status, 200, "{rotated}");
    service.clock.advance(std::time::Duration::from_secs(7));
    let event = lost.next().await;
    assert!(event.verify(rotated["secret"].as_str().unwrap()));
    while !service.get(&path).await["failing"].is_null() {
        tokio::task::yield_now().await;
    }
}
