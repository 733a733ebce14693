//! Where sled would find its pages: what the snapshot says, and what the log has added since.
//!
//! sled opens a file that lacks some of them, and fails later, whoever reads one.

use std::{io, slice};

use super::{in_shares, message::Message, segment::as_lsn, segments::Log};

/// A page of sled's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    /// Nothing was found of it.
    Missing,
    /// It was given up, by a message that is kept.
    Free(Pointer),
    /// The whole of it as it once was, and what was added since.
    Kept(Vec<Pointer>),
}

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) lsn: i64,
    pub(super) offset: u64,
    /// With the header of the message.
    pub(super) len: u64,
}

/// What the log does to a page.
enum Change {
    Replace,
    Add,
    Free,
}

/// Returns where all pages should be of a log that ends at `end`.
pub(super) fn read(log: &Log, end: i64) -> io::Result<Vec<Page>> {
    let from = log.snapshot.as_ref().map_or(0, |snapshot| snapshot.lsn);
    let mut pages = log.snapshot.as_ref().map_or_else(Vec::new, |found| found.pages.clone());
    for (page, change, pointer) in changes(log, end)? {
        // Those before are in the snapshot.
        if pointer.lsn >= from {
            apply(&mut pages, page, change, pointer);
        }
    }
    Ok(pages)
}

/// Returns where in the file a page should be, and is not.
pub(super) fn first_lost(log: &Log, pages: &[Page]) -> Option<u64> {
    let active = log.snapshot.as_ref().and_then(|snapshot| snapshot.active);
    // Where the log has gone on, sled writes behind its end.
    if log.segments.is_empty() && active.is_some_and(|active| active > log.len) {
        return Some(log.len);
    }
    let is_missing = |page: &Page| *page == Page::Missing;
    if pages.iter().any(is_missing) {
        return Some(log.len);
    }
    pointers(pages).filter(|pointer| !is_there(log, pointer)).map(|pointer| pointer.offset).min()
}

/// Returns whether anything of a page is in the segment at an offset of the file: then sled has not
/// given it up.
pub(super) fn any_in_segment(log: &Log, pages: &[Page], offset: u64) -> bool {
    let step = log.segment_bytes as u64;
    pointers(pages).any(|pointer| pointer.offset / step == offset / step)
}

fn pointers(pages: &[Page]) -> impl Iterator<Item = &Pointer> {
    pages.iter().flat_map(|page| match page {
        Page::Kept(pointers) => pointers.as_slice(),
        Page::Free(pointer) => slice::from_ref(pointer),
        Page::Missing => &[],
    })
}

fn apply(pages: &mut Vec<Page>, page: u64, change: Change, pointer: Pointer) {
    let Ok(number) = usize::try_from(page) else { return };
    let is_new = pages.len() <= number;
    if is_new {
        pages.resize(number + 1, Page::Missing);
    }
    match (change, pages.get_mut(number)) {
        (Change::Replace, Some(page)) => *page = Page::Kept(vec![pointer]),
        (Change::Free, Some(page)) => *page = Page::Free(pointer),
        (Change::Add, Some(Page::Kept(pointers)))
            if pointers.last().is_none_or(|last| last.lsn < pointer.lsn) =>
        {
            pointers.push(pointer);
        }
        // The page was written anew further behind, and what it was is gone.
        (Change::Add, _) if is_new => drop(pages.pop()),
        _ => {}
    }
}

/// Returns whether the segment that a pointer is about is where it says, and long enough.
fn is_there(log: &Log, pointer: &Pointer) -> bool {
    let step = log.segment_bytes as u64;
    let base = pointer.offset / step * step;
    let lsn = pointer.lsn / as_lsn(log.segment_bytes) * as_lsn(log.segment_bytes);
    log.placed.get(&base) == Some(&lsn) && pointer.offset + pointer.len <= log.len
}

/// Reads what the log does to pages, in order.
fn changes(log: &Log, end: i64) -> io::Result<Changes> {
    let segments: Vec<i64> = log.segments.range(..end).map(|(lsn, _)| *lsn).collect();
    let mut all = Vec::new();
    for (changes, is_torn) in in_shares(&segments, |share| changes_of(log, share, end))? {
        all.extend(changes);
        if is_torn {
            break;
        }
    }
    Ok(all)
}

type Changes = Vec<(u64, Change, Pointer)>;

/// Reads what some segments do to pages; says, too, whether a batch began that has no end.
fn changes_of(log: &Log, segments: &[i64], end: i64) -> io::Result<(Changes, bool)> {
    let mut changes = Vec::new();
    for lsn in segments {
        let segment = log.segment(*lsn)?;
        let walked = segment.walk(end, |message, lsn| {
            let change = match message.kind {
                Message::FREE => Change::Free,
                kind if Message::PAGES.contains(&kind) => Change::Replace,
                kind if Message::PARTS.contains(&kind) => Change::Add,
                _ => return,
            };
            let offset = segment.offset + u64::try_from(lsn - segment.lsn).unwrap_or(0);
            let pointer = Pointer { lsn, offset, len: message.len as u64 };
            changes.push((message.page, change, pointer));
        });
        if walked.torn_batch {
            return Ok((changes, true));
        }
    }
    Ok((changes, false))
}
