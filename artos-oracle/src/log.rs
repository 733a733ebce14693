//! Where events go: one line, one write; or to somebody in the same process.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use artos_core::Clock;

use crate::{Event, What};

/// Longest line, with its end. A pipe takes this many bytes whole or not at all.
pub const LINE_BYTES_MAX: usize = 4_096;

/// Writes events, or hands them on, each in one piece and in the order in which they are told.
pub struct Log {
    clock: Box<dyn Clock>,
    calls: AtomicU64,
    out: Mutex<Out>,
}

enum Out {
    Lines(Box<dyn Write + Send>),
    Events(Box<dyn FnMut(&Event) + Send>),
}

impl Log {
    /// Writes to `out`, which must not buffer.
    pub fn new(clock: impl Clock, out: impl Write + Send + 'static) -> Self {
        Self::to(clock, Out::Lines(Box::new(out)))
    }

    /// Hands events to `reader`, who must not use the log.
    pub fn read_by(clock: impl Clock, reader: impl FnMut(&Event) + Send + 'static) -> Self {
        Self::to(clock, Out::Events(Box::new(reader)))
    }

    fn to(clock: impl Clock, out: Out) -> Self {
        Self { clock: Box::new(clock), calls: AtomicU64::new(0), out: Mutex::new(out) }
    }

    /// Numbers calls from here on, so that several processes tell theirs apart.
    #[must_use]
    pub fn numbered_from(self, first: u64) -> Self {
        self.calls.store(first, Ordering::Relaxed);
        self
    }

    /// Returns a number for a call.
    pub(crate) fn call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells that something happened.
    ///
    /// # Errors
    ///
    /// That of the writer.
    pub fn tell(&self, what: What) -> io::Result<()> {
        self.tell_all([what])
    }

    /// Tells several things one after the other; lines that fit are written together.
    pub(crate) fn tell_all(&self, whats: impl IntoIterator<Item = What>) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let at = u64::try_from(self.clock.now().as_micros()).unwrap_or_default();
        let out = match &mut *out {
            Out::Lines(out) => out,
            Out::Events(reader) => {
                whats.into_iter().for_each(|what| reader(&Event { at, what }));
                return Ok(());
            }
        };
        let mut lines = String::new();
        for what in whats {
            let line = Event { at, what }.to_line();
            if !lines.is_empty() && lines.len() + line.len() >= LINE_BYTES_MAX {
                out.write_all(lines.as_bytes())?;
                lines.clear();
            }
            lines.push_str(&line);
            lines.push('\n');
        }
        if lines.is_empty() { Ok(()) } else { out.write_all(lines.as_bytes()) }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("clock", &self.clock).finish_non_exhaustive()
    }
}
