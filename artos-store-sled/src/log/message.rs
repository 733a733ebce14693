//! One message of sled's log.

use std::ops::RangeInclusive;

/// A message of the log.
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) segment: u64,
    /// Which of sled's pages it is about.
    pub(super) page: u64,
    pub(super) body: &'a [u8],
    /// With its header.
    pub(super) len: usize,
}

impl<'a> Message<'a> {
    /// Longest header there may be; sled leaves the end of a segment alone if it may not fit.
    pub(super) const HEADER_BYTES_MAX: usize = 32;
    pub(super) const CAP: u8 = 2;
    pub(super) const BATCH: u8 = 3;
    /// A page is given up.
    pub(super) const FREE: u8 = 4;
    /// The kinds of messages that are a page, or replace all there was of it.
    pub(super) const PAGES: RangeInclusive<u8> = 5..=9;
    /// The kinds of messages that add to a page.
    pub(super) const PARTS: RangeInclusive<u8> = 10..=11;
    /// The last kind that sled knows. The first, zero, is none.
    const KIND_MAX: u8 = 11;

    /// Reads the message at the beginning of some bytes; `None` if there is none, or a damaged one.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, body_len) = Header::parse(bytes)?;
        let end = header.len.checked_add(usize::try_from(body_len).ok()?)?;
        let body = bytes.get(header.len..end)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(bytes.get(4..header.len)?);
        let intact = hasher.finalize() ^ u32::MAX == header.checksum;
        let Header { kind, segment, page, .. } = header;
        intact.then_some(Self { kind, segment, page, body, len: end })
    }

    /// Reads which segment a message says it is of, if it may be one.
    pub(super) fn peek_segment(bytes: &[u8]) -> Option<u64> {
        Header::parse(bytes).map(|(header, _)| header.segment)
    }
}

struct Header {
    checksum: u32,
    kind: u8,
    segment: u64,
    page: u64,
    len: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<(Self, u64)> {
        let (checksum, rest) = bytes.split_first_chunk()?;
        let (&kind, rest) = rest.split_first()?;
        if kind == 0 || kind > Message::KIND_MAX {
            return None;
        }
        let (body_len, rest) = parse_number(rest)?;
        let (segment, rest) = parse_number(rest)?;
        let (page, rest) = parse_number(rest)?;
        let len = bytes.len() - rest.len();
        Some((Self { checksum: u32::from_le_bytes(*checksum), kind, segment, page, len }, body_len))
    }
}

/// Reads a number of sled's: small ones are one byte, larger ones say how many follow.
pub(super) fn parse_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=240 => Some((u64::from(first), rest)),
        241..=248 => {
            let (&low, rest) = rest.split_first()?;
            Some((240 + 256 * (u64::from(first) - 241) + u64::from(low), rest))
        }
        249 => {
            let ([high, low], rest) = rest.split_first_chunk()?;
            Some((2_288 + 256 * u64::from(*high) + u64::from(*low), rest))
        }
        _ => {
            let (number, rest) = rest.split_at_checked(usize::from(first) - 247)?;
            let number = number.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
            Some((number, rest))
        }
    }
}
