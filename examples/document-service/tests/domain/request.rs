//! Decoding and validation of requests.

use document_service::request::{GenerateDocument, authorize_paths, validate};
use document_service::rules::RuleBook;
use serde_json::{Value, json};

fn decode(body: Value) -> GenerateDocument {
    serde_json::from_value(body).unwrap()
}

/// The errors of a request, as `pointer: message`.
fn errors(body: Value) -> Vec<String> {
    let book = RuleBook::embedded().unwrap();
    validate(&decode(body), &book).iter().map(ToString::to_string).collect()
}

fn path_error(path: &str) -> Option<String> {
    let mut errors = errors(json!({ "document_type": "CSR", "file_paths": [path] }));
    assert!(errors.len() <= 1, "{errors:?}");
    errors.pop()
}

fn name_is_valid(name: &str) -> bool {
    errors(json!({ "document_type": "CSR", "file_paths": ["a.pdf"], "output_name": name }))
        .is_empty()
}

#[test]
fn two_fields_are_enough() {
    let body = json!({ "document_type": "CSR", "file_paths": ["org-id/documents/protocol.pdf"] });
    assert_eq!(errors(body.clone()), Vec::<String>::new());
    assert_eq!(decode(body).file_stem(), "CSR protocol");
}

#[test]
fn nulls_and_unknown_fields_are_accepted() {
    let request = decode(json!({
        "document_type": "CSR", "file_paths": ["a.pdf"], "document_set_key": null,
        "output_name": null, "selected_section_ids": null, "webhook": null,
        "generic_mrt_outline_full": null, "something_new": { "a": 1 }
    }));
    assert_eq!(request, GenerateDocument::new("CSR", vec!["a.pdf".into()]));
}

#[test]
fn aliases_are_accepted() {
    let request = decode(json!({
        "document_type": "CSR", "file_paths": ["a.pdf"],
        "connector_data_id": "set", "workspace_name": "Set", "template_id": "t"
    }));
    assert_eq!(request.document_set_key.as_deref(), Some("set"));
    assert_eq!(request.document_set_name.as_deref(), Some("Set"));
    assert_eq!(request.generic_mrt_id.as_deref(), Some("t"));
}

#[test]
fn two_names_with_different_values_are_a_conflict() {
    let body = |alias: &str| {
        json!({
            "document_type": "CSR", "file_paths": ["a.pdf"],
            "document_set_key": "one", "connector_data_id": alias
        })
    };
    assert_eq!(errors(body("one")), Vec::<String>::new());
    let message = "`document_set_key` and its alias `connector_data_id` have different values";
    assert_eq!(errors(body("two")), [format!("/document_set_key: {message}")]);
}

#[test]
fn a_request_survives_a_checkpoint() {
    let request = decode(json!({
        "document_type": "CSR", "file_paths": ["a.pdf"], "template_id": "t",
        "output_name": "Final.docx", "generic_mrt_outline_full": { "sections": [1] }
    }));
    let stored = serde_json::to_value(&request).unwrap();
    assert_eq!(decode(stored), request);
}

#[test]
fn one_docx_extension_is_removed() {
    for (sent, kept) in [
        ("CSR_Final.docx", "CSR_Final"),
        ("CSR_Final.DocX", "CSR_Final"),
        ("CSR_Final", "CSR_Final"),
        ("a.docx.docx", "a.docx"),
        ("ü.docx", "ü"),
    ] {
        let body = json!({ "document_type": "CSR", "file_paths": ["a"], "output_name": sent });
        assert_eq!(decode(body).file_stem(), kept);
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let errors = errors(json!({
        "document_type": "NDA", "file_paths": ["a.pdf", "", "a.pdf"], "output_name": "../x",
        "webhook": "ftp://host"
    }));
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert_eq!(
        errors[0],
        "/document_type: unknown document type `NDA`; known types are CSR, Protocol, IND"
    );
    assert_eq!(errors[1], "/file_paths/1: the path is empty");
    assert_eq!(errors[2], "/file_paths/2: the path is given twice");
    assert_eq!(errors[3], "/output_name: the name starts with a dot");
    assert!(errors[4].starts_with("/webhook: "));
}

#[test]
fn unknown_sections_are_reported_with_the_known_ones() {
    let errors = errors(json!({
        "document_type": "CSR", "file_paths": ["a.pdf"],
        "selected_section_ids": ["synopsis", "x"]
    }));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("/selected_section_ids/1: unknown section `x`; known sections"));
}

#[test]
fn the_number_of_files_is_limited() {
    let body = |count: usize| {
        let paths: Vec<String> = (0..count).map(|index| format!("{index}.pdf")).collect();
        json!({ "document_type": "CSR", "file_paths": paths })
    };
    assert_eq!(errors(body(0)), ["/file_paths: at least one source file is needed"]);
    assert!(errors(body(256)).is_empty());
    assert_eq!(errors(body(257)), ["/file_paths: 257 files are given; the limit is 256"]);
}

#[test]
fn paths_stay_below_the_root() {
    for path in
        ["a.pdf", "org-id/documents/protocol.pdf", "a b/ü.pdf", "100%.pdf", "a%20b.pdf", "..a"]
    {
        assert_eq!(path_error(path), None, "{path}");
    }
    for path in [
        "",
        "/a",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "C:/a",
        "c:a",
        "a\0b",
        "a\nb",
        "%2e%2e/a",
        "a%2Fb",
        "a%5cb",
        "%252e%252e/a",
        "a%00",
        "s3://bucket/a",
    ] {
        assert!(path_error(path).is_some(), "{path:?}");
    }
    assert!(path_error(&"a".repeat(1_024)).is_none());
    assert!(path_error(&"a".repeat(1_025)).is_some());
}

#[test]
fn output_names_are_names_of_files() {
    for name in ["CSR_Final", "Bericht über x", "a.b", "v1.0 (draft)"] {
        assert!(name_is_valid(name), "{name}");
    }
    for name in ["", " ", ".hidden", "..", "a/b", "a\\b", "a:b", "a\nb", "a ", "a.", "a*", "%2e"] {
        assert!(!name_is_valid(name), "{name:?}");
    }
    assert!(name_is_valid(&"a".repeat(200)));
    assert!(!name_is_valid(&"a".repeat(201)));
}

#[test]
fn an_organization_names_files_in_its_own_folder_and_in_shared_ones() {
    let shared = ["library".to_owned()];
    let allowed = |path: &str, caller| authorize_paths(&[path.to_owned()], caller, &shared).is_ok();
    assert!(allowed("org-a/x.pdf", Some("org-a")));
    assert!(allowed("library/x.pdf", Some("org-a")));
    // Whether or not this node knows of them: organizations go, and their files stay.
    for path in ["org-b/x.pdf", "other/x.pdf", "org-a-2/x.pdf", "Org-a/x.pdf", "x.pdf"] {
        assert!(!allowed(path, Some("org-a")), "{path}");
    }
    // Without organizations there are no folders of theirs.
    assert!(allowed("org-b/x.pdf", None));
    let paths = ["org-a/x.pdf".to_owned(), "org-b/y.pdf".to_owned()];
    // Nobody is let into another's folder by an id that is no folder's name, or by a shared one's.
    for caller in ["org-a/eu", "org-a/", ".", "..", "", shared[0].as_str()] {
        for path in ["org-a/a.pdf", &format!("{caller}/a.pdf")] {
            assert!(!allowed(path, Some(caller)), "{caller}, {path}");
        }
    }
    let refused = authorize_paths(&paths, Some("org-a"), &shared).unwrap_err();
    let expected = "`org-b/y.pdf` is not in the folder of the caller's organization";
    assert_eq!(refused.to_string(), expected);
}
