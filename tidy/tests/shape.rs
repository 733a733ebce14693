//! The rules about shape find what they are there to find, and nothing else.

use artos_tidy::{Finding, Tree, shape};

fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|one| format!("{}:{}", one.path, one.line.unwrap_or(0))).collect()
}

#[test]
fn a_file_without_a_purpose_is_found() {
    let tree = Tree::of(&[
        ("a.rs", "fn main() {}\n"),
        ("b.rs", "//! \nfn main() {}\n"),
        ("c.rs", ""),
        ("good.rs", "#![allow(missing_docs)]\n\n//! Says hello.\n"),
        ("x/compile_fail/d.rs", "fn main() {}\n"),
    ]);
    let findings = shape::every_module_says_what_it_is_for(&tree);
    assert_eq!(places(&findings), ["a.rs:1", "b.rs:1", "c.rs:1"]);
}

#[test]
fn a_long_file_is_found_and_so_are_many_rather_long_ones() {
    let (long, rather_long) = ("x\n".repeat(501), "x\n".repeat(300));
    let tree = Tree::of(&[("a.rs", &long), ("b.rs", "x\n"), ("c.rs", "x\n")]);
    assert_eq!(places(&shape::files_are_short(&tree)), ["a.rs:0"]);
    let tree = Tree::of(&[("a.rs", "x\n"), ("b.rs", &rather_long), ("c.rs", &rather_long)]);
    assert_eq!(places(&shape::files_are_short(&tree)), [".:0"]);
}

#[test]
fn a_wide_line_is_found_unless_it_holds_a_link() {
    let text =
        format!("{}\n{}\n// https://{}\n", "x".repeat(100), "x".repeat(101), "x".repeat(101));
    let tree = Tree::of(&[("a.rs", &text)]);
    assert_eq!(places(&shape::lines_are_narrow(&tree)), ["a.rs:2"]);
}

#[test]
fn emoji_and_banners_are_found() {
    let tree = Tree::of(&[
        (
            "a.rs",
            "//! Fine \u{2192} fine.\n// ==== Part one ====\n// \u{26A0} careful\n\
             let a = \"\u{26A0}\";\n",
        ),
        ("b.md", "Done \u{1F389}\n\n---\n"),
    ]);
    assert_eq!(places(&shape::nothing_shouts(&tree)), ["a.rs:2", "a.rs:3", "b.md:1"]);
}

#[test]
fn a_finding_says_where_what_and_what_to_do() {
    let finding = Finding::of_file("a.rs", "a banner", "leave it out").at(7);
    assert_eq!(finding.to_string(), "a.rs:7: a banner\n    leave it out");
}
