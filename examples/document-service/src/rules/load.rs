//! Reads a rules file and checks that its rules can work.

use std::collections::HashSet;

use regex::Regex;
use serde::Deserialize;

use super::{CheckKind, CheckRule, FactKind, FactRule, RuleSet, SectionRule};

/// A rules file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}", .mistakes.join("; "))]
pub struct RuleFileError {
    /// Name of the file.
    pub file: String,
    /// Every mistake that was found.
    pub mistakes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    document_type: String,
    title: String,
    sections: Vec<SectionRule>,
    #[serde(default)]
    facts: Vec<FactEntry>,
    #[serde(default)]
    checks: Vec<CheckRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactEntry {
    id: String,
    title: String,
    #[serde(default)]
    kind: FactKind,
    section: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    patterns: Vec<String>,
    rows_of: Option<String>,
    #[serde(default)]
    required: bool,
}

impl RuleSet {
    /// Reads the rules of one document type from the content of a TOML file.
    ///
    /// # Errors
    ///
    /// [`RuleFileError`] lists every mistake.
    pub fn parse(file: &str, content: &str) -> Result<Self, RuleFileError> {
        let fail = |mistakes| RuleFileError { file: file.to_owned(), mistakes };
        let entries: RuleFile =
            toml::from_str(content).map_err(|error| fail(vec![error.to_string()]))?;
        let mut mistakes = Vec::new();
        check_sections(&entries, &mut mistakes);
        check_checks(&entries, &mut mistakes);
        let sections: HashSet<&str> = entries.sections.iter().map(|s| s.id.as_str()).collect();
        let facts =
            entries.facts.iter().map(|entry| entry.compile(&sections, &mut mistakes)).collect();
        if !mistakes.is_empty() {
            return Err(fail(mistakes));
        }
        Ok(Self {
            document_type: entries.document_type,
            title: entries.title,
            sections: entries.sections,
            facts,
            checks: entries.checks,
        })
    }
}

impl FactEntry {
    fn compile(&self, sections: &HashSet<&str>, mistakes: &mut Vec<String>) -> FactRule {
        let id = &self.id;
        if let Some(section) = &self.section
            && !sections.contains(section.as_str())
        {
            mistakes.push(format!("fact `{id}` is searched in the unknown section `{section}`"));
        }
        if self.labels.is_empty() && self.patterns.is_empty() && self.rows_of.is_none() {
            mistakes
                .push(format!("fact `{id}` has no label, pattern or table, so it is never found"));
        }
        let mut patterns = Vec::new();
        for pattern in &self.patterns {
            match Regex::new(pattern) {
                Ok(regex) if regex.captures_len() < 2 => mistakes
                    .push(format!("pattern `{pattern}` of fact `{id}` has no group for the value")),
                Ok(regex) => patterns.push(regex),
                Err(error) => {
                    mistakes.push(format!("pattern `{pattern}` of fact `{id}`: {error}"));
                }
            }
        }
        FactRule {
            id: self.id.clone(),
            title: self.title.clone(),
            kind: self.kind,
            section: self.section.clone(),
            labels: self.labels.clone(),
            patterns,
            rows_of: self.rows_of.clone(),
            required: self.required,
        }
    }
}

fn check_sections(file: &RuleFile, mistakes: &mut Vec<String>) {
    if file.sections.is_empty() {
        mistakes.push("there are no sections".to_owned());
    }
    let mut ids = HashSet::new();
    for section in &file.sections {
        if section.id.is_empty() || section.title.is_empty() {
            mistakes.push("a section has an empty id or title".to_owned());
        }
        if !ids.insert(&section.id) {
            mistakes.push(format!("section id `{}` is used twice", section.id));
        }
    }
}

fn check_checks(file: &RuleFile, mistakes: &mut Vec<String>) {
    let mut kinds = std::collections::HashMap::new();
    for fact in &file.facts {
        if kinds.insert(fact.id.as_str(), fact.kind).is_some() {
            mistakes.push(format!("fact id `{}` is used twice", fact.id));
        }
    }
    for check in &file.checks {
        for fact in &check.facts {
            match kinds.get(fact.as_str()) {
                None => mistakes.push(format!("a check is about the unknown fact `{fact}`")),
                Some(FactKind::Text) if check.kind == CheckKind::InOrder => {
                    mistakes.push(format!("text has no order, so fact `{fact}` cannot be in it"));
                }
                Some(_) => {}
            }
        }
        let needed = if check.kind == CheckKind::InOrder { 2 } else { 1 };
        if check.facts.len() < needed {
            mistakes.push(format!("a check needs at least {needed} facts"));
        }
        let first = check.facts.first().and_then(|fact| kinds.get(fact.as_str()));
        let mixed = check.facts.iter().any(|fact| kinds.get(fact.as_str()) != first);
        if check.kind == CheckKind::InOrder && mixed {
            mistakes.push("a check compares facts of different kinds".to_owned());
        }
    }
}
