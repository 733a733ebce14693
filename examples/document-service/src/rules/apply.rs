//! Applies a set of rules to classified passages.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::checks::{self, Found};
use super::{OnViolation, RuleError, RuleSet, SectionRule, facts};
use crate::classify::{Classified, Passage};
use crate::document::{Fact, Section, SourceFile, SourceRef};
use crate::request::GenerateDocument;
use crate::source::Block;

/// A required section needs a passage of at least this confidence. A heading gives it; words that
/// happen to occur in the text of another section do not.
const PRESENT: f32 = 0.5;

/// A document that obeys its rules and has not been rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The request as submitted.
    pub request: GenerateDocument,
    /// The type as the rules spell it.
    pub document_type: String,
    /// What a document of this type is called.
    pub title: String,
    /// The sections in order.
    pub sections: Vec<Section>,
    /// Values that were found, in the order of the rules.
    pub facts: Vec<Fact>,
    /// The files that were read.
    pub sources: Vec<SourceFile>,
    /// What a reader should know before relying on the document.
    pub warnings: Vec<String>,
}

/// Arranges the passages by section, reads the facts and checks both.
///
/// # Errors
///
/// [`RuleError`] if a required section or fact is missing, or a check fails that must not.
pub fn apply(classified: Classified, rules: &RuleSet) -> Result<Draft, RuleError> {
    let Classified { request, passages, sources } = classified;
    let selected = rules.select(request.selected_section_ids.as_deref())?;
    check_required(&selected, &passages)?;
    let mut warnings = Vec::new();
    let facts = read_facts(rules, &passages, &mut warnings)?;
    let sections: Vec<Section> =
        (0..).zip(&selected).map(|(index, rule)| section(index, rule, &passages)).collect();
    for section in sections.iter().filter(|section| section.content.is_empty()) {
        warnings.push(format!("no source says anything about {}", section.title));
    }
    let sources = count_used(sources, &selected, &passages);
    for source in sources.iter().filter(|source| source.passages_used == 0) {
        warnings.push(format!("nothing in {} belongs to a section", source.file));
    }
    Ok(Draft {
        request,
        document_type: rules.document_type.clone(),
        title: rules.title.clone(),
        sections,
        facts,
        sources,
        warnings,
    })
}

fn check_required(selected: &[&SectionRule], passages: &[Passage]) -> Result<(), RuleError> {
    let present = |section: &SectionRule| {
        passages.iter().any(|passage| passage.is_in(&section.id) && passage.confidence >= PRESENT)
    };
    let missing: Vec<String> = selected
        .iter()
        .filter(|section| section.required && !present(section))
        .map(|section| section.title.clone())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(RuleError::MissingSections(missing)) }
}

fn read_facts(
    rules: &RuleSet,
    passages: &[Passage],
    warnings: &mut Vec<String>,
) -> Result<Vec<Fact>, RuleError> {
    let mut found = Vec::new();
    for rule in &rules.facts {
        let findings = facts::find(rule, passages);
        if rule.required && findings.is_empty() {
            return Err(RuleError::MissingFact(rule.title.clone()));
        }
        found.push(Found { id: &rule.id, title: &rule.title, findings });
    }
    for check in &rules.checks {
        for violation in checks::violations(check, &found) {
            match check.on_violation {
                OnViolation::Warn => warnings.push(violation),
                OnViolation::Fail => return Err(RuleError::Inconsistent(violation)),
            }
        }
    }
    let facts = found.into_iter().filter_map(|fact| {
        let first = fact.findings.into_iter().next()?;
        Some(Fact {
            fact_id: fact.id.to_owned(),
            title: fact.title.to_owned(),
            value: first.value.to_string(),
            sources: first.sources,
        })
    });
    Ok(facts.collect())
}

fn section(order_index: u32, rule: &SectionRule, passages: &[Passage]) -> Section {
    let mut section = Section {
        section_id: rule.id.clone(),
        order_index,
        level: 1,
        title: rule.title.clone(),
        confidence: 0.0,
        content: Vec::new(),
        sources: Vec::new(),
    };
    let mut sources = BTreeSet::new();
    for passage in passages.iter().filter(|passage| passage.is_in(&rule.id)) {
        section.confidence = section.confidence.max(passage.confidence);
        section.content.extend(passage.sub_heading(&rule.title));
        section.content.extend(passage.blocks.iter().cloned());
        let place = |block: &Block| SourceRef { file: passage.file.clone(), page: block.page };
        sources.extend(passage.blocks.iter().map(place));
    }
    section.sources = sources.into_iter().collect();
    section
}

fn count_used(
    mut sources: Vec<SourceFile>,
    selected: &[&SectionRule],
    passages: &[Passage],
) -> Vec<SourceFile> {
    let is_used = |passage: &&Passage| selected.iter().any(|section| passage.is_in(&section.id));
    for source in &mut sources {
        let used = passages.iter().filter(is_used).filter(|passage| passage.file == source.file);
        source.passages_used = u32::try_from(used.count()).unwrap_or(u32::MAX);
    }
    sources
}
