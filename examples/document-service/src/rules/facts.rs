//! Reads values out of passages.

use jiff::civil::Date;

use super::{FactKind, FactRule};
use crate::classify::Passage;
use crate::document::SourceRef;
use crate::source::{Content, Table};

/// Longest value that a label may have; what is longer is a paragraph that contains a colon.
const VALUE_CHARS_MAX: usize = 120;

/// A value, in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Integer(u64),
    Date(Date),
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Date(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// A value and the places that state it.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) value: Value,
    pub(super) sources: Vec<SourceRef>,
}

/// Returns the values that the passages state for a fact, each once, in order of appearance.
pub(super) fn find(rule: &FactRule, passages: &[Passage]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for passage in passages {
        if rule.section.is_some() && rule.section != passage.section_id {
            continue;
        }
        for block in &passage.blocks {
            let values = match &block.content {
                Content::Table(table) => in_table(rule, passage.heading.as_deref(), table),
                Content::Paragraph { text } | Content::Heading { text, .. } => in_text(rule, text),
            };
            let source = SourceRef { file: passage.file.clone(), page: block.page };
            for value in values.iter().filter_map(|text| parse(rule.kind, text)) {
                record(&mut findings, value, &source);
            }
        }
    }
    findings
}

fn record(findings: &mut Vec<Finding>, value: Value, source: &SourceRef) {
    match findings.iter_mut().find(|finding| finding.value == value) {
        Some(finding) if finding.sources.contains(source) => {}
        Some(finding) => finding.sources.push(source.clone()),
        None => findings.push(Finding { value, sources: vec![source.clone()] }),
    }
}

fn in_text(rule: &FactRule, text: &str) -> Vec<String> {
    let matches = rule.patterns.iter().flat_map(|pattern| pattern.captures_iter(text));
    let mut values: Vec<String> =
        matches.filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect();
    if let Some((label, value)) = text.split_once(':')
        && value.chars().count() <= VALUE_CHARS_MAX
        && is_label(rule, label)
    {
        values.push(value.to_owned());
    }
    values
}

fn in_table(rule: &FactRule, heading: Option<&str>, table: &Table) -> Vec<String> {
    let mut values = Vec::new();
    // A list of values has a label and a value in each row; a wider table has no single value.
    for row in table.rows.iter().chain([&table.header]) {
        if let [label, value] = row.as_slice()
            && is_label(rule, label)
        {
            values.push(value.clone());
        }
    }
    if let (Some(rows_of), Some(heading)) = (&rule.rows_of, heading)
        && heading.trim().eq_ignore_ascii_case(rows_of)
    {
        values.push(table.rows.len().to_string());
    }
    values
}

fn is_label(rule: &FactRule, text: &str) -> bool {
    let text = text.trim().trim_end_matches(':');
    rule.labels.iter().any(|label| label.eq_ignore_ascii_case(text))
}

fn parse(kind: FactKind, text: &str) -> Option<Value> {
    let text = text.trim();
    match kind {
        FactKind::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
        FactKind::Integer => text.replace(',', "").parse().ok().map(Value::Integer),
        FactKind::Date => parse_date(text).map(Value::Date),
    }
}

/// Reads a date. Formats that some read as day first and others as month first are not accepted.
fn parse_date(text: &str) -> Option<Date> {
    const FORMATS: [&str; 5] = ["%Y-%m-%d", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%d-%b-%Y"];
    FORMATS.iter().find_map(|format| Date::strptime(format, text).ok())
}
