//! The OpenAPI document is what the router does.

use std::{collections::BTreeSet, path::Path};

use axum::http::Method;
use serde_json::Value;

use crate::support::{BASE, NOBODY, Service};

async fn document(service: &Service) -> String {
    let answer = service.get("/api/v1/openapi.json").anonymous().send().await;
    assert_eq!(answer.header("content-type"), "application/json");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// Every operation of a document.
fn operations(document: &str) -> BTreeSet<(String, String)> {
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
    let service = Service::start().await;
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
    let service = Service::start().await;
    let expected = [
        ("POST", format!("{BASE}/generate")),
        ("GET", format!("{BASE}/status/{{task_id}}")),
        ("GET", format!("{BASE}/status/{{task_id}}/events")),
        ("GET", format!("{BASE}/{{document_id}}")),
        ("GET", format!("{BASE}/{{document_id}}/file")),
        ("POST", format!("{BASE}/{{document_id}}/cancel")),
        ("POST", format!("{BASE}/{{document_id}}/retry")),
        ("GET", format!("{BASE}/")),
        ("GET", "/livez".into()),
        ("GET", "/readyz".into()),
        ("GET", "/problems/{slug}".into()),
        ("GET", "/api/v1/openapi.json".into()),
    ];
    let expected = expected.map(|(method, path)| (method.to_owned(), path));
    assert_eq!(operations(&document(&service).await), BTreeSet::from(expected));
}

#[tokio::test(start_paused = true)]
async fn every_documented_operation_answers() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    for (method, path) in operations(&document(&service).await) {
        let real = path
            .replace("{task_id}", &id)
            .replace("{document_id}", &id)
            .replace("{slug}", "not-found");
        let method: Method = method.parse().unwrap();
        let answer = service.call(method.clone(), &real).send().await;
        assert!(!matches!(answer.status.as_u16(), 404 | 405), "{method} {path}: {answer:?}");
    }
    service.get(&format!("{BASE}/{NOBODY}")).send().await.problem(404);
}

#[tokio::test(start_paused = true)]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    use crate::support::GenerateDocument;
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
