//! The documents: links that lead somewhere, pages that can be found, facts that are still true.

use crate::{Finding, SourceFile, Tree};

/// The pages from which a reader finds every other.
const ENTRANCES: [&str; 2] = ["README.md", "docs/ARCHITECTURE.md"];
/// Most lines of a decision: one page.
const DECISION_LINES_MAX: usize = 70;
const DECISION_PARTS: [&str; 4] =
    ["## Context", "## Decision", "## Consequences", "## Alternatives"];

/// Abbreviations whose full stop ends no sentence.
const ABBREVIATIONS: [&str; 6] = ["e.g", "i.e", "etc", "vs", "cf", "approx"];

/// A link to a file of the repository leads to a file of the repository.
#[must_use]
pub fn links_lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        for (number, target) in links(file) {
            let path = resolve(file.folder(), &target);
            if !path.as_deref().is_some_and(|path| tree.has(path)) {
                let found = format!("the link to `{target}` leads nowhere");
                let advice = "mend the link, or write the page";
                findings.push(Finding::of_file(&file.path, found, advice).at(number));
            }
        }
    }
    findings
}

/// Every page below `docs/` is linked from the README or from the architecture.
#[must_use]
pub fn every_page_can_be_found(tree: &Tree) -> Vec<Finding> {
    let linked: Vec<String> = ENTRANCES
        .iter()
        .filter_map(|path| tree.file(path))
        .flat_map(|file| {
            links(file).into_iter().filter_map(|(_, target)| resolve(file.folder(), &target))
        })
        .collect();
    tree.ending(".md")
        .filter(|file| file.path.starts_with("docs/"))
        .filter(|file| !ENTRANCES.contains(&file.path.as_str()) && !linked.contains(&file.path))
        .map(|file| {
            let advice = format!("link it from {}", ENTRANCES.join(" or "));
            Finding::of_file(&file.path, "nobody finds this page", advice)
        })
        .collect()
}

/// Decisions are numbered from 0001 without gaps, and each has its four parts on one page.
#[must_use]
pub fn decisions_are_in_order(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let decisions = tree.ending(".md").filter(|file| file.path.starts_with("docs/decisions/"));
    for (expected, file) in (1_usize..).zip(decisions) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if !name.starts_with(&format!("{expected:04}-")) {
            let found = format!("found `{name}`, expected number {expected:04} here");
            let advice = "number decisions without gaps and use no number twice";
            findings.push(Finding::of_file(&file.path, found, advice));
        }
        let number = name.split('-').next().unwrap_or_default();
        if !file.text.starts_with(&format!("# {number}: ")) {
            let advice = format!("begin with `# {number}: ` and the decision in a few words");
            findings.push(Finding::of_file(&file.path, "the title lacks the number", advice).at(1));
        }
        for part in DECISION_PARTS {
            if !file.lines().any(|(_, line)| line == part) {
                let found = format!("the part `{part}` is missing");
                let advice = "say what forced it, what was decided, what follows, what was not";
                findings.push(Finding::of_file(&file.path, found, advice));
            }
        }
        let length = file.lines().count();
        if length > DECISION_LINES_MAX {
            let found = format!("{length} lines, at most {DECISION_LINES_MAX} are allowed");
            findings.push(Finding::of_file(&file.path, found, "keep it to one page"));
        }
    }
    findings
}

/// Every path that the architecture names exists, and it names every crate and core module.
#[must_use]
pub fn the_architecture_is_still_true(tree: &Tree) -> Vec<Finding> {
    let path = "docs/ARCHITECTURE.md";
    let Some(file) = tree.file(path) else {
        return vec![Finding::of_file(path, "there is no such page", "describe the code in it")];
    };
    let mut findings = Vec::new();
    for (number, line) in prose(file) {
        for span in code_spans(line).filter(|span| looks_like_path(span)) {
            if !tree.has(span) {
                let found = format!("`{span}` does not exist");
                let advice = "name the path from the root of the repository, as it is now";
                findings.push(Finding::of_file(path, found, advice).at(number));
            }
        }
    }
    let mut parts: Vec<_> = tree.files().filter_map(|file| part_of_the_map(&file.path)).collect();
    parts.dedup();
    for part in parts.iter().filter(|part| !file.text.contains(&format!("`{part}`"))) {
        let found = format!("`{part}` is not on the map");
        findings.push(Finding::of_file(path, found, "say in a sentence what it is for"));
    }
    findings
}

/// Markdown has one sentence per line, so that a changed sentence is a changed line.
#[must_use]
pub fn one_sentence_per_line(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        for (number, line) in prose(file).filter(|(_, line)| !line.trim_start().starts_with('|')) {
            if let Some(sentence) = second_sentence(&without_code(line)) {
                let found = format!("a second sentence begins at \"{sentence}\"");
                let advice = "begin it on a line of its own";
                findings.push(Finding::of_file(&file.path, found, advice).at(number));
            }
        }
    }
    findings
}

/// Returns the crate or the core module that a source file belongs to, as the map names it.
fn part_of_the_map(path: &str) -> Option<String> {
    if let Some(module) = path.strip_prefix("artos-core/src/") {
        let top = match module.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => String::from(module),
        };
        return Some(format!("artos-core/src/{top}"));
    }
    let manifest = path.strip_suffix("Cargo.toml")?;
    (!manifest.is_empty() && !manifest.starts_with("benches/peers/"))
        .then(|| String::from(manifest))
}

/// Returns the lines outside code blocks.
fn prose(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    file.lines().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// Returns the targets of links to files, without their anchors.
fn links(file: &SourceFile) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(file) {
        let line = without_code(line);
        for (at, start) in line.match_indices("](") {
            let rest = line.get(at + start.len()..).unwrap_or_default();
            let target = rest.split([')', ' ', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                links.push((number, String::from(target)));
            }
        }
    }
    links
}

/// Resolves a link against the folder of its page; `None` if it leaves the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Blanks out the insides of code spans; keeps the backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<_> = (0..)
        .zip(line.split('`'))
        .map(|(index, part)| if index % 2 == 1 { "" } else { part })
        .collect();
    parts.join("`")
}

fn looks_like_path(span: &str) -> bool {
    let is_name = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
    let is_file = [".rs", ".md", ".toml", ".py"].iter().any(|end| span.ends_with(end));
    span.chars().all(is_name) && !span.starts_with('/') && (span.contains('/') || is_file)
}

/// Returns the beginning of the second sentence of a line, if it has one.
fn second_sentence(line: &str) -> Option<&str> {
    line.match_indices(['.', '?', '!']).find_map(|(at, _)| {
        let (before, rest) = (line.get(..at)?, line.get(at + 1..)?);
        let next = rest.strip_prefix(' ')?;
        let word = before.rsplit([' ', '(']).next().unwrap_or_default();
        let is_end = word.chars().count() > 1
            && !word.chars().all(|char| char.is_ascii_digit())
            && !ABBREVIATIONS.contains(&word);
        let starts = next.chars().next().is_some_and(char::is_uppercase);
        (is_end && starts).then(|| next.get(..20).unwrap_or(next))
    })
}
