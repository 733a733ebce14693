//! Stage 1, content extraction: turns the bytes of a source file into blocks.
//!
//! Sources come from strangers. Every reader is bounded in time and memory, never panics, and
//! answers with a [`Problem`] that a person can act on.

mod budget;
mod csv;
mod docx;
mod markdown;
mod pdf;
mod problem;
mod text;
mod xlsx;

use serde::{Deserialize, Serialize};

pub use self::problem::{ExtractError, Problem};
use crate::files::Files;
use crate::request::GenerateDocument;
use crate::source::{Block, Content, Format, Source};

/// The request together with what its source files hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    /// The request as submitted.
    pub request: GenerateDocument,
    /// One source per path of the request, in the same order.
    pub sources: Vec<Source>,
}

/// Reads the file at `path` and extracts its content on a thread for blocking work.
///
/// # Errors
///
/// [`ExtractError`] names the file and says whether another try may help.
///
/// # Cancel safety
///
/// Nothing is written. Parsing that has begun runs to its end on its thread, and its result is
/// dropped.
pub async fn extract_file(files: &Files, path: &str) -> Result<Source, ExtractError> {
    // An unreadable format is refused before the file is fetched.
    format_of(path)?;
    let bytes = files.read(path).await?;
    let owned = path.to_owned();
    tokio::task::spawn_blocking(move || extract(&owned, &bytes))
        .await
        .map_err(|_| ExtractError::unreadable(path, Problem::ReaderFailed))?
}

/// Extracts the content of a file whose format is told by its path.
///
/// This is CPU work; in async code use [`extract_file`].
///
/// # Errors
///
/// [`ExtractError::Unreadable`] with the reason.
pub fn extract(path: &str, bytes: &[u8]) -> Result<Source, ExtractError> {
    let format = format_of(path)?;
    let read = || match format {
        Format::Pdf => pdf::read(bytes),
        Format::Docx => docx::read(bytes),
        Format::Xlsx => xlsx::read(bytes),
        Format::Csv => csv::read(bytes),
        Format::Markdown => markdown::read(bytes),
        Format::Text => text::read(bytes),
    };
    // Some parsers panic on crafted files (calamine on a row number beyond 32 bits). That is an
    // answer about the file, and nothing outlives the call that could be left half changed.
    let mut blocks = std::panic::catch_unwind(read)
        .unwrap_or(Err(Problem::ReaderFailed))
        .and_then(|blocks| if blocks.is_empty() { Err(Problem::Empty) } else { Ok(blocks) })
        .map_err(|problem| ExtractError::unreadable(path, problem))?;
    if !blocks.iter().any(|block| matches!(block.content, Content::Heading { .. })) {
        blocks.insert(0, Block::heading(1, title_from(path)));
    }
    Ok(Source { path: path.to_owned(), format, blocks })
}

fn format_of(path: &str) -> Result<Format, ExtractError> {
    Format::of(path).ok_or_else(|| ExtractError::unreadable(path, Problem::UnknownFormat))
}

/// A file without headings is about what its name says: `lab_results.csv` is "Lab results".
fn title_from(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut letters = stem.chars().map(|c| if matches!(c, '_' | '-') { ' ' } else { c });
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
