//! Limits on what a small file may turn into.
//!
//! A few kilobytes can unpack to gigabytes, by compression or by naming one string a million
//! times. Both are counted here, so no reader needs its own arithmetic.

use std::io::{self, Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Problem;

/// Most bytes that all entries of an Office file may unpack to.
const UNPACKED_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Most bytes of text one source may have. A book has about one million.
const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most pieces (blocks and table cells) one source may have; an empty cell costs memory, too.
const PIECES_MAX: usize = 2_000_000;
/// Most entries of an Office file; large ones have a few hundred.
const ENTRIES_MAX: usize = 10_000;

/// What is left of the text that one source may have.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    pieces: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { bytes: TEXT_BYTES_MAX, pieces: PIECES_MAX }
    }

    /// Pays for one piece: a block or a cell.
    pub(super) fn spend(&mut self, text: &str) -> Result<(), Problem> {
        let bytes = self.bytes.checked_sub(text.len());
        self.bytes = bytes.ok_or(Problem::TooMuch { limit: "8 MiB of text" })?;
        self.pieces = self
            .pieces
            .checked_sub(1)
            .ok_or(Problem::TooMuch { limit: "2,000,000 blocks and cells" })?;
        Ok(())
    }
}

/// An Office file that is known to unpack to a bearable size.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    format: &'static str,
}

impl<'a> Package<'a> {
    /// Opens the package and unpacks every entry once, to a sink.
    ///
    /// The sizes that the archive declares are not trusted: an entry may hold more than it says.
    pub(super) fn open(format: &'static str, bytes: &'a [u8]) -> Result<Self, Problem> {
        /// The Office way to encrypt: a compound file instead of a zip archive.
        const COMPOUND_FILE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
        if bytes.starts_with(COMPOUND_FILE) {
            return Err(Problem::Encrypted);
        }
        let archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| Problem::corrupt(format, error))?;
        if archive.len() > ENTRIES_MAX {
            return Err(Problem::TooMuch { limit: "10,000 entries" });
        }
        let mut package = Self { archive, format };
        let mut left = UNPACKED_BYTES_MAX;
        for index in 0..package.archive.len() {
            let entry = package.archive.by_index(index).map_err(|error| problem(format, error))?;
            let unpacked = io::copy(&mut entry.take(left + 1), &mut io::sink())
                .map_err(|error| Problem::corrupt(format, error))?;
            left = left.checked_sub(unpacked).ok_or(Problem::TooMuch { limit: "128 MiB" })?;
        }
        Ok(package)
    }

    /// Reads a part as text. `None` if the package has no such part.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let format = self.format;
        let entry = match self.archive.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(problem(format, error)),
        };
        let mut text = String::new();
        entry
            .take(UNPACKED_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| Problem::corrupt(format, format!("{name}: {error}")))?;
        Ok(Some(text))
    }
}

fn problem(format: &'static str, error: ZipError) -> Problem {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Problem::Encrypted,
        error => Problem::corrupt(format, error),
    }
}
