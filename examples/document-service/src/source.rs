//! What extraction yields: the readable content of one source file, in reading order.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content of one source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path under which the file is stored.
    pub path: String,
    /// How the file was read.
    pub format: Format,
    /// The content in reading order.
    pub blocks: Vec<Block>,
}

/// A file format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Portable Document Format with a text layer.
    Pdf,
    /// Word document.
    Docx,
    /// Excel workbook.
    Xlsx,
    /// Values separated by commas, semicolons or tabs.
    Csv,
    /// CommonMark with tables.
    Markdown,
    /// Plain UTF-8 text.
    Text,
}

impl Format {
    /// Every extension that [`Format::of`] knows, for error messages.
    pub const EXTENSIONS: &'static str = "pdf, docx, xlsx, csv, tsv, md, markdown, txt";

    /// Tells the format from the extension of `path`, in any case. `None` if it cannot be read.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "pdf" => Some(Self::Pdf),
            "docx" => Some(Self::Docx),
            "xlsx" => Some(Self::Xlsx),
            "csv" | "tsv" => Some(Self::Csv),
            "md" | "markdown" => Some(Self::Markdown),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

/// One piece of content, with the page it starts on where the format has pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The page, counted from 1. `None` for formats whose pages depend on who renders them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// What the block holds.
    #[serde(flatten)]
    pub content: Content,
}

/// The content of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// A heading; level 1 is the highest.
    Heading {
        /// Depth of the heading, 1 to 9.
        level: u8,
        /// The heading as written, with its number.
        text: String,
    },
    /// A paragraph or a list item.
    Paragraph {
        /// The text on one line.
        text: String,
    },
    /// A table.
    Table(Table),
}

/// A table whose first row is its header. Rows may differ in length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The rows below the header.
    pub rows: Vec<Vec<String>>,
}

/// What the OpenAPI document says of a [`Block`]: the fields of all contents side by side, which
/// generated clients can read, where a choice of shapes would be beyond many of them.
#[derive(ToSchema)]
#[schema(as = Block)]
#[allow(dead_code, reason = "it is only a description")]
pub(crate) struct BlockFields {
    /// What the block is.
    r#type: BlockType,
    /// The page, from 1, where the file has pages.
    page: Option<u32>,
    /// Depth of a heading, 1 to 9.
    level: Option<u8>,
    /// The text of a heading or a paragraph.
    text: Option<String>,
    /// Names of the columns of a table.
    header: Option<Vec<String>>,
    /// The rows of a table below its header.
    rows: Option<Vec<Vec<String>>>,
}

/// What a block is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "it is only a description")]
pub(crate) enum BlockType {
    Heading,
    Paragraph,
    Table,
}

impl Table {
    /// Makes a table of `rows`, the first of which is the header. `None` if there is no row.
    #[must_use]
    pub fn from_rows(rows: Vec<Vec<String>>) -> Option<Self> {
        let mut rows = rows.into_iter();
        let header = rows.next()?;
        Some(Self { header, rows: rows.collect() })
    }

    /// Returns the cells of all rows, the header first.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.header.iter().chain(self.rows.iter().flatten()).map(String::as_str)
    }
}

impl Block {
    /// Makes a heading without a page.
    #[must_use]
    pub fn heading(level: u8, text: impl Into<String>) -> Self {
        Self { page: None, content: Content::Heading { level, text: text.into() } }
    }

    /// Makes a paragraph without a page.
    #[must_use]
    pub fn paragraph(text: impl Into<String>) -> Self {
        Self { page: None, content: Content::Paragraph { text: text.into() } }
    }

    /// Makes a table without a page.
    #[must_use]
    pub fn table(table: Table) -> Self {
        Self { page: None, content: Content::Table(table) }
    }

    /// Says on which page the block starts.
    #[must_use]
    pub fn on_page(self, page: u32) -> Self {
        Self { page: Some(page), ..self }
    }

    /// Returns the text of the block; the cells of a table are separated by spaces.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.content {
            Content::Heading { text, .. } | Content::Paragraph { text } => text.clone(),
            Content::Table(table) => table.cells().collect::<Vec<_>>().join(" "),
        }
    }
}
