//! The house rules of this repository, as tests.
//!
//! A rule is a function from a [`Tree`] of files to [`Finding`]s. `tests/repository.rs` runs each
//! of them on this repository, and one file per module beside it shows that each of them finds what
//! it is there to find. The rules themselves are explained in `docs/STYLE.md`.

pub mod documents;
mod finding;
pub mod layers;
pub mod leftovers;
pub mod manifests;
mod rust_text;
pub mod shape;
mod tree;
pub mod words;

pub use finding::Finding;
pub use rust_text::RustText;
pub use tree::{SourceFile, Tree};

/// A house rule.
pub type Rule = fn(&Tree) -> Vec<Finding>;

/// Runs a rule, and writes down what it found for the one who has to mend it.
///
/// # Errors
///
/// Every finding, one after the other.
pub fn obey(rule: Rule, tree: &Tree) -> Result<(), String> {
    let findings = rule(tree);
    if findings.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = findings.iter().map(ToString::to_string).collect();
    Err(format!("{} found:\n{}", list.len(), list.join("\n")))
}
