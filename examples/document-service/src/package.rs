//! Writes Office packages: zip archives whose bytes depend on nothing but their parts.

use std::io::{Cursor, Write as _};

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// A part of a package: its name and content.
pub(crate) type Part<'a> = (&'a str, &'a [u8]);

/// Makes a package of `parts`, in this order.
pub(crate) fn pack(parts: &[Part<'_>]) -> ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, options())?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Returns `package` with the content of `parts` replaced. Other parts are copied as they are.
pub(crate) fn replace(package: &[u8], parts: &[Part<'_>]) -> ZipResult<Vec<u8>> {
    let mut old = ZipArchive::new(Cursor::new(package))?;
    let mut new = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..old.len() {
        let entry = old.by_index_raw(index)?;
        match parts.iter().find(|(name, _)| entry.name().is_ok_and(|found| found == *name)) {
            Some((name, content)) => {
                new.start_file(*name, options())?;
                new.write_all(content)?;
            }
            None => new.raw_copy_file(entry)?,
        }
    }
    Ok(new.finish()?.into_inner())
}

/// Every entry has the same date, so the same parts make the same bytes on every day.
fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
}

/// Returns `text` without the characters that XML 1.0 cannot hold, escaped or not.
pub(crate) fn xml_text(text: &str) -> String {
    let is_xml = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => *c >= ' ',
    };
    text.chars().filter(is_xml).collect()
}
