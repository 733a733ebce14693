//! The OpenAPI document is what the router does.

use std::{collections::BTreeSet, path::Path};

use artos_http::{Keys, Limits, Webhooks};
use serde_json::{Value, json};

use crate::support::{BASE, GenerateDocument, NOBODY, Service, documents, tokens};

/// A service with everything there is.
pub(crate) async fn full() -> Service {
    let service = Service::start().await;
    let client = service.runtime.client();
    let webhooks = Webhooks::builder(client.clone())
        .events::<GenerateDocument>("document", |_| None)
        .allow("127.0.0.0/8".parse().unwrap())
        .build()
        .unwrap();
    let app = artos_http::router(client.clone(), tokens().with_keys(Keys::new(client)))
        .info("artos documents", "1.0.0")
        .limits(Limits::default())
        .webhooks(webhooks)
        .resource(documents())
        .build()
        .unwrap();
    service.behind(app)
}

/// Makes what a path names, and fills its ids in.
async fn filled(service: &Service, path: &str) -> String {
    let made = async |path: &str, body: Value, id: &str| {
        let made = service.post(path).json(&body).send().await.json();
        made[id].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    };
    let mut filled = path.replace("{slug}", "not-found");
    if path.contains("{task_id}") || path.contains("{document_id}") {
        let id = service.finished("CSR").await;
        filled = filled.replace("{task_id}", &id).replace("{document_id}", &id);
    }
    if path.contains("{key_id}") {
        let key = json!({ "name": "one", "scopes": ["read"] });
        filled = filled.replace("{key_id}", &made("/api/v1/keys", key, "key_id").await);
    }
    if path.contains("{endpoint_id}") {
        let url = json!({ "url": "http://127.0.0.1:9999/" });
        let endpoint = made("/api/v1/webhooks", url, "endpoint_id").await;
        let test = format!("/api/v1/webhooks/{endpoint}/test");
        filled = filled.replace("{endpoint_id}", &endpoint);
        filled = filled.replace("{attempt_id}", &made(&test, json!({}), "attempt_id").await);
    }
    filled
}

pub(crate) async fn document(service: &Service) -> String {
    let answer = service.get("/api/v1/openapi.json").anonymous().send().await;
    assert_eq!(answer.header("content-type"), "application/json");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// Every operation of a document.
pub(crate) fn operations(document: &str) -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(document).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_committed_document_is_current() {
    let service = full().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let current = document(&service).await;
    if std::env::var_os("ARTOS_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "run the tests with ARTOS_BLESS=1 and commit openapi.json");
}

#[tokio::test(start_paused = true)]
async fn every_route_is_in_the_document() {
    let service = full().await;
    let expected = [
        ("POST", format!("{BASE}/generate")),
        ("GET", format!("{BASE}/status/{{task_id}}")),
        ("GET", format!("{BASE}/status/{{task_id}}/events")),
        ("GET", format!("{BASE}/events")),
        ("GET", format!("{BASE}/{{document_id}}")),
        ("GET", format!("{BASE}/{{document_id}}/file")),
        ("POST", format!("{BASE}/{{document_id}}/cancel")),
        ("POST", format!("{BASE}/{{document_id}}/retry")),
        ("GET", format!("{BASE}/")),
        ("GET", "/livez".into()),
        ("GET", "/readyz".into()),
        ("GET", "/problems/{slug}".into()),
        ("GET", "/api/v1/openapi.json".into()),
        ("GET", "/api/v1/keys".into()),
        ("POST", "/api/v1/keys".into()),
        ("DELETE", "/api/v1/keys/{key_id}".into()),
        ("GET", "/api/v1/webhooks".into()),
        ("POST", "/api/v1/webhooks".into()),
        ("GET", "/api/v1/webhooks/{endpoint_id}".into()),
        ("DELETE", "/api/v1/webhooks/{endpoint_id}".into()),
        ("GET", "/api/v1/webhooks/{endpoint_id}/secret".into()),
        ("GET", "/api/v1/webhooks/{endpoint_id}/attempts".into()),
        ("POST", "/api/v1/webhooks/{endpoint_id}/rotate".into()),
        ("POST", "/api/v1/webhooks/{endpoint_id}/disable".into()),
        ("POST", "/api/v1/webhooks/{endpoint_id}/enable".into()),
        ("POST", "/api/v1/webhooks/{endpoint_id}/test".into()),
        ("POST", "/api/v1/webhooks/{endpoint_id}/attempts/{attempt_id}/replay".into()),
    ];
    let expected = expected.map(|(method, path)| (method.to_owned(), path));
    assert_eq!(operations(&document(&service).await), BTreeSet::from(expected));
}

#[tokio::test(start_paused = true)]
async fn every_documented_operation_answers_as_documented() {
    let service = full().await;
    let text = document(&service).await;
    let documented: Value = serde_json::from_str(&text).unwrap();
    for (method, path) in operations(&text) {
        let real = filled(&service, &path).await;
        let call = service.call(method.parse().unwrap(), &real);
        if path.ends_with("/documents/events") {
            // It ends only with the service.
            assert_eq!(call.response().await.status(), 200);
            continue;
        }
        let answer = call.send().await;
        let status = answer.status.as_u16();
        assert!(!matches!(status, 404 | 405), "{method} {path}: {answer:?}");
        let responses = &documented["paths"][&path][method.to_lowercase()]["responses"];
        assert!(responses[status.to_string()].is_object(), "{method} {path}: {answer:?}");
        assert!(responses["default"].is_object(), "{method} {path}");
    }
    service.get(&format!("{BASE}/{NOBODY}")).send().await.problem(404);
}

#[tokio::test(start_paused = true)]
async fn events_are_documented_with_what_receivers_get() {
    let document: Value = serde_json::from_str(&document(&full().await).await).unwrap();
    let webhooks = document["webhooks"].as_object().unwrap();
    let types: Vec<_> = webhooks.keys().collect();
    assert_eq!(types, ["document.complete", "document.failed", "webhook.test"]);
    let event = &document["components"]["schemas"]["WebhookEvent"];
    let required = ["type", "timestamp", "task_id", "status", "document_id", "error"];
    assert_eq!(event["required"], json!(required));
}

#[tokio::test(start_paused = true)]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let other = artos_http::Resource::<GenerateDocument>::new("/other/documents");
    let service = Service::start_with(|router| router.resource(other)).await;
    let text = document(&service).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = &document["components"]["schemas"];
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas[name].is_object(), "{name}");
    }
    for name in ["GenerateRequest", "Report", "Problem", "TaskStatus", "DocumentList"] {
        assert!(schemas[name].is_object(), "{name}");
    }
    let mut names = BTreeSet::new();
    for operation in document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
    {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
    }
}
