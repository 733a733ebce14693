//! sled's file of settings, which it does not refuse when it is damaged.

use std::{fs, io, path::Path};

const NAME: &str = "conf";
const CHECKSUM_BYTES: usize = 4;

/// Checks the settings in a folder; a missing file is found by others.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`], naming the file, if it is damaged.
pub(super) fn check(folder: &Path) -> io::Result<()> {
    let path = folder.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let content = bytes.len().checked_sub(CHECKSUM_BYTES).and_then(|len| bytes.get(..len));
    let checksum = bytes.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    if content.map(crc32fast::hash) == checksum {
        return Ok(());
    }
    let message = format!("{} is damaged", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}
