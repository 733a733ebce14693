//! `docs/STATE_MACHINE.md` shows the machine as it is.

use std::{env, fs, path::PathBuf};

use crate::machine::{diagram, transition_table};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/STATE_MACHINE.md")
}

/// Replaces what stands between the marks of a generated part.
fn with_part(document: &str, part: &str, content: &str) -> String {
    let begin = format!("<!-- generated: {part} -->\n");
    let end = format!("<!-- end of {part} -->");
    let (before, rest) = document
        .split_once(&begin)
        .unwrap_or_else(|| panic!("docs/STATE_MACHINE.md lacks the mark `{}`", begin.trim()));
    let (_, after) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("docs/STATE_MACHINE.md lacks the mark `{end}`"));
    format!("{before}{begin}{content}{end}{after}")
}

#[test]
fn the_document_shows_the_machine_as_it_is() {
    let found = fs::read_to_string(path()).unwrap();
    let diagram = format!("```mermaid\n{}```\n", diagram());
    let expected = with_part(&found, "diagram", &diagram);
    let expected = with_part(&expected, "table", &transition_table());
    if env::var_os("ARTOS_BLESS").is_some() {
        fs::write(path(), &expected).unwrap();
        return;
    }
    assert!(
        found == expected,
        "docs/STATE_MACHINE.md is out of date; run this test with ARTOS_BLESS=1 to rewrite it"
    );
}
