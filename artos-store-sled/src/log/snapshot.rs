//! sled's snapshot: where it kept each of its pages when it last opened its files.

use std::{fs, io, path::Path};

use super::{
    message::parse_number,
    pages::{Page, Pointer},
};

/// Length and checksum behind the content.
const TRAILER_BYTES: usize = 12;

/// A snapshot.
pub(super) struct Snapshot {
    /// From which number on sled reads the log again.
    pub(super) lsn: i64,
    /// Where the segment was that sled would write next.
    pub(super) active: Option<u64>,
    pub(super) pages: Vec<Page>,
}

impl Snapshot {
    /// Reads the last snapshot of a folder, the one that sled would read.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`], naming the file, if it is damaged.
    pub(super) fn read_last(folder: &Path) -> io::Result<Option<Self>> {
        let mut last = None;
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix("snap.");
            if number.is_some_and(|number| i64::from_str_radix(number, 16).is_ok()) {
                last = last.max(Some(name));
            }
        }
        let Some(name) = last else { return Ok(None) };
        let path = folder.join(name);
        let bytes = fs::read(&path)?;
        let damaged = || {
            let message = format!("{} is damaged", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        Self::parse(&bytes).map(Some).ok_or_else(damaged)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let content_len = bytes.len().checked_sub(TRAILER_BYTES)?;
        let (content, trailer) = bytes.split_at_checked(content_len)?;
        let checksum = trailer.last_chunk().map(|bytes| u32::from_le_bytes(*bytes))?;
        if crc32fast::hash(content) != checksum {
            return None;
        }
        // One more than the number, so that zero is none.
        let (lsn, rest) = parse_lsn(content)?;
        let (active, mut rest) = parse_number(rest)?;
        let mut pages = Vec::new();
        while let Some((&count, after)) = rest.split_first() {
            let page;
            (page, rest) = parse_page(count, after)?;
            pages.push(page);
        }
        Some(Self { lsn: (lsn - 1).max(0), active: active.checked_sub(1), pages })
    }
}

/// Reads a page that is free, or in so many places.
fn parse_page(count: u8, rest: &[u8]) -> Option<(Page, &[u8])> {
    if count == 0 {
        let (lsn, rest) = parse_lsn(rest)?;
        let (offset, rest) = parse_place(rest)?;
        return Some((Page::Free(Pointer { lsn, offset, len: 0 }), rest));
    }
    let mut rest = rest;
    let mut pointers = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (lsn, after) = parse_lsn(rest)?;
        let (offset, after) = parse_place(after)?;
        let (len, after) = parse_number(after)?;
        pointers.push(Pointer { lsn, offset, len });
        rest = after;
    }
    Some((Page::Kept(pointers), rest))
}

/// Reads where in the file something is. The store never has a page in a file of its own.
fn parse_place(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&is_apart, rest) = bytes.split_first()?;
    (is_apart == 0).then(|| parse_number(rest))?
}

fn parse_lsn(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (lsn, rest) = bytes.split_first_chunk()?;
    Some((i64::from_le_bytes(*lsn), rest))
}
