//! One word for one thing: the synonyms that `docs/VOCABULARY.md` bans.
//!
//! Only words that mean nothing else here are listed, so that the rule can be trusted. What is in a
//! string literal is not looked at: it may be somebody else's word.

use crate::{Finding, Tree};

/// A banned word, and what to say instead.
struct Banned {
    word: &'static str,
    say: &'static str,
    /// Where it is banned: paths that start so. Empty: everywhere.
    within: &'static str,
}

const fn banned(word: &'static str, say: &'static str) -> Banned {
    Banned { word, say, within: "" }
}

const BANNED: &[Banned] = &[
    banned("job", "task"),
    banned("jobs", "tasks"),
    banned("enqueue", "submit (a caller) or insert (a store)"),
    banned("enqueued", "submitted (a caller) or inserted (a store)"),
    banned("dequeue", "claim"),
    banned("requeue", "rescue, snooze or interrupt"),
    banned("requeued", "rescued, snoozed or interrupted"),
    banned("dispatch", "submit (a caller), claim (a worker) or start (an attempt)"),
    banned("dispatcher", "client or worker"),
    banned("workflow", "pipeline"),
    banned("workflows", "pipelines"),
    banned("savepoint", "checkpoint"),
    banned("reap", "rescue (a lapsed lease) or prune (an old task)"),
    banned("reaper", "rescuer or pruner"),
    banned("poller", "worker"),
    banned("postpone", "snooze"),
    banned("cooldown", "backoff"),
    banned("finalized", "terminal (a state) or settled (an attempt)"),
    banned("canceled", "cancelled"),
    banned("canceling", "cancelling"),
    banned("scheduled_at", "run_at"),
    banned("available_at", "run_at"),
    banned("dedup_key", "idempotency key"),
    banned("page_token", "cursor"),
    banned("manager", "the duty's own name: rescuer, pruner, committer"),
    banned("helper", "what it does"),
    banned("helpers", "what they do"),
    banned("utils", "what they do"),
    Banned { word: "status", say: "state; only HTTP has a status", within: "artos-core/" },
    Banned { word: "status", say: "state; only HTTP has a status", within: "artos-store-" },
];

/// Where a banned word is right, and why. An exception nobody needs any more is a finding, too.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("tidy/", "", "the rules have to name what they ban"),
    ("benches/peers/", "", "other projects' programs speak their own language"),
];

/// Code and comments use the words of the vocabulary.
#[must_use]
pub fn one_word_for_one_thing(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let excused = |word: &str| {
            let fits = |&&(path, only, _): &&(&str, &str, &str)| {
                file.path.starts_with(path) && (only.is_empty() || only == word)
            };
            EXCEPTIONS.iter().find(fits).is_some()
        };
        for (number, line) in file.rust().words_of_people() {
            for name in line.split(|char: char| !(char.is_alphanumeric() || char == '_')) {
                let parts = parts(name);
                let says = |banned: &&Banned| {
                    file.path.starts_with(banned.within)
                        && (parts.iter().any(|part| part == banned.word)
                            || name.eq_ignore_ascii_case(banned.word))
                        && !excused(banned.word)
                };
                if let Some(banned) = BANNED.iter().find(says) {
                    let found = format!("`{name}` says \"{}\"", banned.word);
                    let advice = format!("say {}; see docs/VOCABULARY.md", banned.say);
                    findings.push(Finding::of_file(&file.path, found, advice).at(number));
                }
            }
        }
    }
    findings
}

/// Files are named after what is in them.
#[must_use]
pub fn no_file_is_a_drawer(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        let drawer = file.path.split(['/', '.']).find(|name| {
            matches!(*name, "util" | "utils" | "common" | "helper" | "helpers" | "misc" | "types")
        });
        if let Some(drawer) = drawer {
            let found = format!("`{drawer}` names a drawer, not a thing");
            let advice = "name the file after the one concept in it";
            findings.push(Finding::of_file(&file.path, found, advice));
        }
    }
    findings
}

/// Splits a name at underscores and at capitals, and writes the parts in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for char in name.chars() {
        if char == '_' || (char.is_uppercase() && before.is_lowercase()) {
            parts.push(String::new());
        }
        if char != '_'
            && let Some(part) = parts.last_mut()
        {
            part.extend(char.to_lowercase());
        }
        before = char;
    }
    parts
}
