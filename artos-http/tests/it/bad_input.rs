//! A table of requests that must be refused, and leave nothing behind.

use axum::{
    body::{Body, Bytes},
    http::{Method, StatusCode},
};
use serde_json::json;

use crate::support::{BASE, Service};

const GOOD: &str = r#"{"document_type": "CSR", "file_paths": ["a"]}"#;

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused_with_their_place() {
    let service = Service::start().await;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deep = format!(r#"{{"document_type": "CSR", "file_paths": {}}}"#, nested(200));
    let deep_elsewhere = GOOD.replace('}', &format!(", \"other\": {}}}", nested(200)));
    let deep_objects = r#"{"a":"#.repeat(10_000);
    let many_numbers = json!({ "document_type": "CSR", "file_paths": vec![7; 10_000] }).to_string();
    let one_blank =
        format!(r#"{{"document_type": "CSR", "file_paths": ["a",{}""]}}"#, "\"b\",".repeat(9_998));
    let huge = format!(r#"{{"document_type": "{}", "file_paths": []}}"#, "x".repeat(300 * 1024));
    let cases: &[(&str, u16, &str, Option<&str>)] = &[
        ("", 400, "malformed_json", None),
        ("{", 400, "malformed_json", None),
        ("not json", 400, "malformed_json", None),
        (&GOOD[..GOOD.len() - 1], 400, "malformed_json", None),
        (&GOOD[..20], 400, "malformed_json", None),
        (r#"{"document_type": "CSR", "file_paths": ["a"]} trailing"#, 400, "malformed_json", None),
        (r#"{"document_type": 'CSR'}"#, 400, "malformed_json", None),
        (r#"{"document_type": "\ud800", "file_paths": []}"#, 400, "malformed_json", None),
        (r#"{"document_type": NaN, "file_paths": []}"#, 400, "malformed_json", None),
        (&deep, 400, "malformed_json", None),
        (&deep_elsewhere, 400, "malformed_json", None),
        (&deep_objects, 400, "malformed_json", None),
        ("null", 422, "validation_error", Some("")),
        ("7", 422, "validation_error", Some("")),
        (r#""text""#, 422, "validation_error", Some("")),
        ("[]", 422, "validation_error", Some("/document_type")),
        ("{}", 422, "validation_error", Some("/document_type")),
        (r#"{"document_type": "CSR"}"#, 422, "validation_error", Some("/file_paths")),
        (
            r#"{"document_type": 7, "file_paths": []}"#,
            422,
            "validation_error",
            Some("/document_type"),
        ),
        (
            r#"{"document_type": null, "file_paths": []}"#,
            422,
            "validation_error",
            Some("/document_type"),
        ),
        (
            r#"{"document_type": "CSR", "file_paths": "a"}"#,
            422,
            "validation_error",
            Some("/file_paths"),
        ),
        (
            r#"{"document_type": "CSR", "file_paths": {"a": 1}}"#,
            422,
            "validation_error",
            Some("/file_paths"),
        ),
        (
            r#"{"document_type": "CSR", "file_paths": ["a", 7]}"#,
            422,
            "validation_error",
            Some("/file_paths/1"),
        ),
        (&many_numbers, 422, "validation_error", Some("/file_paths/0")),
        (&one_blank, 422, "validation_error", Some("/file_paths/9999")),
        (
            r#"{"document_type": "CSR", "file_paths": [], "output_name": "a\u0000b"}"#,
            422,
            "validation_error",
            None,
        ),
        (&huge, 413, "payload_too_large", None),
    ];
    for (body, status, code, pointer) in cases {
        let call = service.post(&format!("{BASE}/generate")).body((*body).to_owned());
        let answer = call.header("content-type", "application/json").send().await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!(answer.status.as_u16(), *status, "{shown}: {answer:?}");
        let problem = answer.problem(*status);
        assert_eq!(problem["code"], *code, "{shown}");
        if *pointer == Some("/document_type") && *body == "[]" {
            continue; // A struct may be read from a sequence; what matters is that it is refused.
        }
        if let Some(pointer) = pointer {
            assert_eq!(problem["errors"][0]["pointer"], *pointer, "{shown}: {problem}");
        }
    }
    assert_eq!(service.tasks().await, 0);
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
