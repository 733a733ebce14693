//! Bad requests: a clear 4xx each, and nothing happens.

use serde_json::{Value, json};

use crate::support::{Running, json as body_of};

/// Checks that a request is refused with this status and that it changed nothing.
async fn refused(service: &Running, request: &Value, expected: u16) {
    let text = request.to_string();
    let shown: String = text.chars().take(120).collect();
    let (status, body) = service.post("generate", text).await;
    assert_eq!(status.as_u16(), expected, "{shown}: {body}");
    for key in ["type", "title", "detail", "code", "request_id"] {
        assert!(body[key].is_string(), "{shown}: no {key} in {body}");
    }
    if expected == 422 {
        let errors = body["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| error["pointer"].is_string()), "{body}");
    }
}

fn with(field: &str, value: Value) -> Value {
    let mut request = json!({
        "document_type": "CSR",
        "file_paths": ["acme/documents/protocol.pdf"],
    });
    request[field] = value;
    request
}

#[tokio::test]
async fn bad_requests_are_refused_and_change_nothing() {
    let service = Running::start().await;
    let bad_paths = [
        "",
        "..",
        "../secret.pdf",
        "acme/../globex/documents/protocol.pdf",
        "acme/documents/../../../etc/passwd",
        "/etc/passwd",
        "//server/share/file.pdf",
        r"D:\windows\file.pdf",
        "D:/windows/file.pdf",
        "acme\\documents\\protocol.pdf",
        "acme/documents/pro\u{0}tocol.pdf",
        "acme/documents/%2e%2e/%2e%2e/secret.pdf",
        "acme/./documents/protocol.pdf",
        "acme//documents/protocol.pdf",
        "file:///etc/passwd",
    ];
    for path in bad_paths {
        refused(&service, &with("file_paths", json!([path])), 422).await;
    }
    let names =
        ["../report", "a/b", "a\\b", "/etc/report", "a\u{0}b", ".hidden", "", &"x".repeat(300)];
    for name in names {
        refused(&service, &with("output_name", json!(name)), 422).await;
    }
    refused(&service, &with("file_paths", json!([])), 422).await;
    let many: Vec<_> = (0..10_000).map(|number| format!("a/{number}.pdf")).collect();
    refused(&service, &with("file_paths", json!(many)), 422).await;
    refused(&service, &with("file_paths", json!("acme/documents/protocol.pdf")), 422).await;
    refused(&service, &with("file_paths", json!([1, 2])), 422).await;
    refused(&service, &with("document_type", json!("Novel")), 422).await;
    refused(&service, &with("document_type", json!(null)), 422).await;
    refused(&service, &with("selected_section_ids", json!(["no_such_section"])), 422).await;
    refused(&service, &json!({ "document_type": "CSR" }), 422).await;
    refused(&service, &json!({}), 422).await;
    refused(&service, &json!([]), 422).await;
    let mut conflict = with("document_set_key", json!("one"));
    conflict["connector_data_id"] = json!("another");
    refused(&service, &conflict, 422).await;
    // The files of an organization that exists, and is not the caller's.
    let foreign = with("file_paths", json!(["globex/documents/protocol.pdf"]));
    refused(&service, &foreign, 403).await;

    let (_, response) = service.get("", "token-a").await;
    assert_eq!(body_of(&response), json!({ "documents": [], "next_cursor": null }));
}

#[tokio::test]
async fn the_same_field_under_both_names_with_one_value_is_fine() {
    let service = Running::start().await;
    let mut request = with("document_set_key", json!("one"));
    request["connector_data_id"] = json!("one");
    request["output_name"] = json!(null);
    request["something_new"] = json!({ "unknown": true });
    let (_, status) = service.generate(&request).await;
    assert_eq!(status["status"], "Complete", "{status}");
}
