//! The Word document: readable, deterministic, safe for any text.

use document_service::generate::render;
use document_service::request::GenerateDocument;
use document_service::rules::Draft;
use document_service::source::{Block, Table};
use jiff::Timestamp;

use super::{FULL, draft, extract_bytes, headings, tables};

fn created_at() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

fn full() -> Draft {
    draft("CSR", &FULL).unwrap()
}

/// A draft with one section that holds these blocks.
fn with_content(content: Vec<Block>) -> Draft {
    let mut draft = full();
    draft.sections.truncate(1);
    draft.sections[0].content = content;
    draft
}

#[test]
fn the_same_draft_gives_the_same_bytes() {
    let bytes = render(&full(), created_at()).unwrap();
    assert_eq!(bytes, render(&full(), created_at()).unwrap());
    assert!(bytes.len() > 5_000);
}

#[test]
fn sections_become_numbered_headings() {
    let source = extract_bytes("out.docx", &render(&full(), created_at()).unwrap());
    let found = headings(&source);
    for expected in [
        (1, "CSR protocol"),
        (1, "Key facts"),
        (1, "1 Synopsis"),
        (1, "10 Safety Analysis"),
        (2, "10.1 Laboratory Findings"),
        (1, "Sources"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn content_and_its_sources_are_printed() {
    let source = extract_bytes("out.docx", &render(&full(), created_at()).unwrap());
    let texts: Vec<String> = source.blocks.iter().map(Block::text).collect();
    assert!(
        texts.iter().any(|text| text.starts_with("Adverse events were reported by 15 subjects"))
    );
    let note = "From amendment.docx; laboratory.csv; protocol.pdf page 5; trial-data.xlsx.";
    assert!(texts.iter().any(|text| text == note), "{texts:#?}");
    let tables = tables(&source);
    assert!(tables.iter().any(|table| table.header == ["Fact", "Value", "Stated in"]));
    assert!(tables.iter().any(|table| table.header[0] == "Preferred term"));
}

#[test]
fn any_text_is_printed_as_it_is() {
    let text = "<w:p> & \"quotes\" 'a' ]]> ü 漢 \u{1f600}";
    let noise = format!("a\u{0}b\u{b}c\u{1f}d\u{fffe}e {text}");
    let mut draft = with_content(vec![Block::paragraph(noise), Block::heading(2, text)]);
    draft.request = GenerateDocument::new("CSR", vec!["<&>\".pdf".into()]);
    draft.request.document_set_name = Some(text.to_owned());
    let source = extract_bytes("out.docx", &render(&draft, created_at()).unwrap());
    let texts: Vec<String> = source.blocks.iter().map(Block::text).collect();
    assert!(texts.contains(&format!("abcde {text}")), "{texts:#?}");
    assert!(texts.contains(&format!("1.1 {text}")));
}

#[test]
fn large_and_ragged_tables_are_cut_with_a_note() {
    let row = |cells: usize| vec!["x".to_owned(); cells];
    let rows = (0..250).map(|index| row(index % 15)).collect();
    let table = Table { header: row(3), rows };
    let draft = with_content(vec![Block::table(table), Block::table(Table::default())]);
    let source = extract_bytes("out.docx", &render(&draft, created_at()).unwrap());
    let printed = tables(&source).into_iter().find(|table| table.rows.len() == 200).unwrap();
    assert!(printed.rows.iter().all(|row| row.len() == 12));
    let note = "50 more rows and 2 more columns are in the source.";
    assert!(source.blocks.iter().any(|block| block.text() == note));
}
