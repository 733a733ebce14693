//! Whether the machine stood still, rather than what is tested on it: one thread that should wake
//! every few milliseconds, and another that writes and syncs a few bytes. Both note when that took
//! long.
//!
//! It explains why something came late. It excuses nothing: what is found is found.

use std::{
    fmt,
    io::{Seek as _, Write as _},
    sync::{Mutex, Once, PoisonError},
    time::{Duration, Instant},
};

use crate::watch::{now, pause};

/// How often a thread should wake, and how often something is synced.
const WAKE: Duration = Duration::from_millis(10);
const SYNC: Duration = Duration::from_millis(100);
/// What is short is not kept.
const NOTED: Duration = Duration::from_millis(200);

/// A time in which the machine stood still.
#[derive(Debug, Clone, Copy)]
struct Gap {
    end: Instant,
    length: Duration,
}

/// The gaps so far.
#[derive(Debug)]
struct Gaps {
    processor: Vec<Gap>,
    disk: Vec<Gap>,
}

static GAPS: Mutex<Gaps> = Mutex::new(Gaps { processor: Vec::new(), disk: Vec::new() });

/// The longest that a thread and a disk stood still.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stalls {
    pub(crate) processor: Duration,
    pub(crate) disk: Duration,
}

impl fmt::Display for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, disk } = self;
        write!(
            f,
            "the rig's own threads stood still for up to {processor:?}, the disk for {disk:?}"
        )
    }
}

/// Starts to watch the machine, for as long as this process lives.
pub(crate) fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        std::thread::spawn(|| {
            loop {
                let before = now();
                pause(WAKE);
                note(before, WAKE, |gaps| &mut gaps.processor);
            }
        });
        std::thread::spawn(|| {
            let Ok(mut file) = tempfile::tempfile() else { return };
            loop {
                let before = now();
                let written = file.rewind().and_then(|()| file.write_all(b"artos"));
                if written.and_then(|()| file.sync_data()).is_err() {
                    return;
                }
                note(before, Duration::ZERO, |gaps| &mut gaps.disk);
                pause(SYNC);
            }
        });
    });
}

fn note(before: Instant, due: Duration, of: fn(&mut Gaps) -> &mut Vec<Gap>) {
    let end = now();
    let length = end.duration_since(before).saturating_sub(due);
    if length >= NOTED {
        let mut gaps = GAPS.lock().unwrap_or_else(PoisonError::into_inner);
        of(&mut gaps).push(Gap { end, length });
    }
}

/// Returns the longest stalls that ended within the last while.
pub(crate) fn within(last: Duration) -> Stalls {
    let now = now();
    let gaps = GAPS.lock().unwrap_or_else(PoisonError::into_inner);
    let longest = |gaps: &[Gap]| {
        let recent = gaps.iter().filter(|gap| now.duration_since(gap.end) <= last);
        recent.map(|gap| gap.length).max().unwrap_or_default()
    };
    Stalls { processor: longest(&gaps.processor), disk: longest(&gaps.disk) }
}

/// Returns the longest stalls so far.
pub(crate) fn so_far() -> Stalls {
    within(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_noted_with_its_length_and_forgotten_by_those_who_ask_about_later() {
        let long = Duration::from_secs(3);
        let Some(before) = now().checked_sub(long + WAKE) else { return };
        note(before, WAKE, |gaps| &mut gaps.processor);
        assert!(so_far().processor >= long);
        assert!(so_far().disk < long);
        assert!(within(Duration::ZERO).processor < long);
    }
}
