//! The finished document, as callers see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::source::{Block, BlockFields, Format};

/// A generated document: the output of the last stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Id of the document.
    pub document_id: String,
    /// Name of the document; its file has the same name and the extension `.docx`.
    pub document_name: String,
    /// The type whose rules were applied, such as `CSR`.
    pub document_type: String,
    /// When the document was generated.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The sections in order.
    pub sections: Vec<Section>,
    /// Values that were found in the sources.
    pub facts: Vec<Fact>,
    /// The files that were read.
    pub sources: Vec<SourceFile>,
    /// What a reader should know before relying on the document.
    pub warnings: Vec<String>,
    /// Size, checksum and place of the file.
    pub metadata: Metadata,
}

/// One section of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Section {
    /// Id of the section in the rules.
    pub section_id: String,
    /// Position in the document, from 0.
    pub order_index: u32,
    /// Depth of the section's heading; 1 is the highest.
    pub level: u8,
    /// Heading of the section.
    pub title: String,
    /// How sure the service is that this content belongs here, 0 to 1: that of the best passage.
    pub confidence: f32,
    /// The content in order. Empty if no source says anything about it.
    #[schema(value_type = Vec<BlockFields>)]
    pub content: Vec<Block>,
    /// Where the content comes from.
    pub sources: Vec<SourceRef>,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct SourceRef {
    /// Path of the file.
    pub file: String,
    /// The page, from 1, where the file has pages.
    pub page: Option<u32>,
}

/// A value that was found in the sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fact {
    /// Id of the fact in the rules.
    pub fact_id: String,
    /// Human name of the fact.
    pub title: String,
    /// The value; dates are written as `2024-03-12`.
    pub value: String,
    /// Every place that states this value.
    pub sources: Vec<SourceRef>,
}

/// A file that was read for the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceFile {
    /// Path of the file.
    pub file: String,
    /// How it was read.
    pub format: Format,
    /// Number of pages, where the file has pages.
    pub pages: Option<u32>,
    /// How many of its passages are in the document.
    pub passages_used: u32,
}

/// What is known about the file of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Metadata {
    /// Path of the Word document.
    pub docx_path: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Words in the body of the document, tables included.
    pub word_count: u64,
    /// Estimated number of pages; the true number depends on who renders the document.
    pub page_count: u64,
}
