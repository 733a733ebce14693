//! PDF: text with its position, laid out into headings, paragraphs and tables.
//!
//! A PDF holds no paragraphs, only characters and where to print them. [`runs`] interprets the
//! page programs, [`layout`] puts the pieces together.

mod font;
mod layout;
mod runs;
mod state;

use lopdf::{Document, LoadOptions};

use self::layout::Line;
use self::runs::Printer;
use super::Problem;
use crate::source::{Block, Content};

/// Most bytes one stream may unpack to.
const STREAM_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most pages that are read.
const PAGES_MAX: usize = 5_000;

/// Reads the text of every page.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, Problem> {
    let options = LoadOptions::with_max_decompressed_size(STREAM_BYTES_MAX);
    let document = Document::load_mem_with_options(bytes, options).map_err(problem)?;
    if document.is_encrypted() {
        return Err(Problem::Encrypted);
    }
    let pages = document.get_pages();
    // Without the password some files load as documents without content.
    if pages.is_empty() && document.trailer.has(b"Encrypt") {
        return Err(Problem::Encrypted);
    }
    if pages.is_empty() {
        return Err(Problem::corrupt("PDF", "it has no pages"));
    }
    if pages.len() > PAGES_MAX {
        return Err(Problem::TooMuch { limit: "5,000 pages" });
    }
    let mut printer = Printer::new(&document);
    let mut lines: Vec<Line> = Vec::new();
    for (number, page) in pages {
        lines.extend(layout::lines(number, printer.page(page)?));
    }
    let blocks = layout::blocks(lines);
    let readable = |block: &Block| match &block.content {
        Content::Heading { text, .. } | Content::Paragraph { text } => {
            text.chars().any(char::is_alphanumeric)
        }
        Content::Table(_) => true,
    };
    if blocks.iter().any(readable) { Ok(blocks) } else { Err(Problem::NoTextLayer) }
}

fn problem(error: lopdf::Error) -> Problem {
    match error {
        lopdf::Error::Decryption(_)
        | lopdf::Error::InvalidPassword
        | lopdf::Error::UnsupportedSecurityHandler(_) => Problem::Encrypted,
        error => Problem::corrupt("PDF", error),
    }
}
