//! Checks that values fit together.

use super::facts::Finding;
use super::{CheckKind, CheckRule};
use crate::document::SourceRef;

/// What a set of rules found for one fact.
pub(super) struct Found<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) findings: Vec<Finding>,
}

/// Returns a sentence for each way in which the values violate `check`.
pub(super) fn violations(check: &CheckRule, found: &[Found<'_>]) -> Vec<String> {
    let facts: Vec<&Found<'_>> =
        check.facts.iter().filter_map(|id| found.iter().find(|fact| fact.id == id)).collect();
    match check.kind {
        CheckKind::Agree => facts.iter().filter_map(|fact| disagreement(fact)).collect(),
        CheckKind::InOrder => disorder(&facts),
    }
}

fn disagreement(fact: &Found<'_>) -> Option<String> {
    if fact.findings.len() < 2 {
        return None;
    }
    let statements = fact.findings.iter().map(|finding| {
        let sources: Vec<String> = finding.sources.iter().map(place).collect();
        format!("{} in {}", finding.value, sources.join(" and "))
    });
    let statements: Vec<String> = statements.collect();
    Some(format!("sources disagree on {}: {}", fact.title, statements.join("; ")))
}

fn disorder(facts: &[&Found<'_>]) -> Vec<String> {
    let known = facts.iter().filter_map(|fact| Some((fact.title, fact.findings.first()?)));
    let known: Vec<_> = known.collect();
    let pairs = known.iter().zip(known.iter().skip(1));
    pairs
        .filter(|((_, before), (_, after))| before.value > after.value)
        .map(|((first, before), (second, after))| {
            format!("{first} ({}) is after {second} ({})", before.value, after.value)
        })
        .collect()
}

fn place(source: &SourceRef) -> String {
    match source.page {
        Some(page) => format!("{} page {page}", source.file),
        None => source.file.clone(),
    }
}
