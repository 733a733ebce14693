//! PDF: pages, headings, paragraphs, tables, and files that cannot be read.

use super::{extract_bytes, headings, problem, sample, tables};

#[test]
fn headings_have_levels_and_pages() {
    let source = extract_bytes("protocol.pdf", &sample("protocol.pdf"));
    let found = headings(&source);
    for expected in [
        (1, "1 Synopsis"),
        (1, "4 Study Design"),
        (2, "4.1 Schedule of Assessments"),
        (1, "8 Safety Analysis"),
        (2, "8.1 Laboratory Findings"),
        (1, "10 Ethics"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
    let safety = source.blocks.iter().find(|block| block.text() == "8 Safety Analysis").unwrap();
    assert_eq!(safety.page, Some(5));
}

#[test]
fn lines_are_joined_to_paragraphs() {
    let source = extract_bytes("protocol.pdf", &sample("protocol.pdf"));
    let sentences = [
        "Study EXM-2041 compared examplinib 40 mg once daily with placebo over 12 weeks in adults",
        "with chronic sample disease. The study was conducted at six sites in three countries.",
    ];
    let paragraph = sentences.join(" ");
    assert!(source.blocks.iter().any(|block| block.text() == paragraph));
}

#[test]
fn tables_keep_their_columns() {
    let source = extract_bytes("protocol.pdf", &sample("protocol.pdf"));
    let tables = tables(&source);
    assert_eq!(tables[0].header, ["Item", "Value"]);
    assert!(tables[0].rows.contains(&vec!["Sponsor".into(), "Northwind Example Research".into()]));
    let visits = ["Procedure", "Screening", "Baseline", "Week 4", "Week 8", "Week 12"];
    assert_eq!(tables[1].header, visits);
    assert_eq!(tables[1].rows[0], ["Informed consent", "X", "", "", "", ""]);
    assert_eq!(tables[1].rows[4], ["Adverse events", "", "X", "X", "X", "X"]);
}

#[test]
fn running_feet_are_left_out() {
    let source = extract_bytes("protocol.pdf", &sample("protocol.pdf"));
    assert!(!source.blocks.iter().any(|block| block.text().contains("fictional sample data")));
}

#[test]
fn a_scan_has_no_text_layer() {
    let message = problem("org-id/scanned.pdf", &sample("scanned.pdf"));
    assert!(message.starts_with("org-id/scanned.pdf has no text layer"), "{message}");
}

#[test]
fn an_encrypted_file_is_refused() {
    let message = problem("encrypted.pdf", &sample("encrypted.pdf"));
    assert!(message.starts_with("encrypted.pdf is encrypted"), "{message}");
}

#[test]
fn a_damaged_file_is_named() {
    let message = problem("protocol.pdf", b"%PDF-1.7 and nothing else");
    assert!(message.starts_with("protocol.pdf is damaged or not a PDF file"), "{message}");
    let bytes = sample("protocol.pdf");
    let half = document_service::extract::extract("protocol.pdf", &bytes[..bytes.len() / 2]);
    // A reader may rescue the pages of the first half, or refuse; it must not invent text.
    if let Ok(source) = half {
        assert!(!source.blocks.iter().any(|block| block.text() == "10 Ethics"));
    }
}
