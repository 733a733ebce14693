//! What is around every value: a magic byte, a version, what it is, its length and a checksum.
//!
//! The checksum covers the key too, so a value that turns up under another key is found out.

use artos_core::store::StoreError;

use crate::keys;

/// Largest value that is written, envelope and all. Larger ones would in time make sled keep pages
/// in files of their own, which survive no power cut.
pub(crate) const VALUE_BYTES_MAX: usize = 4_096;
/// Most bytes that one envelope holds.
pub(crate) const CONTENT_BYTES_MAX: usize = VALUE_BYTES_MAX - HEADER_BYTES;

pub(crate) const HEADER_BYTES: usize = 11;
const MAGIC: u8 = 0xA7;
const VERSION: u8 = 1;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The head of the store.
    Head = 1,
    /// Rows that stand next to each other.
    Block = 2,
    /// A piece of a payload or of a record.
    Chunk = 3,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Head, Self::Block, Self::Chunk];
}

/// Returns the first bytes of every envelope of a sort.
pub(crate) const fn start(sort: Sort) -> [u8; 3] {
    [MAGIC, VERSION, sort as u8]
}

/// Puts content into an envelope.
pub(crate) fn seal(key: &[u8], sort: Sort, content: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + content.len());
    value.extend_from_slice(&[0; HEADER_BYTES]);
    value.extend_from_slice(content);
    seal_in_place(key, sort, &mut value);
    value
}

/// Puts content into an envelope that has [`HEADER_BYTES`] of room in front of it.
pub(crate) fn seal_in_place(key: &[u8], sort: Sort, value: &mut [u8]) {
    let Some((header, content)) = value.split_first_chunk_mut::<HEADER_BYTES>() else {
        return;
    };
    let [magic, version, number] = start(sort);
    // Whoever seals keeps to `CONTENT_BYTES_MAX`, so the length always fits.
    let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let [l0, l1, l2, l3] = len.to_be_bytes();
    let described = [magic, version, number, l0, l1, l2, l3];
    let [c0, c1, c2, c3] = checksum(key, &described, content).to_be_bytes();
    *header = [magic, version, number, l0, l1, l2, l3, c0, c1, c2, c3];
}

/// Takes content out of its envelope.
///
/// # Errors
///
/// [`StoreError::Corrupt`], naming the key, if anything about the envelope is wrong.
pub(crate) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<(Sort, &'a [u8]), StoreError> {
    let Some((header, content)) = value.split_first_chunk::<HEADER_BYTES>() else {
        let found = format!("{} bytes, expected at least {HEADER_BYTES}", value.len());
        return Err(corrupt(key, &found));
    };
    let [magic, version, sort, len @ .., c0, c1, c2, c3] = *header;
    if magic != MAGIC {
        return Err(corrupt(key, &format!("magic byte {magic:#04x}, expected {MAGIC:#04x}")));
    }
    let (described, _) = header.split_at(HEADER_BYTES - 4);
    let found = u32::from_be_bytes([c0, c1, c2, c3]);
    let computed = checksum(key, described, content);
    if found != computed {
        let found = format!("checksum {found:#010x}, computed {computed:#010x}");
        return Err(corrupt(key, &found));
    }
    // From here on the value is what was written, so what is odd about it was written so.
    let len = u32::from_be_bytes(len);
    if usize::try_from(len) != Ok(content.len()) {
        return Err(corrupt(key, &format!("{} bytes, expected {len}", content.len())));
    }
    if version != VERSION {
        return Err(corrupt(key, &format!("envelope version {version}, expected {VERSION}")));
    }
    match Sort::ALL.into_iter().find(|known| *known as u8 == sort) {
        Some(sort) => Ok((sort, content)),
        None => Err(corrupt(key, &format!("unknown sort of value {sort}"))),
    }
}

/// Takes content out of its envelope that has to be of one sort.
///
/// # Errors
///
/// [`StoreError::Corrupt`], naming the key, if it is another sort or the envelope is wrong.
pub(crate) fn open_as<'a>(
    key: &[u8],
    value: &'a [u8],
    expected: Sort,
) -> Result<&'a [u8], StoreError> {
    match open(key, value)? {
        (sort, content) if sort == expected => Ok(content),
        (sort, _) => Err(corrupt(key, &format!("a value of sort {sort:?}, not {expected:?}"))),
    }
}

/// Says that the value of a key makes no sense.
pub(crate) fn corrupt(key: &[u8], found: &str) -> StoreError {
    StoreError::Corrupt { message: format!("key {}: {found}", keys::show(key)) }
}

fn checksum(key: &[u8], header: &[u8], content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(key), header), content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_what_the_page_of_the_crate_says() {
        let value = seal(b"key", Sort::Chunk, b"123456789");
        let checksum = crc32c::crc32c(b"key\xA7\x01\x03\0\0\0\x09123456789").to_be_bytes();
        let expected = [&[0xA7, 1, 3, 0, 0, 0, 9][..], &checksum[..], &b"123456789"[..]].concat();
        assert_eq!(value, expected);
        assert_eq!(open(b"key", &value).unwrap(), (Sort::Chunk, &b"123456789"[..]));
    }

    #[test]
    fn every_byte_that_is_another_and_another_key_are_found_out() {
        let value = seal(b"key", Sort::Block, b"content");
        for at in 0..value.len() {
            let mut other = value.clone();
            other[at] ^= 1;
            open(b"key", &other).unwrap_err();
        }
        for len in 0..value.len() {
            open(b"key", &value[..len]).unwrap_err();
        }
        open(b"kez", &value).unwrap_err();
    }

    #[test]
    fn what_was_written_so_and_makes_no_sense_is_told_from_damage() {
        let message = |header: [u8; 7]| {
            let checksum = checksum(b"key", &header, b"content").to_be_bytes();
            let value = [&header[..], &checksum[..], &b"content"[..]].concat();
            open(b"key", &value).unwrap_err().to_string()
        };
        let found = message([MAGIC, VERSION, 2, 0, 0, 0, 8]);
        assert!(found.contains("7 bytes, expected 8"), "{found}");
        let found = message([MAGIC, 9, 2, 0, 0, 0, 7]);
        assert!(found.contains("envelope version 9, expected 1"), "{found}");
        let found = message([MAGIC, VERSION, 9, 0, 0, 0, 7]);
        assert!(found.contains("unknown sort of value 9"), "{found}");
    }

    #[test]
    fn a_value_of_another_sort_is_refused() {
        let value = seal(b"key", Sort::Chunk, b"content");
        assert_eq!(open_as(b"key", &value, Sort::Chunk).unwrap(), b"content");
        open_as(b"key", &value, Sort::Block).unwrap_err();
        open_as(b"key", &value, Sort::Head).unwrap_err();
    }
}
