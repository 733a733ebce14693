//! What a source file looks like from afar: its first line, its length, its width, its alphabet.

use crate::{Finding, Tree};

/// Most lines of a source file.
const LINES_MAX: usize = 500;
/// Most lines of the source file in the middle, when they are put in order of length.
const LINES_MEDIAN_MAX: usize = 200;
/// Most columns of a line of code.
const COLUMNS_MAX: usize = 100;

/// Every Rust file opens with `//!` and says what it is for.
#[must_use]
pub fn every_module_says_what_it_is_for(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs").filter(|file| !is_compile_fail(&file.path)) {
        let is_attribute = |line: &str| line.starts_with("#![");
        let first = file.lines().find(|(_, line)| !line.trim().is_empty() && !is_attribute(line));
        let opens = first.is_some_and(|(_, line)| {
            line.strip_prefix("//!").is_some_and(|purpose| purpose.trim().len() > 1)
        });
        if !opens {
            findings.push(
                Finding::of_file(
                    &file.path,
                    "the file does not open with `//!`",
                    "write one sentence of purpose, then the invariant the module guards",
                )
                .at(first.map_or(1, |(line, _)| line)),
            );
        }
    }
    findings
}

/// No Rust file is longer than one can keep in mind, and most are much shorter.
#[must_use]
pub fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for file in tree.ending(".rs").filter(|file| !is_compile_fail(&file.path)) {
        let length = file.lines().count();
        lengths.push(length);
        if length > LINES_MAX {
            findings.push(Finding::of_file(
                &file.path,
                format!("{length} lines, at most {LINES_MAX} are allowed"),
                "split it by concept; move tests to a file of their own",
            ));
        }
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    if median > LINES_MEDIAN_MAX {
        findings.push(Finding::of_file(
            ".",
            format!("the median Rust file has {median} lines, more than {LINES_MEDIAN_MAX}"),
            "files have grown everywhere: split the ones you touch",
        ));
    }
    findings
}

/// No line of a Rust file is wider than a narrow window. rustfmt leaves comments and strings alone.
#[must_use]
pub fn lines_are_narrow(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            // A link cannot be broken.
            if columns > COLUMNS_MAX && !line.contains("://") {
                findings.push(
                    Finding::of_file(
                        &file.path,
                        format!("{columns} columns, at most {COLUMNS_MAX} are allowed"),
                        "break the line",
                    )
                    .at(number),
                );
            }
        }
    }
    findings
}

/// Nothing is decorated: no emoji, no banners.
#[must_use]
pub fn nothing_shouts(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let files = tree.files().filter(|file| is_written_by_people(&file.path));
    for file in files {
        let is_rust = file.path.ends_with(".rs");
        // A string may hold whatever a test needs.
        let comments = if is_rust { file.rust().comments } else { file.text.clone() };
        for (number, line) in (1..).zip(comments.lines()) {
            let found = if let Some(emoji) = line.chars().find(|&char| is_emoji(char)) {
                format!("the emoji {emoji}")
            } else if is_rust && is_banner(line) {
                String::from("a banner")
            } else {
                continue;
            };
            let advice = "say it in plain words, or leave it out";
            findings.push(Finding::of_file(&file.path, found, advice).at(number));
        }
    }
    findings
}

fn is_emoji(char: char) -> bool {
    matches!(char, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{FE0F}')
}

fn is_banner(line: &str) -> bool {
    line.trim().strip_prefix("//").is_some_and(|comment| {
        let comment = comment.trim();
        ["====", "----", "****", "####", "////", "────", "━━━━", "════"]
            .iter()
            .any(|rule| comment.starts_with(rule) || comment.ends_with(rule))
    })
}

fn is_written_by_people(path: &str) -> bool {
    [".rs", ".md", ".toml", ".py", ".sh"].iter().any(|end| path.ends_with(end))
        || path.starts_with("scripts/")
}

/// Programs that are there to show the compiler's message are what a user would type.
pub(crate) fn is_compile_fail(path: &str) -> bool {
    path.contains("/compile_fail/")
}
