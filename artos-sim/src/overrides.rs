//! Options of the command line that change what a seed has drawn.

use clap::Args;

use crate::options::{Chaos, Options};

/// What is other than the seed has drawn it.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// Takes these away. Only with --seed.
    #[arg(long, requires = "seed", value_delimiter = ',')]
    without: Vec<Chaos>,
    /// How many runtimes there are. Only with --seed.
    #[arg(long, requires = "seed")]
    runtimes: Option<u64>,
    /// How many tasks are submitted. Only with --seed.
    #[arg(long, requires = "seed")]
    tasks: Option<u64>,
    /// How long things go wrong, in simulated seconds. Only with --seed.
    #[arg(long, requires = "seed")]
    seconds: Option<u64>,
    /// How long a lease lasts, in milliseconds. Only with --seed.
    #[arg(long, requires = "seed")]
    lease: Option<u64>,
    /// How long workers sleep without a hint, in milliseconds. Only with --seed.
    #[arg(long, requires = "seed")]
    poll: Option<u64>,
}

impl Overrides {
    /// Returns what a run with this seed is made of.
    #[must_use]
    pub fn of(&self, seed: u64) -> Options {
        let drawn = self.without.iter().copied().fold(Options::of(seed), Options::without);
        Options {
            runtimes: self.runtimes.unwrap_or(drawn.runtimes),
            tasks: self.tasks.unwrap_or(drawn.tasks),
            seconds: self.seconds.unwrap_or(drawn.seconds),
            lease: self.lease.unwrap_or(drawn.lease),
            poll: self.poll.unwrap_or(drawn.poll),
            ..drawn
        }
    }
}
