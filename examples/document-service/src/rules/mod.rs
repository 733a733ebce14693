//! Stage 3, rule processing: what a document of a type must hold, and what is read out of it.
//!
//! Rules are data: one TOML file per document type, checked when the program starts, so a rule
//! that cannot work never meets a task.

mod apply;
mod checks;
mod facts;
mod load;

use regex::Regex;
use serde::Deserialize;

pub use self::apply::{Draft, apply};
pub use self::load::RuleFileError;

/// The rules of every document type.
#[derive(Clone, Debug)]
pub struct RuleBook {
    types: Vec<RuleSet>,
}

/// The rules of one document type.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// The type, such as `CSR`.
    pub document_type: String,
    /// What a document of this type is called.
    pub title: String,
    /// The sections in order.
    pub sections: Vec<SectionRule>,
    /// Values to read out of the sources.
    pub facts: Vec<FactRule>,
    /// What must be true of these values.
    pub checks: Vec<CheckRule>,
}

/// A section of a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionRule {
    /// Stable id.
    pub id: String,
    /// Heading of the section.
    pub title: String,
    /// Words that tell that a passage belongs here.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Whether the document cannot be generated without it.
    #[serde(default)]
    pub required: bool,
}

/// A value to read out of the sources.
#[derive(Clone, Debug)]
pub struct FactRule {
    /// Stable id.
    pub id: String,
    /// Human name of the value.
    pub title: String,
    /// How the value is read and compared.
    pub kind: FactKind,
    /// Only passages of this section are searched. `None` means all passages.
    pub section: Option<String>,
    /// Names that stand before the value, in a table row or on a line with a colon.
    pub labels: Vec<String>,
    /// Expressions whose first group is the value.
    pub patterns: Vec<Regex>,
    /// The value is also the number of rows of each table under a heading of this name.
    pub rows_of: Option<String>,
    /// Whether the document cannot be generated without it.
    pub required: bool,
}

/// How a value is read and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// Any text.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// A calendar date.
    Date,
}

/// Something that must be true of values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRule {
    /// What must be true.
    pub kind: CheckKind,
    /// Ids of the facts it is about.
    pub facts: Vec<String>,
    /// What happens if it is not true.
    #[serde(default)]
    pub on_violation: OnViolation,
}

/// What must be true of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// All sources that state the value state the same one.
    Agree,
    /// Numbers or dates do not decrease from one fact to the next. Unknown ones are skipped.
    InOrder,
}

/// What a violated check does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// The document is generated and carries a warning.
    #[default]
    Warn,
    /// The document is not generated.
    Fail,
}

/// Why a document cannot be generated from its sources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// No rules exist for the type.
    #[error("unknown document type `{found}`; known types are {known}")]
    UnknownDocumentType {
        /// The type that was asked for.
        found: String,
        /// The types that exist, separated by commas.
        known: String,
    },
    /// The rules have no section of this id.
    #[error("unknown section `{found}`; known sections are {known}")]
    UnknownSection {
        /// The id that was asked for.
        found: String,
        /// The ids that exist, separated by commas.
        known: String,
    },
    /// The sources say nothing about required sections. At least one title is listed.
    #[error("Missing required section{}: {}", if .0.len() == 1 { "" } else { "s" }, .0.join(", "))]
    MissingSections(
        /// Titles of the sections.
        Vec<String>,
    ),
    /// The sources do not state a required value.
    #[error("Missing required fact: {0}")]
    MissingFact(
        /// Human name of the value.
        String,
    ),
    /// A check whose violation is not bearable.
    #[error("Inconsistent sources: {0}")]
    Inconsistent(
        /// What does not fit together.
        String,
    ),
}

impl RuleBook {
    /// Loads the rules that are part of this program.
    ///
    /// # Errors
    ///
    /// [`RuleFileError`] names the file and lists every mistake in it.
    pub fn embedded() -> Result<Self, RuleFileError> {
        const FILES: [(&str, &str); 3] = [
            ("csr.toml", include_str!("../../rules/csr.toml")),
            ("protocol.toml", include_str!("../../rules/protocol.toml")),
            ("ind.toml", include_str!("../../rules/ind.toml")),
        ];
        let sets = FILES.iter().map(|(name, content)| RuleSet::parse(name, content));
        Ok(Self { types: sets.collect::<Result<_, _>>()? })
    }

    /// Returns the rules of `document_type`, in any case of letters.
    ///
    /// # Errors
    ///
    /// [`RuleError::UnknownDocumentType`] lists the types that exist.
    pub fn rules(&self, document_type: &str) -> Result<&RuleSet, RuleError> {
        let found = self.types.iter().find(|r| r.document_type.eq_ignore_ascii_case(document_type));
        found.ok_or_else(|| RuleError::UnknownDocumentType {
            found: document_type.to_owned(),
            known: join(self.types.iter().map(|rules| &rules.document_type)),
        })
    }
}

impl RuleSet {
    /// Returns the section with this id.
    #[must_use]
    pub fn section(&self, id: &str) -> Option<&SectionRule> {
        self.sections.iter().find(|section| section.id == id)
    }

    /// Returns the ids of all sections, separated by commas, for error messages.
    #[must_use]
    pub fn section_ids(&self) -> String {
        join(self.sections.iter().map(|section| &section.id))
    }

    /// Returns the sections to generate: those of `selected`, or all if nothing is selected.
    ///
    /// # Errors
    ///
    /// [`RuleError::UnknownSection`] lists the ids that exist.
    pub fn select(&self, selected: Option<&[String]>) -> Result<Vec<&SectionRule>, RuleError> {
        let selected = selected.unwrap_or_default();
        if let Some(found) = selected.iter().find(|id| self.section(id).is_none()) {
            return Err(RuleError::UnknownSection {
                found: found.clone(),
                known: self.section_ids(),
            });
        }
        let wanted = |section: &&SectionRule| selected.is_empty() || selected.contains(&section.id);
        Ok(self.sections.iter().filter(wanted).collect())
    }
}

fn join<'a>(items: impl Iterator<Item = &'a String>) -> String {
    items.map(String::as_str).collect::<Vec<_>>().join(", ")
}
