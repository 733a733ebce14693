//! Who may call, whose files they may name, and how secrets are kept.

use std::path::Path;

use artos_core::{
    Clock as _, ListQuery, SystemClock,
    store::{Part, TaskStore},
};
use artos_store_memory::MemoryStore;
use document_service::service::BASE;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::Running;

const GENERATE: &str = "/api/v1/documents/generate";

fn memory() -> Arc<dyn TaskStore> {
    Arc::new(MemoryStore::default())
}

fn request(path: &str) -> String {
    json!({ "document_type": "CSR", "file_paths": [path] }).to_string()
}

#[tokio::test]
async fn files_of_an_organization_stay_its_own_when_its_token_is_gone() {
    let options = ["--token", "acme=token-a", "--shared-folder", "library"];
    let service = Running::on(memory(), &options).await;
    // Nothing here knows of globex any more.
    for path in ["globex/documents/protocol.pdf", "protocol.pdf", "Acme/documents/protocol.pdf"] {
        let (status, body) = service.post_as("token-a", GENERATE, request(path)).await;
        assert_eq!(status, 403, "{path}: {body}");
    }
    for path in ["acme/documents/protocol.pdf", "library/documents/protocol.pdf"] {
        let (status, body) = service.post_as("token-a", GENERATE, request(path)).await;
        assert_eq!(status, 202, "{path}: {body}");
    }
}

#[tokio::test]
async fn a_failed_task_is_not_retried_against_a_newer_rule() {
    let store = memory();
    let generous = ["--token", "acme=token-a", "--shared-folder", "library"];
    let service = Running::on(Arc::clone(&store), &generous).await;
    let wanted = request("library/not-there.pdf");
    let (status, body) = service.post_as("token-a", GENERATE, wanted).await;
    assert_eq!(status, 202, "{body}");
    let id = body["task_id"].as_str().unwrap();
    let task = artos_core::Client::new(Arc::clone(&store));
    let task = task.attach::<document_service::request::GenerateDocument>(id.parse().unwrap());
    task.await.unwrap().wait().await.unwrap_err();
    let retry = format!("{BASE}/{id}/retry");
    let strict = Running::on(store, &["--token", "acme=token-a"]).await;
    for (service, expected) in [(&strict, 403), (&service, 202)] {
        let (status, body) = service.post_as("token-a", &retry, "").await;
        assert_eq!(status, expected, "{body}");
    }
}

/// Writes a key set into a folder, and signs tokens with its key.
fn signer(folder: &Path) -> (String, impl Fn(Value) -> String) {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    let path = folder.join("keys.json");
    std::fs::write(&path, json!({ "keys": [jwk] }).to_string()).unwrap();
    let sign = move |claims: Value| encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
    (path.to_str().unwrap().to_owned(), sign)
}

#[tokio::test]
async fn tokens_of_an_issuer_act_for_their_organization() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, sign) = signer(folder.path());
    let options = [
        "--jwt-issuer",
        "https://login.example/",
        "--jwt-audience",
        "documents",
        "--jwt-keys",
        &keys,
        "--jwt-algorithm",
        "es256",
    ];
    let service = Running::on(memory(), &options).await;
    let token = |organization: &str, audience: &str| {
        sign(json!({
            "iss": "https://login.example/", "aud": audience, "sub": "user",
            "exp": SystemClock.now().as_micros() / 1_000_000 + 600,
            "org_id": organization, "scope": "submit read",
        }))
    };
    let path = "acme/documents/protocol.pdf";
    for (token, status) in [
        (token("acme", "documents"), 202),
        (token("globex", "documents"), 403),
        (token("acme", "other"), 401),
        (String::from("token-a"), 401),
    ] {
        let (found, body) = service.post_as(&token, GENERATE, request(path)).await;
        assert_eq!(found.as_u16(), status, "{body}");
    }
    assert_eq!(service.get("", "none").await.0, 401);
    assert!(GENERATE.starts_with(BASE));
}

#[tokio::test]
async fn with_keys_for_webhooks_their_secrets_are_stored_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("webhook.keys");
    std::fs::write(&keys, "0f".repeat(32)).unwrap();
    let keys = keys.to_str().unwrap();
    for is_sealed in [true, false] {
        let store = memory();
        let network = ["--token", "acme=token-a", "--webhook-network", "127.0.0.0/8"];
        let mut options = network.to_vec();
        options.extend(is_sealed.then_some(["--webhook-keys", keys]).iter().flatten());
        let service = Running::on(Arc::clone(&store), &options).await;
        let body = json!({ "url": "http://127.0.0.1:6500/" }).to_string();
        let (status, body) = service.post_as("token-a", "/api/v1/webhooks", body).await;
        assert_eq!(status, 201, "{body}");
        let secret = body["secret"].as_str().unwrap();
        let tasks = store.list(&ListQuery { limit: 100, ..ListQuery::default() }).await.unwrap();
        let mut stored = String::new();
        for task in tasks.tasks {
            let found = store.get(task.id, Part::Input).await.unwrap().unwrap();
            stored += &String::from_utf8_lossy(&found.payload.unwrap_or_default());
        }
        assert!(stored.contains("127.0.0.1:6500"), "{stored}");
        assert_eq!(stored.contains(secret), !is_sealed, "{stored}");
    }
}
