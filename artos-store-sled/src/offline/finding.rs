//! What is wrong with a store, where, and what a person can do about it.

use std::fmt;

/// Most findings that are kept; a store with more needs a backup, not a longer list.
const FINDINGS_MAX: usize = 1_000;

/// What checking a store came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// What is wrong, in the order it was found; at most 1,000.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub further: u64,
    /// Whether all tasks were checked; not so if sled cannot read its files, or would change them.
    pub is_complete: bool,
    /// How many tasks were checked.
    pub tasks: u64,
    /// How many rows were checked.
    pub rows: u64,
    /// How many blocks of rows were checked.
    pub blocks: u64,
    /// How many chunks were checked.
    pub chunks: u64,
    /// How many bytes of keys and values were checked.
    pub bytes: u64,
}

impl Report {
    /// Returns whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn add(
        &mut self,
        fault: Fault,
        at: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        if self.findings.len() == FINDINGS_MAX {
            self.further += 1;
            return;
        }
        let (at, expected, found) = (at.into(), expected.into(), found.into());
        self.findings.push(Finding { fault, at, expected, found });
    }
}

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What sort of thing is wrong.
    pub fault: Fault,
    /// The key, the task or the file.
    pub at: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, at, expected, found } = self;
        write!(f, "{fault} at {at}: expected {expected}, found {found}")
    }
}

/// A sort of thing that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// sled cannot read its files.
    UnreadableTree,
    /// sled would pass over something in its log, and overwrite what lies behind.
    DamagedLog,
    /// A file is there that must never be.
    StrayFile,
    /// The head of the store makes no sense.
    DamagedHead,
    /// A key belongs to no table.
    UnknownKey,
    /// A block of rows makes no sense.
    DamagedBlock,
    /// A row is not where it is looked for.
    MisplacedRow,
    /// A row makes no sense.
    DamagedRow,
    /// A task's record makes no sense.
    DamagedRecord,
    /// A chunk of a payload or of a record makes no sense.
    DamagedChunk,
    /// A chunk that a task names does not exist.
    MissingChunk,
    /// No task names a chunk.
    OrphanChunk,
    /// A list lacks a task.
    MissingRow,
    /// A list names a task that does not belong there.
    OrphanRow,
    /// An idempotency key belongs to another task.
    WrongOwner,
    /// The number of tasks in a state is wrong.
    WrongCount,
    /// The values are not those that the head knows of: one is missing, older, or back again.
    WrongSum,
    /// The mark is missing or makes no sense.
    DamagedMark,
    /// The mark is that of another store.
    ForeignMark,
    /// The store came back older than what it had acknowledged.
    BehindMark,
}

impl Fault {
    /// Returns the name by which programs know the fault.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableTree => "unreadable-tree",
            Self::DamagedLog => "damaged-log",
            Self::StrayFile => "stray-file",
            Self::DamagedHead => "damaged-head",
            Self::UnknownKey => "unknown-key",
            Self::DamagedBlock => "damaged-block",
            Self::MisplacedRow => "misplaced-row",
            Self::DamagedRow => "damaged-row",
            Self::DamagedRecord => "damaged-record",
            Self::DamagedChunk => "damaged-chunk",
            Self::MissingChunk => "missing-chunk",
            Self::OrphanChunk => "orphan-chunk",
            Self::MissingRow => "missing-row",
            Self::OrphanRow => "orphan-row",
            Self::WrongOwner => "wrong-owner",
            Self::WrongCount => "wrong-count",
            Self::WrongSum => "wrong-sum",
            Self::DamagedMark => "damaged-mark",
            Self::ForeignMark => "foreign-mark",
            Self::BehindMark => "behind-mark",
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UnreadableTree | Self::DamagedHead => {
                "keep a copy of the folder and restore it from a backup"
            }
            Self::StrayFile => {
                "find out who put it there; if sled did, restore the folder from a backup"
            }
            Self::UnknownKey
            | Self::DamagedBlock
            | Self::MisplacedRow
            | Self::DamagedRow
            | Self::DamagedRecord
            | Self::DamagedChunk
            | Self::MissingChunk => {
                "what is named is lost or doubtful: export what can be read, restore the folder \
                 from a backup, and look at the disk"
            }
            Self::OrphanChunk | Self::WrongCount => {
                "no task is lost; the store can be used, and this should be reported"
            }
            Self::MissingRow | Self::OrphanRow | Self::WrongOwner => {
                "the task itself is there, but may not be found or may not run: export the store, \
                 restore it from a backup, and report this"
            }
            Self::DamagedLog | Self::WrongSum | Self::DamagedMark | Self::BehindMark => {
                "restore the folder from a backup, or go on with what is there: artos-sled accept"
            }
            Self::ForeignMark => "restore all files of the folder from the same backup",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
