//! Many runs, side by side: one seed after the other on each thread.

use std::{
    io::IsTerminal as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    memory,
    options::Options,
    report::Report,
    run::{Keep, run},
    world::lock,
};

/// How many runs there are.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// So many.
    Seeds(u64),
    /// As many as fit into this time.
    Time(Duration),
}

/// Every so many runs one is done twice, and has to come out the same.
const TWICE_EVERY: u64 = 64;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Many runs, side by side.
#[derive(Debug)]
pub struct Fleet {
    from: u64,
    amount: Amount,
    begun: Instant,
    next: AtomicU64,
    report: Mutex<Report>,
    next_line: Mutex<Duration>,
    bar: Option<ProgressBar>,
}

impl Fleet {
    /// Prepares runs with the seeds from `from` on.
    #[must_use]
    pub fn new(from: u64, amount: Amount) -> Self {
        let report = Mutex::new(Report::new(from));
        let next_line = Mutex::new(LINE_EVERY);
        let bar = std::io::stderr().is_terminal().then(|| bar(amount));
        Self { from, amount, begun: now(), next: AtomicU64::new(0), report, next_line, bar }
    }

    /// Runs first these options, then the seeds, on so many threads.
    #[must_use]
    pub fn run(self, first: &[Options], threads: usize) -> Report {
        for options in first {
            self.once(options, true);
        }
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| self.work());
            }
        });
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let mut report = lock(&self.report).clone();
        report.end(self.begun.elapsed());
        report
    }

    fn work(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let goes_on = match self.amount {
                Amount::Seeds(seeds) => number < seeds,
                Amount::Time(time) => self.begun.elapsed() < time,
            };
            if !goes_on {
                return;
            }
            let options = Options::of(self.from.wrapping_add(number));
            self.once(&options, number.is_multiple_of(TWICE_EVERY));
        }
    }

    fn once(&self, options: &Options, twice: bool) {
        let outcome = run(options, &memory, Keep::Result);
        let differs = twice && run(options, &memory, Keep::Result).hash != outcome.hash;
        let counts = {
            let mut report = lock(&self.report);
            report.add(options, &outcome);
            if differs {
                let why = String::from("two runs of this seed differ");
                report.fail(options, None, why);
            }
            report.counts()
        };
        self.tell(counts);
    }

    fn tell(&self, (runs, failed): (u64, u64)) {
        let elapsed = self.begun.elapsed();
        if let Some(bar) = &self.bar {
            match self.amount {
                Amount::Seeds(_) => bar.set_position(runs),
                Amount::Time(_) => bar.set_position(elapsed.as_secs()),
            }
            bar.set_message(format!("{runs} seeds, {failed} failed"));
            return;
        }
        let mut next_line = lock(&self.next_line);
        if elapsed >= *next_line {
            *next_line += LINE_EVERY;
            eprintln!("simulation: {runs} seeds, {failed} failed, {} s", elapsed.as_secs());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long runs take is not simulated")]
fn now() -> Instant {
    Instant::now()
}

fn bar(amount: Amount) -> ProgressBar {
    let (most, template) = match amount {
        Amount::Seeds(seeds) => (seeds, "{wide_bar} {msg}, {per_sec} {elapsed} of {duration}"),
        Amount::Time(time) => (time.as_secs(), "{wide_bar} {msg} {elapsed}"),
    };
    let bar = ProgressBar::new(most);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
