//! Reading sled's log without changing it, to tell whether it holds all that was acknowledged.
//!
//! sled repairs its log while it opens it: it passes over what is damaged, and overwrites what lies
//! behind. So this looks first, and a store that is refused stays as it is.
//!
//! The layout is that of sled 0.34: segments of equal size, each with a header of 20 bytes
//! (checksum, log sequence number, highest number known to be stable) and messages, each with a
//! header (checksum, kind, length, number of the segment, page). A snapshot says where each page
//! was once, and from which number on sled reads the log again.

mod gaps;
mod message;
mod pages;
mod segment;
mod segments;
mod settings;
mod snapshot;

use std::{io, num::NonZero, path::Path, thread};

use artos_core::store::{StoreError, StoreResult};
use uuid::Uuid;

use crate::{
    builder::Options,
    folder::{self, Folder},
    head::Head,
    mark::Mark,
};

use segments::Log;

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
    /// Where in the file segments are that nothing leads to; all else is what is found once
    /// [`clear_unreachable`] has removed them.
    pub(crate) unreachable: Vec<u64>,
    /// Why the store may be whole although something looks damaged, the likeliest first.
    pub(crate) doubts: Vec<Doubt>,
}

/// A segment that sled has given up looks damaged: nothing is lost with it; and sled overwrites
/// such segments, so a power cut may leave one that is half old, half new. Or what is there relies
/// on a segment that the disk never got.
///
/// But what was there is not known, so only [`proof`](crate::proof) can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// Where in the file segments are that nothing leads to, however that may be.
    unreachable: Vec<u64>,
    /// Where in the file segments are whose headers are damaged.
    bad_headers: Vec<u64>,
}

/// Reads what sled would read when it opens the folder of a store.
///
/// sled hands its segments to the disk one after another, and syncs nothing: a power cut may take
/// one, or some of it, and leave later ones, for which sled would give up others or skip what is
/// missing. What comes after such a gap is unreachable, if nothing of it was acknowledged.
///
/// Only heads of the mark's store count: anybody can submit a payload that looks like one.
pub(crate) fn read(folder: &Path, segment_bytes: usize, mark: Option<&Mark>) -> io::Result<Found> {
    let mut log = Log::open(folder, segment_bytes)?;
    let mut doubts = Vec::new();
    loop {
        let (mut found, damaged) = examine(&log, mark)?;
        // Whoever leaves something out has to have looked at the whole before.
        if doubts.is_empty() {
            doubts.append(&mut found.doubts);
        }
        found.doubts.clone_from(&doubts);
        let (Some(damaged), true, Some(mark)) = (damaged, log.bad_headers.is_empty(), mark) else {
            return match mark {
                Some(mark) => gaps::beware(log, mark, found),
                None => Ok(found),
            };
        };
        let before = sequence_up_to(&log, damaged.lsn, Some(mark))?;
        if before.is_none_or(|sequence| sequence < mark.sequence()) {
            return Ok(found);
        }
        log.leave_out_behind(damaged.lsn);
    }
}

/// Where something is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Damaged {
    /// The segment.
    lsn: i64,
    /// In the file.
    offset: u64,
}

/// Reads what sled would find if there were nothing unreachable; says, too, which segment is the
/// first that was once stable and breaks off.
fn examine(log: &Log, mark: Option<&Mark>) -> io::Result<(Found, Option<Damaged>)> {
    let unreachable = log.unreachable.clone();
    let damage = log.bad_headers.first().copied();
    let mut found = Found { damage, unreachable, ..Found::default() };
    let tail = log.tail();
    let Some(&first_of_tail) = tail.first() else {
        // Segments in front of one that is gone: sled would give all of them up.
        if log.segments.keys().any(|lsn| *lsn < log.stable_lsn) {
            found.damage = found.damage.or(Some(0));
        }
        look_for_pages(log, i64::MIN, log.bad_headers.clone(), &mut found)?;
        return Ok((found, None));
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
        let walked = segment.walk(end, |message, _| messages.push((message.kind, message.body)));
        found.sequence = last_head(&messages, mark.map(Mark::store)).or(found.sequence);
        if walked.torn_batch {
            break;
        }
    }
    if found.sequence.is_none() {
        found.sequence = sequence_up_to(log, first_of_tail - 1, mark)?;
    }
    // sled calls stable what it has handed to the disk; a power cut may take some of that, but no
    // acknowledged group. Only without any group to compare with the mark is it a loss for sure.
    // The same goes for what is unreachable.
    let is_cut = !found.unreachable.is_empty();
    let has_lost = end <= log.stable_lsn || is_cut;
    if (has_lost && found.sequence.is_none()) || (is_cut && mark.is_none()) {
        found.damage = found.damage.or(Some(found.end));
    }
    let stable: Vec<i64> = log.segments.range(..first_of_tail).map(|(lsn, _)| *lsn).collect();
    let damaged = check_all(log, &stable)?;
    found.damage = found.damage.or(damaged.map(|damaged| damaged.offset));
    if found.damage.is_none() && log.is_behind_snapshot(end) {
        found.damage = Some(found.end);
    }
    let suspects = log.bad_headers.iter().copied();
    let suspects = suspects.chain(damaged.map(|damaged| damaged.offset)).collect();
    look_for_pages(log, end, suspects, &mut found)?;
    Ok((found, damaged))
}

/// Looks for where pages should be: if nothing else is damaged, one may be lost, and if segments
/// look damaged, sled may have given them up.
fn look_for_pages(log: &Log, end: i64, suspects: Vec<u64>, found: &mut Found) -> io::Result<()> {
    let pages = pages::read(log, end)?;
    found.damage = found.damage.or_else(|| pages::first_lost(log, &pages));
    let is_needed = |offset: &u64| pages::any_in_segment(log, &pages, *offset);
    if !suspects.is_empty() && !suspects.iter().any(is_needed) {
        let (unreachable, bad_headers) = (log.unreachable.clone(), log.bad_headers.clone());
        found.doubts.push(Doubt { unreachable, bad_headers });
    }
    Ok(())
}

/// Returns the sequence number of the last head in a segment and those in front of it, as far as
/// their messages are whole.
fn sequence_up_to(log: &Log, lsn: i64, mark: Option<&Mark>) -> io::Result<Option<u64>> {
    let mut numbers = log.segments.range(..=lsn).rev().map(|(lsn, _)| *lsn);
    numbers.find_map(|lsn| sequence_in(log, lsn, mark).transpose()).transpose()
}

/// Returns the sequence number of the last head in a segment, as far as its messages are whole.
fn sequence_in(log: &Log, lsn: i64, mark: Option<&Mark>) -> io::Result<Option<u64>> {
    let segment = log.segment(lsn)?;
    let mut messages = Vec::new();
    segment.walk(i64::MAX, |message, _| messages.push((message.kind, message.body)));
    Ok(last_head(&messages, mark.map(Mark::store)))
}

/// Returns the first of the segments that were once on the disk as a whole, and are damaged.
fn check_all(log: &Log, stable: &[i64]) -> io::Result<Option<Damaged>> {
    let check_one = |lsn: &i64| {
        let damage = log.segment(*lsn).map(|segment| segment.damage());
        damage.map(|damage| damage.map(|offset| Damaged { lsn: *lsn, offset })).transpose()
    };
    let firsts = in_shares(stable, |share| share.iter().find_map(check_one).transpose())?;
    Ok(firsts.into_iter().flatten().min())
}

/// Works on all segments, and returns what came of each share of them, in order.
///
/// A store that was not closed has gigabytes to look at, so all processors take part.
fn in_shares<T: Send>(
    segments: &[i64],
    work: impl Fn(&[i64]) -> io::Result<T> + Sync,
) -> io::Result<Vec<T>> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = segments.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let work = &work;
        let shares: Vec<_> =
            segments.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        let panicked = |_| io::Error::other("reading the log panicked");
        shares.into_iter().map(|share| share.join().map_err(panicked)?).collect()
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
    found: &Found,
) -> StoreResult<()> {
    let data = folder.tree().join("db");
    let data = data.display();
    let what_to_do = what_to_do(folder);
    if let Some(offset) = found.damage {
        let message = format!("{data} is damaged at offset {offset}; {what_to_do}");
        return Err(StoreError::Corrupt { message });
    }
    let acknowledged = mark.map_or(0, Mark::sequence);
    match found.sequence {
        Some(held) if held < acknowledged => Err(StoreError::Corrupt {
            message: format!(
                "{data} ends at offset {}, older than what it had acknowledged: it holds {held} \
                 groups of changes, and {acknowledged} were acknowledged; {what_to_do}",
                found.end
            ),
        }),
        _ => Ok(()),
    }
}

/// Reads the log of a store, whatever is in it.
///
/// # Errors
///
/// * [`StoreError::Unavailable`]: it cannot be read.
/// * [`StoreError::Corrupt`]: the files beside it are damaged, without which it makes no sense.
pub(crate) fn look(folder: &Folder, mark: Option<&Mark>, options: &Options) -> StoreResult<Found> {
    let Options { path, segment_bytes, .. } = folder.options_of_tree(options);
    let checked = settings::check(&path).and_then(|()| read(&path, segment_bytes, mark));
    checked.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => {
            StoreError::Corrupt { message: format!("{error}; {}", what_to_do(folder)) }
        }
        _ => folder::io_error(&format!("reading {}", path.join("db").display()), error),
    })
}

fn what_to_do(folder: &Folder) -> String {
    let shown = folder.path().display();
    format!(
        "nothing was changed; restore {shown} from a backup, or go on with what is left by opening \
         it with `accept_rollback` or after `artos-sled accept {shown}`"
    )
}

/// Fills what is unreachable with zeros, as sled does with what it gives up, so that it finds all
/// that is in front.
///
/// Whenever this is interrupted, what is left is found unreachable again.
///
/// # Errors
///
/// [`StoreError::Unavailable`] or [`StoreError::Full`] if the file cannot be written.
pub(crate) fn clear_unreachable(
    folder: &Folder,
    found: &Found,
    options: &Options,
) -> StoreResult<()> {
    if found.unreachable.is_empty() {
        return Ok(());
    }
    tracing::info!(
        segments = found.unreachable.len(),
        "removing what a power cut left of changes that were not acknowledged"
    );
    let Options { path, segment_bytes, .. } = folder.options_of_tree(options);
    let file = path.join("db");
    segments::clear(&file, segment_bytes, &found.unreachable)
        .map_err(|error| folder::io_error(&format!("clearing {}", file.display()), error))
}

/// Removes what sled must not see from a copy of a log, and leaves what is in doubt to it.
pub(crate) fn clear_copy(tree: &Path, segment_bytes: usize, doubt: &Doubt) -> io::Result<()> {
    let file = tree.join("db");
    segments::clear(&file, segment_bytes, &doubt.unreachable)?;
    // sled knows none of them, and what it does not need is not found damaged again.
    segments::clear(&file, segment::HEADER_BYTES, &doubt.bad_headers)
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
