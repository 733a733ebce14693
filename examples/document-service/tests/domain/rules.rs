//! Rules files, required sections, facts and checks.

use document_service::classify::{Classified, classify};
use document_service::extract::Extracted;
use document_service::request::GenerateDocument;
use document_service::rules::{Draft, RuleBook, RuleError, RuleSet, apply};
use document_service::source::{Block, Format, Source, Table};

use super::{FULL, classified, draft, rules};

const RULES: &str = r#"
    document_type = "T"
    title = "Test"
    [[sections]]
    id = "main"
    title = "Main"
    required = true
    [[facts]]
    id = "start"
    title = "Start"
    kind = "date"
    labels = ["Start"]
    [[facts]]
    id = "end"
    title = "End"
    kind = "date"
    labels = ["End"]
    [[facts]]
    id = "n"
    title = "Subjects"
    kind = "integer"
    labels = ["Subjects"]
    patterns = ['(\d+) subjects']
    rows_of = "Subjects"
    [[checks]]
    kind = "in_order"
    facts = ["start", "end"]
    [[checks]]
    kind = "agree"
    facts = ["n"]
"#;

/// Applies `rules` to a source that has a section Main with these blocks.
fn apply_to(rules: &str, blocks: Vec<Block>) -> Result<Draft, RuleError> {
    let rules = RuleSet::parse("test.toml", rules).unwrap();
    let request = GenerateDocument::new("T", vec!["a.txt".into()]);
    let blocks = [Block::heading(1, "Main")].into_iter().chain(blocks).collect();
    let source = Source { path: "a.txt".into(), format: Format::Text, blocks };
    apply(classify(Extracted { request, sources: vec![source] }, &rules), &rules)
}

fn facts(draft: &Draft) -> Vec<(&str, &str)> {
    draft.facts.iter().map(|fact| (fact.fact_id.as_str(), fact.value.as_str())).collect()
}

fn mistakes(from: &str, to: &str) -> String {
    assert!(RULES.contains(from));
    RuleSet::parse("test.toml", &RULES.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_missing_required_section_fails_with_the_documented_text() {
    let error = draft("CSR", &["protocol-without-safety.pdf"]).unwrap_err();
    assert_eq!(error.to_string(), "Missing required section: Safety Analysis");
}

#[test]
fn a_section_that_was_not_selected_is_not_required() {
    let mut classified = classified("CSR", &["protocol-without-safety.pdf"]);
    classified.request.selected_section_ids = Some(vec!["study-design".into()]);
    let draft = apply(classified, &rules("CSR")).unwrap();
    let titles: Vec<&str> = draft.sections.iter().map(|s| s.title.as_str()).collect();
    assert_eq!(titles, ["Study Design"]);
}

#[test]
fn an_unknown_section_is_named_with_the_known_ones() {
    let mut classified = classified("Protocol", &["protocol.pdf"]);
    classified.request.selected_section_ids = Some(vec!["nonsense".into()]);
    let message = apply(classified, &rules("Protocol")).unwrap_err().to_string();
    assert!(message.starts_with("unknown section `nonsense`; known sections are synopsis, intro"));
}

#[test]
fn several_missing_sections_are_named_together() {
    let request = GenerateDocument::new("Protocol", vec!["a.txt".into()]);
    let nothing = Classified { request, passages: Vec::new(), sources: Vec::new() };
    let message = apply(nothing, &rules("Protocol")).unwrap_err().to_string();
    assert_eq!(message, "Missing required sections: Study Objectives, Study Design");
}

#[test]
fn the_samples_yield_the_facts_of_the_study() {
    let draft = draft("CSR", &FULL).unwrap();
    let expected = [
        ("protocol-number", "EXM-2041"),
        ("sponsor", "Northwind Example Research"),
        ("phase", "Phase 2"),
        ("product", "examplinib 40 mg tablet"),
        ("indication", "Chronic sample disease"),
        ("first-subject-enrolled", "2024-03-12"),
        ("last-subject-completed", "2025-02-28"),
        ("database-lock", "2025-03-21"),
        ("subjects-screened", "61"),
        ("subjects-randomized", "48"),
        ("subjects-completed", "45"),
        ("p-value", "= 0.0004"),
    ];
    assert_eq!(facts(&draft), expected);
    assert_eq!(draft.warnings, Vec::<String>::new());
    // The text of the protocol, the status sheet and the rows of the sheet of subjects agree.
    let randomized = draft.facts.iter().find(|fact| fact.fact_id == "subjects-randomized").unwrap();
    assert_eq!(randomized.sources.len(), 2);
}

#[test]
fn every_document_type_can_be_made_from_the_samples() {
    for document_type in ["CSR", "Protocol", "IND"] {
        let result = draft(document_type, &FULL);
        let draft = result.unwrap_or_else(|error| panic!("{document_type}: {error}"));
        assert!(draft.sections.iter().filter(|section| !section.content.is_empty()).count() > 3);
    }
}

#[test]
fn sources_that_disagree_give_a_warning() {
    let rows = vec![vec!["Id".to_owned()], vec!["1".to_owned()], vec!["2".to_owned()]];
    let table = Block::table(Table::from_rows(rows).unwrap());
    let subjects =
        [Block::paragraph("In total 3 subjects took part."), Block::heading(2, "Subjects")];
    let draft = apply_to(RULES, subjects.into_iter().chain([table]).collect()).unwrap();
    let warning = "sources disagree on Subjects: 3 in a.txt; 2 in a.txt";
    assert_eq!(draft.warnings, [warning]);
}

#[test]
fn dates_out_of_order_give_a_warning_or_fail() {
    let blocks = || {
        let lines = ["Start: 12 March 2024", "End: 2024-03-11"];
        lines.map(Block::paragraph).to_vec()
    };
    let message = "Start (2024-03-12) is after End (2024-03-11)";
    assert_eq!(apply_to(RULES, blocks()).unwrap().warnings, [message]);
    let strict = RULES.replace("\"in_order\"", "\"in_order\"\n    on_violation = \"fail\"");
    let error = apply_to(&strict, blocks()).unwrap_err();
    assert_eq!(error.to_string(), format!("Inconsistent sources: {message}"));
}

#[test]
fn a_date_that_can_be_read_in_two_ways_is_not_a_fact() {
    let draft = apply_to(RULES, vec![Block::paragraph("Start: 03/04/2024")]).unwrap();
    assert_eq!(facts(&draft), []);
}

#[test]
fn a_missing_required_fact_fails() {
    let strict = RULES.replace("kind = \"integer\"", "kind = \"integer\"\n    required = true");
    let error = apply_to(&strict, vec![Block::paragraph("Nothing.")]).unwrap_err();
    assert_eq!(error.to_string(), "Missing required fact: Subjects");
}

#[test]
fn a_section_without_content_gives_a_warning() {
    let rules = format!("{RULES}\n[[sections]]\nid = \"other\"\ntitle = \"Other\"\n");
    let draft = apply_to(&rules, vec![Block::paragraph("Something.")]).unwrap();
    assert_eq!(draft.warnings, ["no source says anything about Other"]);
}

#[test]
fn the_document_type_is_found_in_any_case() {
    let book = RuleBook::embedded().unwrap();
    assert_eq!(book.rules("csr").unwrap().document_type, "CSR");
    let message = book.rules("NDA").unwrap_err().to_string();
    assert_eq!(message, "unknown document type `NDA`; known types are CSR, Protocol, IND");
}

#[test]
fn mistakes_in_a_rules_file_are_listed() {
    let message = mistakes("facts = [\"start\", \"end\"]", "facts = [\"start\", \"stop\"]");
    assert!(message.contains("test.toml: a check is about the unknown fact `stop`"), "{message}");
    assert!(mistakes("id = \"end\"", "id = \"start\"").contains("fact id `start` is used twice"));
    assert!(mistakes("(\\d+) subjects", "(\\d+ subjects").contains("pattern `(\\d+ subjects`"));
    assert!(mistakes("(\\d+) subjects", "\\d+ subjects").contains("no group for the value"));
    assert!(mistakes("labels = [\"End\"]", "").contains("fact `end` has no label"));
    assert!(mistakes("required = true", "requird = true").contains("unknown field `requird`"));
    assert!(mistakes("kind = \"date\"", "").contains("text has no order"));
    assert!(
        mistakes("[\"Start\"]", "[\"Start\"]\nsection = \"x\"").contains("unknown section `x`")
    );
}
