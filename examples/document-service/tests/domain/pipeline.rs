//! All five stages in a row, with every value passed through JSON as a checkpoint would.

use document_service::classify::{Classified, classify};
use document_service::document::Document;
use document_service::extract::Extracted;
use document_service::generate::render;
use document_service::post_process::{Finished, Identity, finish};
use document_service::rules::{Draft, apply};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FULL, extract_bytes, extracted, rules};

fn checkpoint<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

fn generate(document_type: &str) -> Finished {
    let rules = rules(document_type);
    let extracted: Extracted = checkpoint(&extracted(document_type, &FULL));
    let classified: Classified = checkpoint(&classify(extracted, &rules));
    let draft: Draft = checkpoint(&apply(classified, &rules).unwrap());
    let created_at: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
    let docx = render(&draft, created_at).unwrap();
    let identity = Identity {
        document_id: "d-1".into(),
        created_at,
        docx_path: format!("generated/d-1/{}.docx", draft.request.file_stem()),
    };
    finish(draft, &docx, identity).unwrap()
}

#[test]
fn the_samples_make_a_rich_report() {
    let Finished { document, docx } = generate("CSR");
    let document: Document = checkpoint(&document);
    assert_eq!(document.document_id, "d-1");
    assert_eq!(document.document_name, "CSR protocol");
    assert_eq!(document.sections.len(), 11);
    assert!(document.sections.iter().all(|section| !section.content.is_empty()));
    assert!(document.sections.iter().all(|section| section.confidence >= 0.5));
    assert!(document.metadata.word_count > 800, "{}", document.metadata.word_count);
    assert!(document.metadata.page_count > 4);
    assert_eq!(document.metadata.size_bytes, docx.len() as u64);
    assert_eq!(document.metadata.sha256.len(), 64);
    assert_eq!(document.warnings, Vec::<String>::new());
    let target = format!("{}/CSR.docx", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(target, docx).unwrap();
}

#[test]
fn every_section_knows_its_sources() {
    let document = generate("CSR").document;
    let safety = document.sections.iter().find(|s| s.section_id == "safety-analysis").unwrap();
    let page = |source: &document_service::document::SourceRef| (source.file.clone(), source.page);
    let places: Vec<_> = safety.sources.iter().map(page).collect();
    assert!(places.contains(&("org-id/protocol.pdf".to_owned(), Some(5))), "{places:?}");
    assert!(places.contains(&("org-id/trial-data.xlsx".to_owned(), None)));
}

#[test]
fn running_a_stage_again_gives_the_same_file() {
    let (first, second) = (generate("IND"), generate("IND"));
    assert_eq!(first.docx, second.docx);
    assert_eq!(first.document, second.document);
}

#[test]
fn a_finished_file_is_still_readable() {
    let Finished { document, docx } = generate("Protocol");
    let source = extract_bytes(&document.metadata.docx_path, &docx);
    assert!(source.blocks.len() > 20);
}

#[test]
fn a_damaged_file_is_not_finished() {
    let rules = rules("CSR");
    let draft = apply(classify(extracted("CSR", &FULL), &rules), &rules).unwrap();
    let identity = Identity {
        document_id: "d-1".into(),
        created_at: Timestamp::UNIX_EPOCH,
        docx_path: "a.docx".into(),
    };
    let error = finish(draft, b"not a document", identity).unwrap_err();
    assert_eq!(error.to_string(), "the rendered document is damaged");
}
