//! Word documents: styles, tables, hidden text, and archives that are not what they seem.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{extract_bytes, headings, problem, sample, tables};

/// A Word document with this main text, and a style of id `U1` that is called `heading 1`.
pub(super) fn with_body(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    let styles = "<w:styles xmlns:w='w'><w:style w:styleId='U1'><w:name w:val='heading 1'/>\
                  </w:style></w:styles>";
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("word/document.xml", document.as_str()), ("word/styles.xml", styles)] {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn headings_paragraphs_and_tables_are_read() {
    let source = extract_bytes("amendment.docx", &sample("amendment.docx"));
    let found = headings(&source);
    assert_eq!(found[0], (1, "Amendment 1 to Protocol EXM-2041"));
    assert!(found.contains(&(1, "Changes to the Study Population")));
    assert_eq!(tables(&source)[0].header, ["Criterion", "Original", "Amended"]);
    assert_eq!(tables(&source)[0].rows[1], ["Upper age limit", "70 years", "75 years"]);
    assert!(source.blocks.iter().any(|b| b.text() == "Liver enzymes are tested at every visit."));
}

#[test]
fn headings_are_told_by_the_name_of_their_style() {
    let body = "<w:p><w:pPr><w:pStyle w:val='U1'/></w:pPr><w:r><w:t>Sicherheit</w:t></w:r></w:p>\
                <w:p><w:r><w:t>A &amp; B</w:t><w:tab/><w:t>&#x43;</w:t></w:r></w:p>";
    let source = extract_bytes("a.docx", &with_body(body));
    assert_eq!(headings(&source), [(1, "Sicherheit")]);
    assert_eq!(source.blocks[1].text(), "A & B C");
}

#[test]
fn deleted_text_is_left_out() {
    let body = "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:t>gone</w:t></w:r></w:del></w:p>";
    let source = extract_bytes("a.docx", &with_body(body));
    assert!(source.blocks.iter().all(|block| !block.text().contains("gone")));
}

#[test]
fn a_cell_over_two_columns_keeps_the_next_one_in_place() {
    let cell = |span: &str, text: &str| {
        format!("<w:tc><w:tcPr>{span}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>")
    };
    let wide = cell("<w:gridSpan w:val='2'/>", "wide");
    let body = format!(
        "<w:tbl><w:tr>{wide}{}</w:tr><w:tr>{}{}{}</w:tr></w:tbl>",
        cell("", "last"),
        cell("", "a"),
        cell("", "b"),
        cell("", "c")
    );
    let source = extract_bytes("a.docx", &with_body(&body));
    assert_eq!(tables(&source)[0].header, ["wide", "", "last"]);
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("word/document.xml", SimpleFileOptions::default()).unwrap();
    let megabyte = vec![b' '; 1024 * 1024];
    for _ in 0..300 {
        archive.write_all(&megabyte).unwrap();
    }
    let bomb = archive.finish().unwrap().into_inner();
    assert!(bomb.len() < 1024 * 1024);
    let message = problem("bomb.docx", &bomb);
    assert!(message.starts_with("bomb.docx unpacks to more than 128 MiB"), "{message}");
}

#[test]
fn deep_nesting_is_refused() {
    let message = problem("deep.docx", &with_body(&"<w:tbl><w:tr><w:tc>".repeat(10_000)));
    assert!(message.contains("nested too deeply"), "{message}");
}

#[test]
fn what_is_no_word_document_is_named() {
    assert!(problem("a.docx", b"plain text").starts_with("a.docx is damaged or not a DOCX file"));
    let xlsx = sample("trial-data.xlsx");
    assert!(problem("a.docx", &xlsx).contains("it has no main text"));
    let encrypted = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    assert!(problem("a.docx", &encrypted).starts_with("a.docx is encrypted"));
}
