//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::IsTerminal as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::watch::{self, Deadline};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// How far a run is.
pub(crate) struct Progress {
    name: String,
    most: Option<u64>,
    bar: Option<ProgressBar>,
    rounds: AtomicU64,
    started: std::time::Instant,
    next_line: Mutex<Deadline>,
}

impl Progress {
    pub(crate) fn new(name: &str, most: Option<u64>, time: Option<Duration>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = most.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = "{prefix:12} {wide_bar} {pos}/{len} rounds, {per_sec}, {msg} {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template)
                && most.is_some()
            {
                bar.set_style(style);
            }
            bar.set_prefix(String::from(name));
            bar
        });
        if bar.is_none() {
            let goal = match (most, time) {
                (Some(most), _) => format!("{most} rounds"),
                (None, time) => format!("{:?}", time.unwrap_or_default()),
            };
            eprintln!("{name}: {goal}");
        }
        Self {
            name: String::from(name),
            most,
            bar,
            rounds: AtomicU64::new(0),
            started: watch::now(),
            next_line: Mutex::new(Deadline::after(LINE_EVERY)),
        }
    }

    /// Counts a round.
    pub(crate) fn round(&self, failed: u64) {
        let rounds = self.rounds.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_position(rounds);
            bar.set_message(format!("{failed} failed,"));
            return;
        }
        let mut next = self.next_line.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_over() {
            *next = Deadline::after(LINE_EVERY);
            let most = self.most.map(|most| format!(" of {most}")).unwrap_or_default();
            let seconds = self.started.elapsed().as_secs();
            eprintln!("{}: round {rounds}{most}, {failed} failed, {seconds} s", self.name);
        }
    }

    /// Says something in between.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
