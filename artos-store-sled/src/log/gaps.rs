//! Segments that are missing: sled gave them up, or the disk never got them.

use std::io;

use super::{Doubt, Found, examine, segments::Log, sequence_in, sequence_up_to};
use crate::mark::Mark;

/// Most gaps to look behind, beginning with the last: each is tried on a copy of the store.
const GAPS_MAX: usize = 8;

/// Doubts a log with a gap behind what the mark knows to be acknowledged, and one that is damaged.
///
/// A segment that sled gave up leaves a gap, and so does one that the disk never got, while it has
/// later ones, which say that all was stable. sled would take both for the former, and mix pages
/// that went back with newer ones. Nothing behind the latter was acknowledged; but the mark may be
/// older than what was, so only the last gap whose front proves to be whole is taken for it.
pub(super) fn beware(log: Log, mark: &Mark, mut found: Found) -> io::Result<Found> {
    if found.damage.is_none() {
        if !has_gap_behind(&log, mark)? {
            return Ok(found);
        }
        found.damage = Some(found.end);
        found
            .doubts
            .push(Doubt { unreachable: found.unreachable.clone(), bad_headers: Vec::new() });
    }
    found.doubts.extend(fronts(log, mark)?);
    Ok(found)
}

/// Returns whether a segment is missing behind the last group that the mark knows of.
fn has_gap_behind(log: &Log, mark: &Mark) -> io::Result<bool> {
    let Some(gap) = log.last_gaps(1).first().copied() else { return Ok(false) };
    // The first group that is known is in the last segment whose predecessors have only older ones.
    let mut acknowledged = None;
    for lsn in log.segments.keys().rev() {
        match sequence_in(log, *lsn, Some(mark))? {
            Some(sequence) if sequence < mark.sequence() => break,
            Some(_) => acknowledged = Some(*lsn),
            None => {}
        }
    }
    Ok(acknowledged.is_some_and(|lsn| lsn < gap))
}

/// Returns what has to be left out so that a log ends in front of one of its gaps, for those where
/// nothing looks damaged then, the last first.
fn fronts(mut log: Log, mark: &Mark) -> io::Result<Vec<Doubt>> {
    let mut fronts = Vec::new();
    for lsn in log.last_gaps(GAPS_MAX) {
        let before = sequence_up_to(&log, lsn, Some(mark))?;
        if before.is_some_and(|sequence| sequence < mark.sequence()) {
            break;
        }
        log.leave_out_behind(lsn);
        let (found, _) = examine(&log, Some(mark))?;
        if found.damage.is_none() {
            fronts.push(Doubt { unreachable: found.unreachable, bad_headers: Vec::new() });
        }
    }
    Ok(fronts)
}
