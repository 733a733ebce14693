//! What a caller asks for: one document, generated from source files.
//!
//! Decoding is lenient (aliases, nulls, unknown fields), validation is strict and reports every
//! problem at once.

mod paths;
mod validate;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use paths::{ForeignPath, authorize_paths, is_folder};
pub use validate::{FILE_PATHS_MAX, FieldError, validate};

/// A request to generate one document.
///
/// Only `document_type` and `file_paths` are required. An optional field may be absent or null.
/// Unknown fields are ignored, so a newer client can talk to an older service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire")]
pub struct GenerateDocument {
    /// Which rules apply, such as `CSR`. Compared without regard to case.
    pub document_type: String,
    /// Where the source files are stored.
    pub file_paths: Vec<String>,
    /// Key of the document set. Also accepted as `connector_data_id`.
    pub document_set_key: Option<String>,
    /// Name of the document set. Also accepted as `workspace_name`.
    pub document_set_name: Option<String>,
    /// The template to use; shown in the document. Also accepted as `template_id`.
    pub generic_mrt_id: Option<String>,
    /// Name of the generated file, without `.docx`. Default: document type and first source.
    pub output_name: Option<String>,
    /// Generate only these sections. Absent, null or empty means all.
    pub selected_section_ids: Option<Vec<String>>,
    /// The outline of the template. Kept with the task and not interpreted.
    pub generic_mrt_outline_full: Option<Value>,
    /// Instructions for the whole document; shown in the document.
    pub document_instructions: Option<String>,
    /// The style guide to follow; shown in the document.
    pub style_guide_id: Option<String>,
    /// URL that is told when the task has ended.
    pub webhook: Option<String>,
    /// Fields that were given under two names with different values; [`validate`] reports them.
    #[serde(skip)]
    conflicts: Vec<Conflict>,
}

/// A field and its alias that hold different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conflict {
    field: &'static str,
    alias: &'static str,
}

/// What to generate, and of what. Unknown fields are ignored.
// The request as it is sent, with both names of each renamed field.
#[derive(Deserialize, ToSchema)]
#[schema(as = GenerateDocument)]
#[schema(example = json!({
    "document_type": "CSR",
    "file_paths": ["org-id/documents/protocol.pdf"],
}))]
pub(crate) struct Wire {
    /// Which rules apply: `CSR`, `Protocol` or `IND`, in any case.
    document_type: String,
    /// Where the source files are stored: keys such as `org-id/documents/protocol.pdf`.
    #[schema(min_items = 1, max_items = 256)]
    file_paths: Vec<String>,
    /// Key of the document set.
    document_set_key: Option<String>,
    /// Another name of `document_set_key`.
    connector_data_id: Option<String>,
    /// Name of the document set.
    document_set_name: Option<String>,
    /// Another name of `document_set_name`.
    workspace_name: Option<String>,
    /// The template to use; shown in the document.
    generic_mrt_id: Option<String>,
    /// Another name of `generic_mrt_id`.
    template_id: Option<String>,
    /// Name of the generated file, with or without `.docx`.
    output_name: Option<String>,
    /// Generate only these sections; null or empty for all.
    selected_section_ids: Option<Vec<String>>,
    /// The outline of the template. Kept and not interpreted.
    #[schema(value_type = Option<Object>)]
    generic_mrt_outline_full: Option<Value>,
    /// Instructions for the whole document; shown in the document.
    document_instructions: Option<String>,
    /// The style guide to follow; shown in the document.
    style_guide_id: Option<String>,
    /// URL that is told when the task has ended.
    #[schema(format = "uri")]
    webhook: Option<String>,
}

impl From<Wire> for GenerateDocument {
    fn from(wire: Wire) -> Self {
        let mut conflicts = Vec::new();
        let mut merge = |field, alias, value: Option<String>, other: Option<String>| {
            if value.is_some() && other.is_some() && value != other {
                conflicts.push(Conflict { field, alias });
            }
            value.or(other)
        };
        let key = merge(
            "document_set_key",
            "connector_data_id",
            wire.document_set_key,
            wire.connector_data_id,
        );
        let name = merge(
            "document_set_name",
            "workspace_name",
            wire.document_set_name,
            wire.workspace_name,
        );
        let template =
            merge("generic_mrt_id", "template_id", wire.generic_mrt_id, wire.template_id);
        Self {
            document_type: wire.document_type,
            file_paths: wire.file_paths,
            document_set_key: key,
            document_set_name: name,
            generic_mrt_id: template,
            output_name: wire.output_name.map(without_docx),
            selected_section_ids: wire.selected_section_ids,
            generic_mrt_outline_full: wire.generic_mrt_outline_full,
            document_instructions: wire.document_instructions,
            style_guide_id: wire.style_guide_id,
            webhook: wire.webhook,
            conflicts,
        }
    }
}

impl GenerateDocument {
    /// Asks for a document of `document_type` from `file_paths`, with defaults for the rest.
    #[must_use]
    pub fn new(document_type: impl Into<String>, file_paths: Vec<String>) -> Self {
        Self { document_type: document_type.into(), file_paths, ..Self::default() }
    }

    /// Returns the name of the generated file, without extension.
    #[must_use]
    pub fn file_stem(&self) -> String {
        match &self.output_name {
            Some(name) => name.clone(),
            None => {
                let path = self.file_paths.first().map_or("document", String::as_str);
                let name = path.rsplit('/').next().unwrap_or(path);
                let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
                format!("{} {stem}", self.document_type)
            }
        }
    }
}

/// Removes one trailing `.docx`, in any case.
fn without_docx(mut name: String) -> String {
    const EXTENSION: &str = ".docx";
    if let Some(at) = name.len().checked_sub(EXTENSION.len())
        && name.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(EXTENSION))
    {
        name.truncate(at);
    }
    name
}
