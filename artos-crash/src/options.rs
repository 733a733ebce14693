//! What can be chosen on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use crate::rigs::failpoints;

/// What every rig can be told.
#[derive(Debug, Clone, Args)]
pub struct RigOptions {
    /// How many faults to inject; without this and --minutes, the everyday share.
    #[arg(long, visible_alias = "cuts", global = true)]
    pub rounds: Option<u64>,
    /// How long to go on, instead of a number of rounds.
    #[arg(long, global = true)]
    pub minutes: Option<f64>,
    /// Decides everything that is drawn; printed with every failure.
    #[arg(long, default_value_t = 1, global = true)]
    pub seed: u64,
    /// How many stores are worked on at a time.
    #[arg(long, default_value_t = 2, global = true)]
    pub workers: u64,
    /// Writes the result here, as JSON.
    #[arg(long, global = true)]
    pub json: Option<PathBuf>,
    /// Keeps the evidence of failed rounds here; default: artos-crash below the folder for
    /// temporary files.
    #[arg(long, global = true)]
    pub evidence: Option<PathBuf>,
    /// Takes a safety away: then the rig must find losses, or it is blind.
    #[arg(long, value_enum, global = true)]
    pub control: Option<Control>,
}

impl RigOptions {
    /// Returns how long to go on, if that was said.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok())
    }

    /// Returns where evidence is kept.
    pub(crate) fn evidence(&self) -> PathBuf {
        let usual = || std::env::temp_dir().join("artos-crash");
        self.evidence.clone().unwrap_or_else(usual)
    }
}

/// A safety that can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Control {
    /// The store does not sync what it acknowledges.
    NoFsync,
}

/// A file system that can lose its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileSystem {
    /// The usual one.
    Ext4,
    /// Another, with another journal.
    Xfs,
}

impl FileSystem {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// The faults there are.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Fault {
    /// Kills the process at random moments, while it opens the store as well.
    Kill,
    /// Cuts the power: what was not synced is gone.
    Power {
        /// On this file system.
        #[arg(long, value_enum, default_value_t = FileSystem::Ext4)]
        fs: FileSystem,
    },
    /// Kills the process at every named point in the code of the store, the first time it is there
    /// and later ones, also while it makes, closes and compacts a store.
    Failpoints,
    /// Kills the process at its Nth system call that writes or syncs, for every N.
    Syscalls,
    /// Fills the file system, then makes room again.
    Full,
    /// Lets the Nth system call that writes or syncs fail, for every N, once and for ever.
    Eio,
    /// Damages the files of a store that is not open.
    Corrupt,
    /// Makes every trouble there is between processes and a Postgres that they share.
    Postgres,
    /// Cuts the power of the machine a Postgres server is on.
    PostgresPower,
    /// Cuts the power of a disk that keeps any part of what was not flushed, in any order.
    Reorder,
}

impl Fault {
    /// Returns the name of the rig.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Power { fs: FileSystem::Ext4 } => "power ext4",
            Self::Power { fs: FileSystem::Xfs } => "power xfs",
            Self::Failpoints => "failpoints",
            Self::Syscalls => "syscalls",
            Self::Full => "full",
            Self::Eio => "eio",
            Self::Corrupt => "corrupt",
            Self::Postgres => "postgres",
            Self::PostgresPower => "postgres power",
            Self::Reorder => "reorder",
        }
    }

    /// Returns how many rounds belong to every day.
    pub(crate) fn everyday(self) -> u64 {
        match self {
            Self::Kill | Self::Power { fs: FileSystem::Ext4 } => 300,
            Self::Power { fs: FileSystem::Xfs } | Self::Eio => 50,
            Self::Failpoints => failpoints::rounds(),
            Self::Syscalls => 120,
            Self::Full => 5,
            Self::Corrupt => 100,
            Self::Postgres => 15,
            Self::PostgresPower => 12,
            Self::Reorder => 10,
        }
    }
}
