//! Stage 5, post-processing: fills in the document's properties, measures it and describes it.

use std::fmt::Write as _;

use jiff::Timestamp;
use quick_xml::escape::escape;
use sha2::{Digest as _, Sha256};

use crate::document::{Document, Metadata};
use crate::extract;
use crate::package;
use crate::rules::Draft;
use crate::source::{Block, Content};

/// Who is named as the author of generated documents.
const CREATOR: &str = "document-service";
/// Words on a page of running text.
const WORDS_PER_PAGE: u64 = 450;
/// Table rows on a page.
const ROWS_PER_PAGE: u64 = 40;
/// The title page and the contents.
const FRONT_PAGES: u64 = 2;

/// A finished document and the bytes of its file.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Describes the file.
    pub document: Document,
    /// The file to write to [`Metadata::docx_path`].
    pub docx: Vec<u8>,
}

/// A rendered document that cannot be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// The rendered document cannot be read back, so it is not what was rendered.
    #[error("the rendered document is damaged")]
    Damaged(#[from] extract::ExtractError),
    /// The properties cannot be written.
    #[error("the properties of the document cannot be written")]
    Properties(#[from] zip::result::ZipError),
}

/// What identifies a document.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Id of the document.
    pub document_id: String,
    /// When the document was generated.
    pub created_at: Timestamp,
    /// Where the file will be stored.
    pub docx_path: String,
}

/// Finishes the rendered `docx` of `draft`.
///
/// The file is read back first: what cannot be read here could not be opened by anyone. The same
/// arguments give the same bytes and the same document.
///
/// # Errors
///
/// [`FinishError`] if the file is not a readable Word document.
pub fn finish(draft: Draft, docx: &[u8], identity: Identity) -> Result<Finished, FinishError> {
    let body = extract::extract(&identity.docx_path, docx)?;
    let word_count = body.blocks.iter().map(words).sum();
    let page_count = pages(&body.blocks, word_count);
    let core = core_properties(&draft, identity.created_at);
    let app = app_properties(word_count, page_count);
    let parts = [("docProps/core.xml", core.as_bytes()), ("docProps/app.xml", app.as_bytes())];
    let docx = package::replace(docx, &parts)?;
    let metadata = Metadata {
        docx_path: identity.docx_path,
        size_bytes: count(docx.len()),
        sha256: hexadecimal(&Sha256::digest(&docx)),
        word_count,
        page_count,
    };
    let document = Document {
        document_id: identity.document_id,
        document_name: draft.request.file_stem(),
        document_type: draft.document_type,
        created_at: identity.created_at,
        sections: draft.sections,
        facts: draft.facts,
        sources: draft.sources,
        warnings: draft.warnings,
        metadata,
    };
    Ok(Finished { document, docx })
}

fn core_properties(draft: &Draft, created_at: Timestamp) -> String {
    let title = package::xml_text(&draft.request.file_stem());
    let title = escape(title.as_str());
    let subject = escape(draft.title.as_str());
    let category = escape(draft.document_type.as_str());
    let at = created_at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cp:coreProperties
  xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
  xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:dcterms="http://purl.org/dc/terms/"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<dc:title>{title}</dc:title>
<dc:subject>{subject}</dc:subject>
<dc:creator>{CREATOR}</dc:creator>
<cp:category>{category}</cp:category>
<cp:lastModifiedBy>{CREATOR}</cp:lastModifiedBy>
<dcterms:created xsi:type="dcterms:W3CDTF">{at}</dcterms:created>
<dcterms:modified xsi:type="dcterms:W3CDTF">{at}</dcterms:modified>
</cp:coreProperties>
"#
    )
}

fn app_properties(words: u64, pages: u64) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">
<Pages>{pages}</Pages><Words>{words}</Words><Application>{CREATOR}</Application>
</Properties>
"#
    )
}

fn words(block: &Block) -> u64 {
    count(block.text().split_whitespace().count())
}

/// Estimates the number of pages: running text by words, tables by rows.
fn pages(blocks: &[Block], word_count: u64) -> u64 {
    let (mut rows, mut table_words) = (0, 0);
    for block in blocks {
        if let Content::Table(table) = &block.content {
            rows += count(table.rows.len()) + 1;
            table_words += words(block);
        }
    }
    let text = word_count.saturating_sub(table_words).div_ceil(WORDS_PER_PAGE);
    FRONT_PAGES + text + rows / ROWS_PER_PAGE
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
