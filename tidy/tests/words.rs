//! The rules about words find synonyms in code and comments, and leave other people's words alone.

use artos_tidy::{RustText, Tree, words};

fn found(path: &str, text: &str) -> Vec<(usize, String)> {
    let tree = Tree::of(&[(path, text)]);
    let findings = words::one_word_for_one_thing(&tree);
    findings.into_iter().map(|one| (one.line.unwrap_or(0), one.found)).collect()
}

#[test]
fn a_banned_word_is_found_inside_names_and_comments() {
    let text = "//! Runs a job.\nfn enqueue_all(task_dispatcher: JobQueue, scheduled_at: u8) {}\n";
    let lines: Vec<_> = found("a.rs", text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 2, 2, 2, 1]);
}

#[test]
fn part_of_another_word_is_not_found() {
    assert_eq!(found("a.rs", "// Jobs's banjob reapplies.\nfn lock_unlocked() {}\n").len(), 1);
    assert!(found("a.rs", "// A banjob reapplies packages.\nlet package = 1;\n").is_empty());
}

#[test]
fn what_a_string_says_is_not_looked_at() {
    let text = "let a = \"job \\\" job\";\nlet b = r#\"job \" job\"#;\nlet c = '\"'; // fine\n";
    assert!(found("a.rs", text).is_empty());
}

#[test]
fn status_is_a_word_of_http_only() {
    assert_eq!(found("artos-core/src/a.rs", "let status = 1;\n").len(), 1);
    assert_eq!(found("artos-store-memory/src/a.rs", "let status = 1;\n").len(), 1);
    assert!(found("artos-http/src/a.rs", "let status = 1;\n").is_empty());
}

#[test]
fn drawers_are_found() {
    let tree = Tree::of(&[("a/util.rs", ""), ("a/common/b.rs", ""), ("a/utility_bill.rs", "")]);
    assert_eq!(words::no_file_is_a_drawer(&tree).len(), 2);
}

#[test]
fn a_rust_file_is_taken_apart() {
    let text = RustText::new("let a = 'x'; /* one /* two */ */ f::<'a>(\"s // t\") // end\nb\n");
    let code: Vec<_> = text.code.split_whitespace().collect();
    assert_eq!(code, ["let", "a", "=", ";", "f::<'a>(", ")", "b"]);
    let comments: Vec<_> = text.comments.split_whitespace().collect();
    assert_eq!(comments, ["/*", "one", "/*", "two", "*/", "*/", "//", "end"]);
}

#[test]
fn an_unfinished_literal_ends_with_the_file() {
    for text in ["\"abc", "r##\"abc\"#", "/* abc", "'\\", "b\"", "'"] {
        assert_eq!(RustText::new(text).code.len(), text.len(), "{text}");
    }
}
