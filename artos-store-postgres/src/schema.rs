//! The name of a schema, and how SQL names it.

use artos_core::store::{StoreError, StoreResult};

/// The longest identifier of Postgres, in bytes; a longer one would be cut without a word.
const NAME_BYTES_MAX: usize = 63;

/// The name of the schema a store lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema {
    name: String,
    quoted: String,
}

impl Schema {
    /// Checks the name, which may be any identifier Postgres can keep.
    pub(crate) fn new(name: &str) -> StoreResult<Self> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) {
            let message = format!(
                "the schema is named {name:?}: expected 1 to {NAME_BYTES_MAX} bytes without \
                 control characters"
            );
            return Err(StoreError::Invalid { message });
        }
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        Ok(Self { name: name.to_owned(), quoted })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fills the schema into a statement that says `{schema}`.
    pub(crate) fn fill(&self, sql: &str) -> String {
        sql.replace("{schema}", &self.quoted)
    }
}
