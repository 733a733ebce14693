//! The segments that sled reads again when it opens its log.
//!
//! Nothing here changes the log but [`clear`].

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    message::Message,
    segment::{HEADER_BYTES, Segment, as_lsn},
    snapshot::Snapshot,
};

/// The log, as far as sled reads it again.
pub(super) struct Log {
    path: PathBuf,
    pub(super) segment_bytes: usize,
    /// The first number that sled reads again.
    from: i64,
    /// sled's snapshot, if there is one.
    pub(super) snapshot: Option<Snapshot>,
    /// The numbers of all segments, also those that are not read again, by where they are.
    pub(super) placed: HashMap<u64, i64>,
    /// How long the file is.
    pub(super) len: u64,
    /// By their own numbers.
    pub(super) segments: BTreeMap<i64, Place>,
    /// Everything before this was once known to be on the disk.
    pub(super) stable_lsn: i64,
    /// Where segments are that sled must not see.
    pub(super) unreachable: Vec<u64>,
    /// Segments whose headers are damaged, so that sled would not know them.
    pub(super) bad_headers: Vec<u64>,
}

/// Where a segment is, and what it says of those before it.
pub(super) struct Place {
    offset: u64,
    stable_lsn: i64,
}

impl Log {
    pub(super) fn open(folder: &Path, segment_bytes: usize) -> io::Result<Self> {
        let snapshot = Snapshot::read_last(folder)?;
        let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.lsn);
        let from = from / as_lsn(segment_bytes) * as_lsn(segment_bytes);
        let path = folder.join("db");
        let mut file = File::open(&path)?;
        let len = file.metadata()?.len();
        let mut log = Self {
            path,
            segment_bytes,
            segments: BTreeMap::new(),
            from,
            snapshot,
            placed: HashMap::new(),
            len,
            stable_lsn: from,
            unreachable: Vec::new(),
            bad_headers: Vec::new(),
        };
        let mut headless = Vec::new();
        let mut offset = 0;
        while offset + HEADER_BYTES as u64 <= len {
            let mut header = [0; HEADER_BYTES];
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut header)?;
            match parse_header(&header) {
                Some((lsn, stable_lsn)) => {
                    log.placed.insert(offset, lsn);
                    if lsn >= from {
                        log.segments.insert(lsn, Place { offset, stable_lsn });
                    }
                }
                None if header.iter().all(|byte| *byte == 0) => headless.push(offset),
                None => log.bad_headers.push(offset),
            }
            offset += segment_bytes as u64;
        }
        log.leave_out_unreachable();
        for offset in headless {
            if log.bad_headers.is_empty() && log.is_beheaded(offset)? {
                log.bad_headers.push(offset);
            }
        }
        Ok(log)
    }

    /// Leaves out what lies behind a gap at the end, and tells how far the rest is stable.
    ///
    /// The last segment says that one is stable which is not there. sled would begin with that one,
    /// and give up all those in front.
    fn leave_out_unreachable(&mut self) {
        loop {
            let stable = self.segments.values().map(|place| place.stable_lsn).max();
            self.stable_lsn = stable.unwrap_or(self.from).max(self.from);
            let gap = self.first_of_tail();
            let has_front = self.segments.range(..gap).next().is_some();
            if !has_front || self.segments.contains_key(&gap) {
                return;
            }
            let behind = self.segments.split_off(&gap);
            if behind.is_empty() {
                return;
            }
            self.unreachable.extend(behind.values().map(|place| place.offset));
        }
    }

    /// Leaves out all segments behind one, of which some is missing.
    pub(super) fn leave_out_behind(&mut self, lsn: i64) {
        let behind = self.segments.split_off(&(lsn + 1));
        self.unreachable.extend(behind.values().map(|place| place.offset));
        self.leave_out_unreachable();
    }

    /// Returns the numbers of missing segments in front of ones that are there, the last first.
    pub(super) fn last_gaps(&self, limit: usize) -> Vec<i64> {
        let step = as_lsn(self.segment_bytes);
        let numbers = self.segments.keys().rev().map(|lsn| lsn - step);
        let missing = numbers.filter(|lsn| *lsn >= self.from && !self.segments.contains_key(lsn));
        missing.take(limit).collect()
    }

    /// Returns whether a segment whose header is zero has lost it.
    ///
    /// sled fills what it gives up with zeros, the file may have holes, and a new segment may have
    /// been written but for its header. None of them holds messages that were stable once.
    fn is_beheaded(&self, offset: u64) -> io::Result<bool> {
        let segment = self.read(0, offset)?;
        if segment.bytes.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        let starts = 0..segment.bytes.len().saturating_sub(Message::HEADER_BYTES_MAX);
        let found = starts.filter_map(|at| segment.bytes.get(at..)).find_map(Message::parse);
        let lsn = found.and_then(|message| i64::try_from(message.segment).ok());
        let lsn = lsn.map(|number| number.saturating_mul(as_lsn(self.segment_bytes)));
        Ok(lsn.is_some_and(|lsn| {
            self.from <= lsn && lsn < self.stable_lsn && !self.segments.contains_key(&lsn)
        }))
    }

    /// Returns the number of the segment up to which all is known to be stable.
    fn first_of_tail(&self) -> i64 {
        let step = as_lsn(self.segment_bytes);
        (self.stable_lsn / step * step).max(0)
    }

    /// Returns whether a log that ends there lacks some of what is in the snapshot.
    pub(super) fn is_behind_snapshot(&self, end: i64) -> bool {
        let step = as_lsn(self.segment_bytes);
        // sled goes on in the next segment where no message fits any more.
        let is_full = end % step + as_lsn(Message::HEADER_BYTES_MAX) >= step;
        let end = if is_full { (end / step + 1) * step } else { end };
        self.snapshot.as_ref().is_some_and(|snapshot| end < snapshot.lsn)
    }

    /// Returns the segments after all that is known to be stable, as far as they go on.
    pub(super) fn tail(&self) -> Vec<i64> {
        let first = self.first_of_tail();
        let expected = (0..).map(|number| first + number * as_lsn(self.segment_bytes));
        let tail = self.segments.range(first..).zip(expected);
        tail.take_while(|((lsn, _), expected)| **lsn == *expected)
            .map(|((lsn, _), _)| *lsn)
            .collect()
    }

    pub(super) fn segment(&self, lsn: i64) -> io::Result<Segment> {
        self.read(lsn, self.segments.get(&lsn).map_or(0, |place| place.offset))
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

/// Fills so many bytes of each segment with zeros.
pub(super) fn clear(path: &Path, bytes: usize, segments: &[u64]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let len = file.metadata()?.len();
    for offset in segments {
        let zeros = (bytes as u64).min(len.saturating_sub(*offset));
        file.seek(SeekFrom::Start(*offset))?;
        io::copy(&mut io::repeat(0).take(zeros), &mut file)?;
    }
    file.sync_all()
}

/// Reads a segment's own number and the highest one known to be stable.
fn parse_header(header: &[u8; HEADER_BYTES]) -> Option<(i64, i64)> {
    let (checksum, rest) = header.split_first_chunk()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) ^ u32::MAX {
        return None;
    }
    let (lsn, rest) = rest.split_first_chunk()?;
    let (stable, _) = rest.split_first_chunk()?;
    Some((i64::from_le_bytes(*lsn) ^ i64::MAX, i64::from_le_bytes(*stable) ^ i64::MAX))
}
