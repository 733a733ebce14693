//! Listing documents.

use axum::http::StatusCode;
use serde_json::Value;

use crate::support::{BASE, GLOBEX, Service};

fn ids(page: &Value) -> Vec<String> {
    let documents = page["documents"].as_array().unwrap().iter();
    documents.map(|document| document["document_id"].as_str().unwrap().to_owned()).collect()
}

async fn page(service: &Service, query: &str) -> Value {
    let answer = service.get(&format!("{BASE}/?{query}")).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test(start_paused = true)]
async fn the_listing_is_the_callers_newest_first_with_what_the_service_adds() {
    let service = Service::start().await;
    service.generate("CSR").token(GLOBEX).send().await;
    let older = service.finished("CSR").await;
    let newer = service.finished("INCOMPLETE").await;
    for path in [BASE.to_owned(), format!("{BASE}/")] {
        let listed = service.get(&path).send().await;
        assert_eq!(listed.header("cache-control"), "private, no-cache");
        let listed = listed.json();
        assert_eq!(ids(&listed), [newer.as_str(), &older]);
        assert_eq!(listed["next_cursor"], Value::Null);
        let first = &listed["documents"][0];
        assert_eq!(first["document_name"], "Report");
        assert_eq!(first["status"], "Failed", "a summary must not replace what is always there");
        assert_eq!(first["error"], "Missing required section: Safety Analysis");
        assert!(first["created_at"].is_string() && first["updated_at"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_listing_is_an_empty_array() {
    let service = Service::start().await;
    let answer = service.get(&format!("{BASE}/")).send().await;
    assert_eq!(answer.body.as_ref(), br#"{"documents":[],"next_cursor":null}"#);
}

#[tokio::test(start_paused = true)]
async fn pages_follow_each_other_without_gaps_while_tasks_come_in() {
    let service = Service::start().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.insert(0, service.submit("CSR").await);
    }
    let mut found = Vec::new();
    let mut next = service.get(&format!("{BASE}/?limit=3")).send().await;
    loop {
        found.extend(ids(&next.json()));
        service.submit("CSR").await;
        let Some(cursor) = next.json()["next_cursor"].as_str().map(str::to_owned) else { break };
        let link = next.header("link").to_owned();
        assert_eq!(link, format!("<{BASE}/?limit=3&cursor={cursor}>; rel=\"next\""));
        next = service.get(link.split(['<', '>']).nth(1).unwrap()).send().await;
    }
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn a_status_filters() {
    let mut service = Service::start().await;
    let complete = service.finished("CSR").await;
    let failed = service.finished("INCOMPLETE").await;
    let running = service.submit("HOLD").await;
    service.holding().await;
    let cancelled = service.submit("HOLD").await;
    service.holding().await;
    service.post(&format!("{BASE}/{cancelled}/cancel")).send().await;
    service.end_of(&cancelled).await;
    assert_eq!(ids(&page(&service, "status=Complete").await), [complete]);
    assert_eq!(ids(&page(&service, "status=Failed").await), [cancelled, failed]);
    assert_eq!(ids(&page(&service, "status=Generating").await), [running]);
}

#[tokio::test(start_paused = true)]
async fn bad_parameters_are_refused() {
    let service = Service::start().await;
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=1&limit=2",
        "status=complete",
        "status=Pending",
        "status=",
        "cursor=",
        "cursor=x",
        "cursor=%00",
        "limit=99999999999999999999999",
    ] {
        service.get(&format!("{BASE}/?{query}")).send().await.problem(400);
    }
    for query in ["limit=1", "limit=100", "other=x", "&&=&", "limit=1&%FF=%FE"] {
        page(&service, query).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_fits_only_the_listing_it_came_from() {
    let service = Service::start().await;
    for _ in 0..3 {
        service.finished("CSR").await;
    }
    let cursor = page(&service, "limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    page(&service, &format!("cursor={cursor}&limit=2")).await;
    let refused = async |query: String, token| {
        let answer = service.get(&format!("{BASE}/?{query}")).token(token).send().await;
        assert_eq!(answer.problem(400)["code"], "invalid_cursor", "{query}");
    };
    refused(format!("cursor={cursor}&status=Complete"), crate::support::ACME).await;
    refused(format!("cursor={cursor}"), GLOBEX).await;
    for at in 0..cursor.len() {
        let mut tampered = cursor.clone().into_bytes();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        refused(format!("cursor={}", String::from_utf8(tampered).unwrap()), crate::support::ACME)
            .await;
    }
    refused(format!("cursor={cursor}A"), crate::support::ACME).await;
    refused(format!("cursor={}", &cursor[1..]), crate::support::ACME).await;
}
