//! Why a source file could not be read, in words for the person who sent it.

use crate::files::FileError;
use crate::source::Format;

/// A source file that could not be turned into text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The file could not be fetched.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file was fetched and cannot be read.
    #[error("{path} {problem}")]
    Unreadable {
        /// Path of the file.
        path: String,
        /// What is wrong with it; a predicate that follows the path in a sentence.
        problem: Problem,
    },
}

impl ExtractError {
    /// Tells whether the same call may succeed later. An unreadable file stays unreadable.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::File(error) if error.is_transient())
    }

    pub(super) fn unreadable(path: &str, problem: Problem) -> Self {
        Self::Unreadable { path: path.to_owned(), problem }
    }
}

/// What is wrong with the content of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The extension is not one that can be read.
    #[error("has a format that cannot be read; readable formats are {}", Format::EXTENSIONS)]
    UnknownFormat,
    /// A PDF whose pages are pictures.
    #[error("has no text layer that can be read; run text recognition on it if it is a scan")]
    NoTextLayer,
    /// The content can only be read with a password.
    #[error("is encrypted; remove the password and send it again")]
    Encrypted,
    /// The content does not follow its format.
    #[error("is damaged or not a {format} file: {detail}")]
    Corrupt {
        /// The format that the extension promises.
        format: &'static str,
        /// What the parser found.
        detail: String,
    },
    /// Text in an unknown character encoding.
    #[error("is not UTF-8 text; byte {offset} cannot be decoded")]
    NotUtf8 {
        /// Position of the first byte that is not UTF-8.
        offset: usize,
    },
    /// More content than one source may have, once unpacked.
    #[error("unpacks to more than {limit}; split it into smaller files")]
    TooMuch {
        /// The limit with its unit.
        limit: &'static str,
    },
    /// The file holds no text at all.
    #[error("contains no text")]
    Empty,
    /// The parser itself failed.
    #[error("cannot be read: the reader for its format failed")]
    ReaderFailed,
}

impl Problem {
    /// Reports what a parser found wrong with a file of `format`.
    pub(super) fn corrupt(format: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt { format, detail: detail.to_string() }
    }
}
