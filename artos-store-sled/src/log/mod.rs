//! Reading sled's log without changing it, to tell whether it holds all that was acknowledged.
//!
//! sled repairs its log while it opens it: it passes over what is damaged, and overwrites what lies
//! behind. So this looks first, and a store that is refused stays as it is.
//!
//! The layout is that of sled 0.34: segments of equal size, each with a header of 20 bytes
//! (checksum, log sequence number, highest number known to be stable) and messages, each with a
//! header (checksum, kind, length, number of the segment, page). A snapshot's name says from which
//! number on sled reads the log again.

mod message;
mod segment;
mod segments;

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
}

/// Reads what sled would read when it opens the folder of a store.
///
/// What lies behind a gap at the end counts as gone: see [`clear_unreachable`].
/// Only heads of the mark's store count: anybody can submit a payload that looks like one.
pub(crate) fn read(folder: &Path, segment_bytes: usize, mark: Option<&Mark>) -> io::Result<Found> {
    let log = Log::open(folder, segment_bytes)?;
    let has_unreachable = !log.unreachable.is_empty();
    let mut found = Found { damage: log.bad_header, ..Found::default() };
    let last_head = |messages: &[(u8, &[u8])]| last_head(messages, mark.map(Mark::store));
    let tail = log.tail();
    let Some(&first_of_tail) = tail.first() else {
        // Segments in front of one that is gone: sled would give all of them up.
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
    // The same goes for what lies behind a gap.
    let has_lost = end <= log.stable_lsn || has_unreachable;
    if (has_lost && found.sequence.is_none()) || (has_unreachable && mark.is_none()) {
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
    let Found { sequence, end, damage } = read(&path, segment_bytes, mark)
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

/// Removes what a power cut left of the end of the log behind a gap, so that sled finds all that is
/// in front of it.
///
/// To be called when [`refuse_damaged`] has found that nothing behind the gap was acknowledged, or
/// when an operator takes whatever is left. Only the headers are read.
///
/// # Errors
///
/// [`StoreError::Unavailable`] or [`StoreError::Full`] if the file cannot be written.
pub(crate) fn clear_unreachable(folder: &Folder, options: &Options) -> StoreResult<()> {
    let Options { path, segment_bytes, .. } = folder.options_of_tree(options);
    let cleared = Log::open(&path, segment_bytes).and_then(|log| {
        if log.unreachable.is_empty() {
            return Ok(());
        }
        tracing::info!(
            segments = log.unreachable.len(),
            "removing what a power cut left of changes that were not acknowledged"
        );
        log.clear_unreachable()
    });
    let shown = folder.tree().join("db");
    cleared.map_err(|error| folder::io_error(&format!("clearing {}", shown.display()), error))
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
