//! Reading sled's log without changing it, to tell whether it holds all that was acknowledged.
//!
//! sled repairs its log while it opens it: it passes over what is damaged, and overwrites what lies
//! behind. So this looks first, and a store that is refused stays as it is.
//!
//! The layout is that of sled 0.34: segments of equal size, each with a header of 20 bytes
//! (checksum, log sequence number, highest number known to be stable) and messages, each with a
//! header (checksum, kind, length, number of the segment, page). A snapshot's name says from which
//! number on sled reads the log again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use artos_core::store::{StoreError, StoreResult};
use uuid::Uuid;

use crate::{
    builder::Options,
    folder::{self, Folder},
    head::Head,
    mark::Mark,
};

const SEGMENT_HEADER_BYTES: usize = 20;
/// sled leaves the end of a segment alone if no message header may fit.
const MESSAGE_HEADER_BYTES_MAX: usize = 32;

/// What sled would find.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The sequence number of the last head in the log; `None` if none was written since the
    /// snapshot.
    pub(crate) sequence: Option<u64>,
    /// Where in the file the log ends.
    pub(crate) end: u64,
    /// Where in the file something is damaged that sled would pass over.
    pub(crate) damage: Option<u64>,
}

/// Reads what sled would read when it opens the folder of a store.
///
/// Only heads of that store count: anybody can submit a payload that looks like one.
pub(crate) fn read(folder: &Path, segment_bytes: usize, store: Option<Uuid>) -> io::Result<Found> {
    let log = Log::open(folder, segment_bytes)?;
    let mut found = Found { damage: log.bad_header, ..Found::default() };
    let last_head = |messages: &[(u8, &[u8])]| last_head(messages, store);
    let tail = log.tail();
    let Some(&first_of_tail) = tail.first() else {
        // Segments in front of one that is gone: sled would give all of them up. Those behind it
        // may be all that a power cut left of what was not acknowledged.
        if log.segments.keys().any(|lsn| *lsn < log.stable_lsn) {
            found.damage = found.damage.or(Some(0));
        }
        return Ok(found);
    };
    let mut end = i64::MIN;
    for lsn in &tail {
        let segment = log.segment(*lsn)?;
        let walked = segment.walk(i64::MAX, |_, _| {});
        end = walked.next_lsn;
        found.end = segment.offset + walked.at as u64;
        if walked.stopped_early {
            break;
        }
    }
    for lsn in tail.iter().take_while(|lsn| **lsn < end) {
        let segment = log.segment(*lsn)?;
        let mut messages = Vec::new();
        let walked = segment.walk(end, |kind, body| messages.push((kind, body)));
        found.sequence = last_head(&messages).or(found.sequence);
        if walked.torn_batch {
            break;
        }
    }
    let stable: Vec<i64> = log.segments.range(..first_of_tail).map(|(lsn, _)| *lsn).collect();
    if found.sequence.is_none() {
        for lsn in stable.iter().rev() {
            let segment = log.segment(*lsn)?;
            let mut messages = Vec::new();
            segment.walk(i64::MAX, |kind, body| messages.push((kind, body)));
            found.sequence = last_head(&messages);
            if found.sequence.is_some() {
                break;
            }
        }
    }
    // sled calls stable what it has handed to the disk; a power cut may take some of that, but no
    // acknowledged group. Only without any group to compare with the mark is it a loss for sure.
    if end <= log.stable_lsn && found.sequence.is_none() {
        found.damage = found.damage.or(Some(found.end));
    }
    let damages = check_all(&log, &stable)?;
    found.damage = damages.into_iter().chain(found.damage).min();
    Ok(found)
}

/// Returns where segments are damaged that were once on the disk as a whole.
///
/// A store that was not closed has gigabytes to look at, so all processors take part.
fn check_all(log: &Log, stable: &[i64]) -> io::Result<Vec<u64>> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = stable.len().div_ceil(workers).max(1);
    let check = |share: &[i64]| {
        let damages = share.iter().map(|lsn| log.segment(*lsn).map(|segment| segment.damage()));
        damages.filter_map(Result::transpose).collect::<io::Result<Vec<u64>>>()
    };
    thread::scope(|scope| {
        let shares: Vec<_> =
            stable.chunks(share).map(|share| scope.spawn(move || check(share))).collect();
        let mut damages = Vec::new();
        for share in shares {
            let panicked = |_| io::Error::other("reading the log panicked");
            damages.extend(share.join().map_err(panicked)??);
        }
        Ok(damages)
    })
}

/// Refuses a log that does not hold all that was acknowledged, before sled changes it.
///
/// # Errors
///
/// [`StoreError::Corrupt`], saying where, if sled would pass over something or come back behind the
/// mark.
pub(crate) fn refuse_damaged(
    folder: &Folder,
    mark: Option<&Mark>,
    options: &Options,
) -> StoreResult<()> {
    let data = folder.tree().join("db");
    let data = data.display();
    let Options { path, segment_bytes, .. } = folder.options_of_tree(options);
    let Found { sequence, end, damage } = read(&path, segment_bytes, mark.map(Mark::store))
        .map_err(|error| folder::io_error(&format!("reading {data}"), error))?;
    let shown = folder.path().display();
    let what_to_do = format!(
        "nothing was changed; restore {shown} from a backup, or go on with what is left by opening \
         it with `accept_rollback` or after `artos-sled accept {shown}`"
    );
    if let Some(offset) = damage {
        let message = format!("{data} is damaged at offset {offset}; {what_to_do}");
        return Err(StoreError::Corrupt { message });
    }
    let acknowledged = mark.map_or(0, Mark::sequence);
    match sequence {
        Some(held) if held < acknowledged => Err(StoreError::Corrupt {
            message: format!(
                "{data} ends at offset {end}, older than what it had acknowledged: it holds {held} \
                 groups of changes, and {acknowledged} were acknowledged; {what_to_do}"
            ),
        }),
        _ => Ok(()),
    }
}

/// The log, as far as sled reads it again.
struct Log {
    path: PathBuf,
    segment_bytes: usize,
    /// Where each segment is.
    segments: BTreeMap<i64, u64>,
    /// Everything before this was once known to be on the disk.
    stable_lsn: i64,
    /// A segment whose header is damaged, so that sled would not know it.
    bad_header: Option<u64>,
}

impl Log {
    fn open(folder: &Path, segment_bytes: usize) -> io::Result<Self> {
        let from = snapshot_lsn(folder)? / as_lsn(segment_bytes) * as_lsn(segment_bytes);
        let path = folder.join("db");
        let mut file = File::open(&path)?;
        let len = file.metadata()?.len();
        let mut segments = BTreeMap::new();
        let mut stable_lsn = from;
        let mut bad_header = None;
        let mut headless = Vec::new();
        let mut offset = 0;
        while offset + SEGMENT_HEADER_BYTES as u64 <= len {
            let mut header = [0; SEGMENT_HEADER_BYTES];
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut header)?;
            match parse_segment_header(&header) {
                Some((lsn, stable)) if lsn >= from => {
                    stable_lsn = stable_lsn.max(stable);
                    segments.insert(lsn, offset);
                }
                Some(_) => {}
                None if header.iter().all(|byte| *byte == 0) => headless.push(offset),
                None => bad_header = bad_header.or(Some(offset)),
            }
            offset += segment_bytes as u64;
        }
        let mut log = Self { path, segment_bytes, segments, stable_lsn, bad_header };
        for offset in headless {
            if log.bad_header.is_none() && log.is_beheaded(offset, from)? {
                log.bad_header = Some(offset);
            }
        }
        Ok(log)
    }

    /// Returns whether a segment whose header is zero has lost it.
    ///
    /// sled fills what it gives up with zeros, the file may have holes, and a new segment may have
    /// been written but for its header. None of them holds messages that were stable once.
    fn is_beheaded(&self, offset: u64, from: i64) -> io::Result<bool> {
        let segment = self.read(0, offset)?;
        if segment.bytes.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        let starts = 0..segment.bytes.len().saturating_sub(MESSAGE_HEADER_BYTES_MAX);
        let found = starts.filter_map(|at| segment.bytes.get(at..)).find_map(Message::parse);
        let lsn = found.and_then(|message| i64::try_from(message.segment).ok());
        let lsn = lsn.map(|number| number.saturating_mul(as_lsn(self.segment_bytes)));
        Ok(lsn.is_some_and(|lsn| {
            from <= lsn && lsn < self.stable_lsn && !self.segments.contains_key(&lsn)
        }))
    }

    /// Returns the segments after all that is known to be stable, as far as they go on.
    fn tail(&self) -> Vec<i64> {
        let step = as_lsn(self.segment_bytes);
        let first = (self.stable_lsn / step * step).max(0);
        let expected = (0..).map(|number| first + number * step);
        let tail = self.segments.range(first..).zip(expected);
        tail.take_while(|((lsn, _), expected)| **lsn == *expected)
            .map(|((lsn, _), _)| *lsn)
            .collect()
    }

    fn segment(&self, lsn: i64) -> io::Result<Segment> {
        self.read(lsn, self.segments.get(&lsn).copied().unwrap_or_default())
    }

    fn read(&self, lsn: i64, offset: u64) -> io::Result<Segment> {
        let mut bytes = Vec::with_capacity(self.segment_bytes);
        // A handle of its own, because others read at the same time.
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.take(self.segment_bytes as u64).read_to_end(&mut bytes)?;
        Ok(Segment { lsn, offset, len: self.segment_bytes, bytes })
    }
}

/// One segment of the log.
struct Segment {
    lsn: i64,
    offset: u64,
    /// How long it is if the file does not end in it.
    len: usize,
    bytes: Vec<u8>,
}

/// How far a segment was read.
struct Walked {
    /// Where the next message would be, in the segment and in the log.
    at: usize,
    next_lsn: i64,
    /// What is there is no message, and the segment is not at its end.
    stopped_early: bool,
    /// A batch began that has no end.
    torn_batch: bool,
}

impl Segment {
    fn number(&self) -> u64 {
        u64::try_from(self.lsn).unwrap_or(0) / self.len as u64
    }

    /// Goes through the messages of a log that ends at `end`.
    fn walk<'a>(&'a self, end: i64, mut see: impl FnMut(u8, &'a [u8])) -> Walked {
        let mut at = SEGMENT_HEADER_BYTES;
        let next = |at: usize, stopped_early, torn_batch| Walked {
            at,
            next_lsn: self.lsn + as_lsn(at),
            stopped_early,
            torn_batch,
        };
        while at + MESSAGE_HEADER_BYTES_MAX <= self.len && self.lsn + as_lsn(at) < end {
            let Some(message) = Message::parse(self.bytes.get(at..).unwrap_or_default()) else {
                return next(at, true, false);
            };
            if message.segment != self.number() {
                return next(at, true, false);
            }
            match message.kind {
                Message::CAP => return next(self.len, false, false),
                Message::BATCH => {
                    let last =
                        message.body.first_chunk().map_or(i64::MAX, |b| i64::from_le_bytes(*b));
                    if last >= end {
                        return next(at, false, true);
                    }
                }
                kind => see(kind, message.body),
            }
            at += message.len;
        }
        next(at, false, false)
    }

    /// Returns where something is damaged that sled would pass over.
    fn damage(&self) -> Option<u64> {
        let walked = self.walk(i64::MAX, |_, _| {});
        let damaged = walked.stopped_early && !self.is_reused(walked.at);
        damaged.then_some(self.offset + walked.at as u64)
    }

    /// Returns whether a later segment was being written over this one, which sled had given up.
    fn is_reused(&self, from: usize) -> bool {
        (from..self.bytes.len().saturating_sub(MESSAGE_HEADER_BYTES_MAX)).any(|at| {
            let rest = self.bytes.get(at..).unwrap_or_default();
            Message::peek_segment(rest).is_some_and(|segment| segment > self.number())
                && Message::parse(rest).is_some()
        })
    }
}

/// A message of the log.
struct Message<'a> {
    kind: u8,
    segment: u64,
    body: &'a [u8],
    /// With its header.
    len: usize,
}

impl<'a> Message<'a> {
    const CAP: u8 = 2;
    const BATCH: u8 = 3;
    /// The last kind that sled knows. The first, zero, is none.
    const KIND_MAX: u8 = 11;

    /// Reads the message at the beginning of some bytes; `None` if there is none, or a damaged one.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, body_len) = Header::parse(bytes)?;
        let end = header.len.checked_add(usize::try_from(body_len).ok()?)?;
        let body = bytes.get(header.len..end)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(bytes.get(4..header.len)?);
        let intact = hasher.finalize() ^ u32::MAX == header.checksum;
        intact.then_some(Self { kind: header.kind, segment: header.segment, body, len: end })
    }

    /// Reads which segment a message says it is of, if it may be one.
    fn peek_segment(bytes: &[u8]) -> Option<u64> {
        Header::parse(bytes).map(|(header, _)| header.segment)
    }
}

struct Header {
    checksum: u32,
    kind: u8,
    segment: u64,
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
        let (_page, rest) = parse_number(rest)?;
        let len = bytes.len() - rest.len();
        Some((Self { checksum: u32::from_le_bytes(*checksum), kind, segment, len }, body_len))
    }
}

/// Reads a number of sled's: small ones are one byte, larger ones say how many follow.
fn parse_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
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

/// Reads a segment's own number and the highest one known to be stable.
fn parse_segment_header(header: &[u8; SEGMENT_HEADER_BYTES]) -> Option<(i64, i64)> {
    let (checksum, rest) = header.split_first_chunk()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) ^ u32::MAX {
        return None;
    }
    let (lsn, rest) = rest.split_first_chunk()?;
    let (stable, _) = rest.split_first_chunk()?;
    Some((i64::from_le_bytes(*lsn) ^ i64::MAX, i64::from_le_bytes(*stable) ^ i64::MAX))
}

/// Finds the last head in messages.
fn last_head(messages: &[(u8, &[u8])], store: Option<Uuid>) -> Option<u64> {
    const PAGE: u8 = 8;
    const PART_OF_A_PAGE: u8 = 10;
    let pages = messages.iter().rev().filter(|(kind, _)| [PAGE, PART_OF_A_PAGE].contains(kind));
    pages.map(|(_, body)| body).find_map(|body| head_in(body, store))
}

fn head_in(body: &[u8], store: Option<Uuid>) -> Option<u64> {
    body.windows(Head::VALUE_BYTES)
        .rev()
        .filter(|window| Head::may_be(window))
        .filter_map(|window| Head::open(window).ok())
        .find(|head| store.is_none_or(|store| store == head.store))
        .map(|head| head.sequence)
}

/// Reads off the snapshots' names from which number on the log counts.
fn snapshot_lsn(folder: &Path) -> io::Result<i64> {
    let mut last = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("snap."));
        let lsn = number.and_then(|number| i64::from_str_radix(number, 16).ok());
        last = last.max(lsn.unwrap_or(0));
    }
    Ok(last)
}

fn as_lsn(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
