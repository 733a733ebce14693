//! What must not be left lying about: unfinished work, tests that wait or do not run, and traces of
//! the machine somebody worked on.

use crate::{Finding, Tree, shape::is_compile_fail};

/// Marks of unfinished work in code.
const UNFINISHED: [(&str, &str); 5] = [
    ("todo!", "finish it, or say in docs what is deliberately absent"),
    ("unimplemented!", "finish it, or say in docs what is deliberately absent"),
    ("dbg!", "remove it"),
    ("#[ignore", "a test that does not run proves nothing: mend it or delete it"),
    ("#[should_panic", "call what panics, and assert what it returns instead"),
];

/// Marks of unfinished work in comments.
const PROMISES: [(&str, &str); 4] = [
    ("FIXME", "mend it now, or describe the limit as a fact"),
    ("TODO", "do it now, or describe the limit as a fact"),
    ("XXX", "describe the limit as a fact"),
    ("To be written", "write it"),
];

/// Folders that exist on one machine only.
const MACHINE_PATHS: [&str; 5] = ["/home/", "/Users/", "/root/", "/work/", "C:\\"];

/// Where waiting in real time is right, and why.
const WAITING: &[(&str, &str)] = &[
    ("artos-sim/", "the simulation makes its own time"),
    ("tidy/", "the rules name what they ban"),
];

/// Nothing is half done, and every test runs.
#[must_use]
pub fn nothing_is_unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs").filter(|file| !file.path.starts_with("tidy/")) {
        let text = file.rust();
        let code = (1..).zip(text.code.lines());
        let comments = (1..).zip(text.comments.lines());
        let in_code = code.flat_map(|line| marks(line, &UNFINISHED));
        let in_comments = comments.flat_map(|line| {
            let fence = ("```ignore", "an example that is not compiled rots: make it compile");
            marks(line, &PROMISES).chain(marks(line, &[fence])).collect::<Vec<_>>()
        });
        for (number, mark, advice) in in_code.chain(in_comments) {
            findings.push(Finding::of_file(&file.path, format!("`{mark}`"), advice).at(number));
        }
    }
    findings
}

fn marks<'a>(
    (number, line): (usize, &'a str),
    marks: &[(&'a str, &'a str)],
) -> impl Iterator<Item = (usize, &'a str, &'a str)> + use<'a> {
    let found: Vec<_> = marks.iter().filter(|(mark, _)| line.contains(mark)).copied().collect();
    found.into_iter().map(move |(mark, advice)| (number, mark, advice))
}

/// No test waits for real time to pass.
///
/// A sleep is fine where tokio's time is paused: it then takes no time at all.
#[must_use]
pub fn no_test_sleeps(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let excused = |path: &str| WAITING.iter().any(|(start, _)| path.starts_with(start));
    for file in tree.ending(".rs").filter(|file| !excused(&file.path)) {
        let code = file.rust().code;
        let is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
        let tests_from = if is_test { Some(0) } else { code.find("#[cfg(test)]") };
        let paused = code.contains("start_paused = true") || code.contains("time::pause()");
        for (number, line) in (1..).zip(code.lines()) {
            let blocks = line.contains("thread::sleep");
            let sleeps = line.contains("time::sleep(") && !paused;
            let start: usize = code.lines().take(number - 1).map(|line| line.len() + 1).sum();
            if blocks || (sleeps && tests_from.is_some_and(|from| start >= from)) {
                let advice = "pause tokio's time (`start_paused = true`), or wait for an event";
                let found = "a sleep in real time";
                findings.push(Finding::of_file(&file.path, found, advice).at(number));
            }
        }
    }
    findings
}

/// No file knows whose machine it was written on.
#[must_use]
pub fn no_path_of_one_machine(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| !is_excused_from_paths(&file.path)) {
        for (number, line) in file.lines() {
            let Some(path) = MACHINE_PATHS.iter().find(|path| starts_path(line, path)) else {
                continue;
            };
            let advice = "make the path relative, or take it from the environment";
            let found = format!("`{path}` exists on one machine only");
            findings.push(Finding::of_file(&file.path, found, advice).at(number));
        }
    }
    findings
}

fn is_excused_from_paths(path: &str) -> bool {
    path.starts_with("tidy/") || is_compile_fail(path) || path.ends_with(".lock")
}

/// Returns whether the line has `path` where a path starts, not in the middle of an address.
fn starts_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|char| char.is_alphanumeric() || "._-}/".contains(char))
    })
}
