//! One segment of sled's log, and how its messages follow one another.

use super::message::Message;

/// How long a segment's header is.
pub(super) const HEADER_BYTES: usize = 20;

/// One segment of the log.
pub(super) struct Segment {
    pub(super) lsn: i64,
    pub(super) offset: u64,
    /// How long it is if the file does not end in it.
    pub(super) len: usize,
    pub(super) bytes: Vec<u8>,
}

/// How far a segment was read.
pub(super) struct Walked {
    /// Where the next message would be, in the segment and in the log.
    pub(super) at: usize,
    pub(super) next_lsn: i64,
    /// What is there is no message, and the segment is not at its end.
    pub(super) stopped_early: bool,
    /// A batch began that has no end.
    pub(super) torn_batch: bool,
}

impl Segment {
    fn number(&self) -> u64 {
        u64::try_from(self.lsn).unwrap_or(0) / self.len as u64
    }

    /// Goes through the messages of a log that ends at `end`.
    pub(super) fn walk<'a>(&'a self, end: i64, mut see: impl FnMut(&Message<'a>, i64)) -> Walked {
        let mut at = HEADER_BYTES;
        let next = |at: usize, stopped_early, torn_batch| Walked {
            at,
            next_lsn: self.lsn + as_lsn(at),
            stopped_early,
            torn_batch,
        };
        while at + Message::HEADER_BYTES_MAX <= self.len && self.lsn + as_lsn(at) < end {
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
                _ => see(&message, self.lsn + as_lsn(at)),
            }
            at += message.len;
        }
        next(at, false, false)
    }

    /// Returns where something is damaged that sled would pass over.
    pub(super) fn damage(&self) -> Option<u64> {
        let walked = self.walk(i64::MAX, |_, _| {});
        let damaged = walked.stopped_early && !self.is_reused(walked.at);
        damaged.then_some(self.offset + walked.at as u64)
    }

    /// Returns whether a later segment was being written over this one, which sled had given up.
    fn is_reused(&self, from: usize) -> bool {
        (from..self.bytes.len().saturating_sub(Message::HEADER_BYTES_MAX)).any(|at| {
            let rest = self.bytes.get(at..).unwrap_or_default();
            Message::peek_segment(rest).is_some_and(|segment| segment > self.number())
                && Message::parse(rest).is_some()
        })
    }
}

pub(super) fn as_lsn(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
