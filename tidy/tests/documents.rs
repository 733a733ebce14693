//! The rules about documents find dead links, lost pages, gaps and stale facts.

use artos_tidy::{Finding, Tree, documents};

fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|one| format!("{}:{}", one.path, one.line.unwrap_or(0))).collect()
}

#[test]
fn a_dead_link_is_found() {
    let page = "[a](b.md)\n[b](../README.md#start)\n[c](https://example.org)\n[d](c.md) `[e](e.md)`\n\
                ```text\n[f](f.md)\n```\n[g](../../outside.md)\n[h](#anchor)\n[i](more/)\n";
    let tree = Tree::of(&[
        ("README.md", ""),
        ("docs/a.md", page),
        ("docs/b.md", ""),
        ("docs/more/c.md", ""),
    ]);
    assert_eq!(places(&documents::links_lead_somewhere(&tree)), ["docs/a.md:4", "docs/a.md:8"]);
}

#[test]
fn a_page_nobody_links_is_found() {
    let tree = Tree::of(&[
        ("README.md", "[one](docs/ONE.md)\n"),
        ("docs/ARCHITECTURE.md", "[two](decisions/0001-two.md)\n"),
        ("docs/ONE.md", "[three](THREE.md)\n"),
        ("docs/THREE.md", ""),
        ("docs/decisions/0001-two.md", ""),
    ]);
    assert_eq!(places(&documents::every_page_can_be_found(&tree)), ["docs/THREE.md:0"]);
}

#[test]
fn gaps_and_missing_parts_of_decisions_are_found() {
    let good = |number| {
        format!(
            "# {number}: x\n\n## Context\n\n## Decision\n\n## Consequences\n\n## Alternatives\n"
        )
    };
    let (first, third) = (good("0001"), good("0003"));
    let tree = Tree::of(&[("docs/decisions/0001-a.md", &first)]);
    assert!(documents::decisions_are_in_order(&tree).is_empty());
    let tree =
        Tree::of(&[("docs/decisions/0001-a.md", &first), ("docs/decisions/0003-c.md", &third)]);
    assert_eq!(documents::decisions_are_in_order(&tree).len(), 1);
    let tree = Tree::of(&[("docs/decisions/0001-a.md", "# 0002: x\n")]);
    assert_eq!(documents::decisions_are_in_order(&tree).len(), 5);
}

#[test]
fn a_path_that_is_gone_and_a_part_that_is_not_on_the_map_are_found() {
    let map = "`artos-core/` holds `artos-core/src/task.rs` and `artos-core/src/gone.rs`.\n\
               `Task::KIND`, `application/json; charset=utf-8` and `/api/v1` are no paths.\n";
    let tree = Tree::of(&[
        ("docs/ARCHITECTURE.md", map),
        ("artos-core/Cargo.toml", ""),
        ("artos-core/src/task.rs", ""),
        ("artos-core/src/model/id.rs", ""),
        ("artos-new/Cargo.toml", ""),
    ]);
    let found: Vec<_> =
        documents::the_architecture_is_still_true(&tree).into_iter().map(|one| one.found).collect();
    assert_eq!(
        found,
        [
            "`artos-core/src/gone.rs` does not exist",
            "`artos-core/src/model/` is not on the map",
            "`artos-new/` is not on the map",
        ]
    );
    assert_eq!(documents::the_architecture_is_still_true(&Tree::default()).len(), 1);
}

#[test]
fn a_second_sentence_in_a_line_is_found() {
    let page = "One sentence. Two sentences.\nFor example, e.g. Ada, or D. E. Knuth.\n\
                | a cell. Another sentence. |\n1. First of a list.\n`code. Code` is fine.\n\
                Is it? It is.\n";
    let tree = Tree::of(&[("a.md", page)]);
    assert_eq!(places(&documents::one_sentence_per_line(&tree)), ["a.md:1", "a.md:6"]);
}
