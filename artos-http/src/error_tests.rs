//! The page about HTTP says what there is.

use std::path::Path;

use super::*;

#[test]
fn the_page_lists_every_kind_of_problem_with_its_status() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/HTTP.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("## Every error").unwrap();
    let listed: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |kind: &ProblemKind| {
        let facts = kind.facts();
        format!("| `{}` | {} |", facts.code, facts.status.as_u16())
    };
    let expected: Vec<_> = ProblemKind::ALL.iter().map(row).collect();
    assert_eq!(listed, expected);
}
