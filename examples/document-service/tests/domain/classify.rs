//! Which section a passage is assigned to, and how surely.

use document_service::classify::{Classified, Passage, classify};
use document_service::extract::Extracted;
use document_service::request::GenerateDocument;
use document_service::source::{Block, Format, Source};

use super::{FULL, classified, rules};

fn classify_blocks(blocks: Vec<Block>) -> Classified {
    let request = GenerateDocument::new("CSR", vec!["a.txt".into()]);
    let source = Source { path: "a.txt".into(), format: Format::Text, blocks };
    classify(Extracted { request, sources: vec![source] }, &rules("CSR"))
}

/// The section and confidence of the passage that follows these headings.
fn below(headings: &[(u8, &str)], text: &str) -> (Option<String>, f32) {
    let headings = headings.iter().map(|(level, text)| Block::heading(*level, *text));
    let blocks = headings.chain([Block::paragraph(text)]).collect();
    let last = classify_blocks(blocks).passages.pop().unwrap();
    (last.section_id, last.confidence)
}

fn passage<'a>(classified: &'a Classified, heading: &str) -> &'a Passage {
    let found = classified.passages.iter().find(|p| p.heading.as_deref() == Some(heading));
    found.unwrap_or_else(|| panic!("no passage {heading}"))
}

#[test]
fn the_title_of_a_section_is_surest() {
    let safety = Some("safety-analysis".to_owned());
    assert_eq!(below(&[(1, "8. Safety analysis")], "x"), (safety.clone(), 0.98));
    assert_eq!(below(&[(1, "Integrated Safety Analysis")], "x"), (safety.clone(), 0.92));
    let (section, confidence) = below(&[(1, "Adverse Events")], "x");
    assert_eq!(section, safety);
    assert!(confidence > 0.8 && confidence < 0.92, "{confidence}");
}

#[test]
fn a_heading_without_a_meaning_inherits_from_the_one_above() {
    let (section, confidence) = below(&[(1, "8 Safety Analysis"), (2, "8.4 Summaries")], "x");
    assert_eq!(section.as_deref(), Some("safety-analysis"));
    assert!((confidence - 0.88).abs() < 0.01, "{confidence}");
}

#[test]
fn a_heading_of_the_same_level_inherits_nothing() {
    assert_eq!(below(&[(1, "Safety Analysis"), (1, "Appendix")], "x"), (None, 0.0));
}

#[test]
fn text_decides_only_where_headings_say_nothing() {
    let text = "An adverse event was reported; the laboratory was told.";
    let (section, confidence) = below(&[(1, "Appendix")], text);
    assert_eq!(section.as_deref(), Some("safety-analysis"));
    assert!(confidence < 0.5, "{confidence}");
    let (section, _) = below(&[(1, "Study Design")], text);
    assert_eq!(section.as_deref(), Some("study-design"));
}

#[test]
fn plurals_and_case_do_not_matter() {
    for heading in ["ADVERSE EVENTS", "Serious adverse event", "Adverse-event listing"] {
        let (section, _) = below(&[(1, heading)], "x");
        assert_eq!(section.as_deref(), Some("safety-analysis"), "{heading}");
    }
}

#[test]
fn what_fits_nowhere_is_left_out() {
    assert_eq!(below(&[(1, "Typography")], "Serif fonts are used."), (None, 0.0));
}

#[test]
fn the_samples_are_assigned_as_a_person_would() {
    let classified = classified("CSR", &FULL);
    for (heading, section) in [
        ("1 Synopsis", "synopsis"),
        ("4.1 Schedule of Assessments", "study-design"),
        ("5 Study Population", "study-population"),
        ("8 Safety Analysis", "safety-analysis"),
        ("8.2 Vital Signs", "safety-analysis"),
        ("Subjects", "study-population"),
        ("Adverse Events", "safety-analysis"),
        ("Symptom Score by Visit", "efficacy-analysis"),
        ("Laboratory", "safety-analysis"),
        ("Reason for the Amendment", "protocol-changes"),
        ("Changes to Safety Monitoring", "safety-analysis"),
        ("Efficacy narrative", "efficacy-analysis"),
        ("Overall conclusion", "conclusions"),
    ] {
        let found = passage(&classified, heading).section_id.as_deref();
        assert_eq!(found, Some(section), "{heading}");
    }
}

#[test]
fn a_passage_keeps_its_file_and_page() {
    let classified = classified("CSR", &FULL);
    let safety = passage(&classified, "8 Safety Analysis");
    assert_eq!(safety.file, "org-id/protocol.pdf");
    assert_eq!(safety.blocks[0].page, Some(5));
    assert_eq!(classified.sources[0].pages, Some(5));
}
