//! Documents from real files, from the request to the Word file.

use document_service::{extract::extract, source::Content};
use serde_json::json;

use crate::support::{Running, json};

#[tokio::test]
async fn real_files_become_a_word_document_with_sections_sources_and_metadata() {
    let service = Running::start().await;
    let folder = "acme/documents";
    let (id, status) = service
        .generate(&json!({
            "document_type": "CSR",
            "file_paths": [
                format!("{folder}/protocol.pdf"),
                format!("{folder}/amendment.docx"),
                format!("{folder}/trial-data.xlsx"),
                format!("{folder}/laboratory.csv"),
                format!("{folder}/investigator-summary.md"),
            ],
            "output_name": "Final Report.docx",
            "connector_data_id": "set-1",
        }))
        .await;
    assert_eq!(status["status"], "Complete", "{status}");
    assert_eq!(status["error"], json!(null));
    assert_eq!(status["progress"]["percent"], 100);
    assert_eq!(status["progress"]["stage_number"], 5);

    let (code, response) = service.get(&id, "token-a").await;
    assert_eq!(code, 200);
    let document = &json(&response)["document"];
    assert_eq!(document["document_id"], id.as_str());
    assert_eq!(document["document_name"], "Final Report");
    let sections = document["sections"].as_array().unwrap();
    let safety = sections.iter().find(|section| section["title"] == "Safety Analysis").unwrap();
    assert!(!safety["sources"].as_array().unwrap().is_empty(), "{safety}");
    assert_eq!(document["sources"].as_array().unwrap().len(), 5);

    let (code, response) = service.get(&format!("{id}/file"), "token-a").await;
    assert_eq!(code, 200);
    let disposition = response.headers()["content-disposition"].to_str().unwrap();
    assert!(disposition.contains("filename=\"Final Report.docx\""), "{disposition}");
    let size = document["metadata"]["size_bytes"].as_u64().unwrap();
    assert_eq!(response.body().len() as u64, size);
    let read_back = extract("report.docx", response.body()).unwrap();
    let is_safety = |content: &Content| match content {
        Content::Heading { text, .. } => text.ends_with("Safety Analysis"),
        _ => false,
    };
    assert!(read_back.blocks.iter().any(|block| is_safety(&block.content)));

    // Nobody else can tell that it exists.
    for path in [format!("status/{id}"), id.clone(), format!("{id}/file")] {
        assert_eq!(service.get(&path, "token-g").await.0, 404, "{path}");
    }
    let (_, response) = service.get("", "token-a").await;
    assert_eq!(response.headers()["ratelimit-policy"], "\"poll\";q=6000;w=60");
    assert_eq!(json(&response)["documents"][0]["document_name"], "Final Report");
    let (_, response) = service.get("", "token-g").await;
    assert_eq!(json(&response)["documents"], json!([]));
}

#[tokio::test]
async fn a_missing_section_fails_the_task_with_exactly_these_words_and_stays_retriable() {
    let service = Running::start().await;
    let paths = ["acme/documents/protocol-without-safety.pdf"];
    let (id, status) =
        service.generate(&json!({ "document_type": "CSR", "file_paths": paths })).await;
    assert_eq!(status["status"], "Failed");
    assert_eq!(status["error"], "Missing required section: Safety Analysis");

    let (code, body) = service.post(&format!("{id}/retry"), "").await;
    assert_eq!((code.as_u16(), &body["retry_of"]), (202, &json!(id)), "{body}");
    let again = service.finished(body["task_id"].as_str().unwrap()).await;
    assert_eq!(again["error"], "Missing required section: Safety Analysis");
    assert_eq!(service.finished(&id).await, status);
}

#[tokio::test]
async fn an_unreadable_source_fails_the_task_and_is_named() {
    let service = Running::start().await;
    for (file, expected) in [
        ("scanned.pdf", "scanned.pdf"),
        ("encrypted.pdf", "encrypted.pdf"),
        ("no-such-file.pdf", "does not exist"),
        ("make_samples.py", "make_samples.py"),
    ] {
        let paths = [format!("acme/documents/{file}")];
        let (_, status) =
            service.generate(&json!({ "document_type": "IND", "file_paths": paths })).await;
        assert_eq!(status["status"], "Failed", "{file}: {status}");
        let error = status["error"].as_str().unwrap();
        assert!(error.contains(expected) && error.contains(file), "{file}: {error}");
    }
}
