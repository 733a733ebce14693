//! The order of the modules inside `artos-core`: each uses only what lies below it.
//!
//! The compiler allows circles between modules; this does not.

use crate::{Finding, Tree};

/// A module, and what of its own crate it may use.
struct Layer {
    module: &'static str,
    may_use: &'static [&'static str],
    /// No async, clock or randomness: time and jitter are arguments.
    pure: bool,
}

const fn layer(module: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { module, may_use, pure: false }
}

/// From the bottom up. Modules that are not listed may use everything.
const LAYERS: &[Layer] = &[
    Layer { module: "model", may_use: &["model"], pure: true },
    Layer { module: "machine", may_use: &["model"], pure: true },
    Layer { module: "retry", may_use: &["model", "StageOptions"], pure: true },
    layer("clock", &["model"]),
    layer("random", &["model"]),
    layer("sync", &[]),
    layer("notify", &["model", "sync"]),
    layer("store", &["model", "machine", "notify"]),
    layer("spawn", &[]),
    layer("commit", &["spawn", "store", "sync"]),
    layer("follow_ups", &["model"]),
    layer("signals", &["model", "submission"]),
    layer("task", &[]),
    layer("pipeline", &["Name", "Stage", "StageContext", "StageError", "StageOptions", "task"]),
    layer("watch", &["model", "notify", "store"]),
];

/// What a pure module does not contain.
const IMPURE: [&str; 6] = ["async", "await", "tokio", "SystemTime", "Instant", "fastrand"];

/// Inside the core, arrows point downwards only.
#[must_use]
pub fn core_modules_use_only_what_is_below(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in LAYERS {
        let single = format!("artos-core/src/{}.rs", layer.module);
        let folder = format!("artos-core/src/{}/", layer.module);
        let own = tree.ending(".rs").filter(|file| {
            (file.path == single || file.path.starts_with(&folder))
                && !file.path.ends_with("/tests.rs")
                && !file.path.contains("/tests/")
        });
        for file in own {
            let code = file.rust().code;
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (line, name) in crate_names(code) {
                if !layer.may_use.contains(&name) {
                    let found = format!("`{}` uses `crate::{name}`", layer.module);
                    let advice = "it lies above; turn the arrow around, or write down in \
                                  docs/decisions why it must be so, and extend LAYERS";
                    findings.push(Finding::of_file(&file.path, found, advice).at(line));
                }
            }
            for (line, name) in words(code).filter(|(_, name)| layer.pure && IMPURE.contains(name))
            {
                let found = format!("`{name}` in `{}`, which is pure", layer.module);
                let advice = "take time and chance as arguments, and let callers await";
                findings.push(Finding::of_file(&file.path, found, advice).at(line));
            }
        }
    }
    findings
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(code.lines()).flat_map(|(number, line)| {
        let names = line.split(|char: char| !(char.is_alphanumeric() || char == '_'));
        names.map(move |name| (number, name))
    })
}

/// Finds what follows `crate::`, in paths and in nested imports, with the line it is in.
fn crate_names(code: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let line = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let rest = code.get(at + start.len()..).unwrap_or_default();
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(top_level(group).into_iter().map(|name| (line, name)));
        } else {
            names.push((line, first_name(rest)));
        }
    }
    names
}

/// Returns the first name of each entry of an import group.
fn top_level(group: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut names = Vec::new();
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(first_name(group.get(start..at).unwrap_or_default()));
                start = at + 1;
                if char == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|char: char| !(char.is_alphanumeric() || char == '_'));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}
