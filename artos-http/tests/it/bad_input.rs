//! A table of requests that must be refused, and leave nothing behind.

use axum::{
    body::{Body, Bytes},
    http::{Method, StatusCode},
};
use serde_json::json;

use crate::support::{BASE, Service};

const GOOD: &str = r#"{"document_type": "CSR", "file_paths": ["a"]}"#;

/// Posts a body and returns the problem.
async fn refused(service: &Service, body: &str, status: u16) -> serde_json::Value {
    let call = service.post(&format!("{BASE}/generate")).body(body.to_owned());
    let answer = call.header("content-type", "application/json").send().await;
    let shown: String = body.chars().take(60).collect();
    assert_eq!(answer.status.as_u16(), status, "{shown}: {answer:?}");
    answer.problem(status)
}

#[tokio::test(start_paused = true)]
async fn what_is_no_json_is_refused() {
    let service = Service::start().await;
    let nested = "[".repeat(200) + &"]".repeat(200);
    let cases = [
        "",
        " ",
        "{",
        "not json",
        &GOOD[..GOOD.len() - 1],
        &GOOD[..20],
        &format!("{GOOD} trailing"),
        &format!("{GOOD}{GOOD}"),
        r#"{"document_type": 'CSR'}"#,
        r#"{"document_type": "\ud800", "file_paths": []}"#,
        r#"{"document_type": NaN, "file_paths": []}"#,
        r#"{"document_type": 1e999, "file_paths": []}"#,
        &format!(r#"{{"document_type": "CSR", "file_paths": {nested}}}"#),
        &GOOD.replace('}', &format!(", \"other\": {nested}}}")),
        &r#"{"a":"#.repeat(10_000),
    ];
    for body in cases {
        assert_eq!(refused(&service, body, 400).await["code"], "malformed_json");
    }
    assert_eq!(service.tasks().await, 0);
}

#[tokio::test(start_paused = true)]
async fn json_that_is_not_what_is_expected_is_refused_with_its_place() {
    let service = Service::start().await;
    let numbers = json!({ "document_type": "CSR", "file_paths": vec![7; 10_000] }).to_string();
    let mut paths = vec!["a"; 10_000];
    paths[9_999] = "";
    let one_blank = json!({ "document_type": "CSR", "file_paths": paths }).to_string();
    let cases = [
        ("null", ""),
        ("7", ""),
        (r#""text""#, ""),
        ("[]", ""),
        ("{}", "/document_type"),
        (r#"{"document_type": "CSR"}"#, "/file_paths"),
        (r#"{"document_type": 7, "file_paths": []}"#, "/document_type"),
        (r#"{"document_type": null, "file_paths": []}"#, "/document_type"),
        (r#"{"document_type": "CSR", "file_paths": "a"}"#, "/file_paths"),
        (r#"{"document_type": "CSR", "file_paths": {"a": 1}}"#, "/file_paths"),
        (r#"{"document_type": "CSR", "file_paths": ["a", 7]}"#, "/file_paths/1"),
        (&numbers, "/file_paths/0"),
        (&one_blank, "/file_paths/9999"),
    ];
    for (body, pointer) in cases {
        let problem = refused(&service, body, 422).await;
        assert_eq!(problem["code"], "validation_error");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["detail"], problem["detail"]);
    }
    for body in [
        r#"{"document_type": "CSR", "document_type": "CSR", "file_paths": []}"#,
        r#"{"document_type": "CSR", "file_paths": [], "output_name": "a\u0000b"}"#,
        &json!({ "document_type": "CSR", "file_paths": [], "output_name": "x".repeat(256) })
            .to_string(),
    ] {
        assert_eq!(refused(&service, body, 422).await["code"], "validation_error");
    }
    assert_eq!(service.tasks().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused() {
    let service = Service::start().await;
    let of_size = |bytes: usize| {
        let rest = r#"{"document_type":"","file_paths":[]}"#.len();
        format!(r#"{{"document_type":"{}","file_paths":[]}}"#, "x".repeat(bytes - rest))
    };
    let problem = refused(&service, &of_size(256 * 1024 + 1), 413).await;
    assert_eq!(problem["code"], "payload_too_large");
    assert_eq!(service.tasks().await, 0);
    let call = service.post(&format!("{BASE}/generate")).body(of_size(256 * 1024));
    let answer = call.header("content-type", "application/json").send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_are_refused() {
    let service = Service::start().await;
    for body in [&b"\xff\xfe"[..], b"{\"document_type\": \"\xc3\x28\"}", b"\0", b"\xef\xbb\xbf{}"] {
        let call = service.post(&format!("{BASE}/generate")).body(body.to_vec());
        call.header("content-type", "application/json").send().await.problem(400);
    }
    assert_eq!(service.tasks().await, 0);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_good_elements_are_taken() {
    let service = Service::start().await;
    let body = json!({ "document_type": "CSR", "file_paths": vec!["a"; 10_000] });
    let answer = service.post(&format!("{BASE}/generate")).json(&body).send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_body_must_say_that_it_is_json() {
    let service = Service::start().await;
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "json",
        "",
        "multipart/form-data; boundary=x",
    ] {
        let call = service.post(&format!("{BASE}/generate")).body(GOOD);
        let answer = call.header("content-type", media).send().await;
        assert_eq!(answer.problem(415)["code"], "unsupported_media_type", "{media}");
    }
    service.post(&format!("{BASE}/generate")).body(GOOD).send().await.problem(415);
    assert_eq!(service.tasks().await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_size_limit_holds_for_bodies_without_a_length() {
    let service = Service::start_with(|router| router.body_limit(64)).await;
    let stream = |chunks: usize| {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 16]));
        Body::from_stream(futures::stream::iter((0..chunks).map(move |_| chunk())))
    };
    let send = |chunks| {
        let call = service.post(&format!("{BASE}/generate")).body(stream(chunks));
        call.header("content-type", "application/json").send()
    };
    send(4).await.problem(400);
    send(5).await.problem(413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = Service::start().await;
    let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let call = service.post(&format!("{BASE}/generate")).body(never);
    let answer = call.header("content-type", "application/json").send().await;
    assert_eq!(answer.problem(408)["code"], "request_timeout");
    let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
    let call = service.post(&format!("{BASE}/generate")).body(Body::from_stream(broken));
    call.header("content-type", "application/json").send().await.problem(400);
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_none_are_not_found() {
    let service = Service::start().await;
    let long = "a".repeat(5_000);
    for id in [
        "1",
        "no-id",
        "null",
        "019ab3c46f0070008000000000000001",
        "%00",
        "%FF",
        "%2e%2e",
        "..",
        "*",
        "{id}",
        &long,
    ] {
        for path in [format!("/status/{id}"), format!("/{id}"), format!("/{id}/file")] {
            service.get(&format!("{BASE}{path}")).send().await.problem(404);
        }
        for verb in ["cancel", "retry"] {
            service.post(&format!("{BASE}/{id}/{verb}")).send().await.problem(404);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_not_found_and_other_methods_are_listed() {
    let service = Service::start().await;
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/documents/a/b/c",
        "/api/v1/documentsx",
        "/API/V1/documents",
    ] {
        assert_eq!(service.get(path).send().await.problem(404)["code"], "not_found");
    }
    let id = crate::support::NOBODY;
    for (method, path, allow) in [
        (Method::GET, "/generate".to_owned(), "POST"),
        (Method::DELETE, "/generate".to_owned(), "POST"),
        (Method::POST, format!("/status/{id}"), "GET,HEAD"),
        (Method::PUT, format!("/{id}"), "GET,HEAD"),
        (Method::DELETE, String::from("/"), "GET,HEAD"),
        (Method::OPTIONS, String::from("/"), "GET,HEAD"),
        (Method::GET, format!("/{id}/cancel"), "POST"),
        (Method::GET, format!("/{id}/retry"), "POST"),
    ] {
        let answer = service.call(method, &format!("{BASE}{path}")).send().await;
        assert_eq!(answer.problem(405)["code"], "method_not_allowed", "{path}");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
}
