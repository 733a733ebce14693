//! Named points at which a test may stop the process, or look at what the store has done so far.
//!
//! Without the feature `failpoints` reaching a point does nothing, and compiles to nothing.
#![cfg_attr(
    not(feature = "failpoints"),
    allow(unreachable_pub, dead_code, reason = "only the feature makes points public")
)]

#[cfg(feature = "failpoints")]
use std::sync::OnceLock;

/// When in the life of a store a point is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Moment {
    /// Once, while a new store is made.
    Making,
    /// Once each time sled's files are opened; a compaction opens them, too.
    Opening,
    /// Again and again while the store is open.
    Working,
    /// Once each time sled's files are closed.
    Closing,
    /// While a store whose log looks damaged is proven to be whole.
    Proving,
    /// While a store is compacted.
    Compacting,
}

macro_rules! points {
    ($($moment:ident { $($(#[$about:meta])* $point:ident = $name:literal,)* })*) => {
        /// A point in the code of the store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Point {
            $($($(#[$about])* $point,)*)*
        }

        impl Point {
            /// All points there are.
            pub const ALL: &[Self] = &[$($(Self::$point,)*)*];

            /// Returns the name of the point, which no other has.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$point => $name,)*)* }
            }

            /// Returns when in the life of a store the point is reached.
            #[must_use]
            pub const fn moment(self) -> Moment {
                match self { $($(Self::$point => Moment::$moment,)*)* }
            }
        }
    };
}

points! {
    Making {
        /// The folder is there, and nothing in it.
        FolderMade = "folder-made",
        /// The new store is locked.
        FolderLocked = "folder-locked",
        /// The mark is on the disk.
        MarkMade = "mark-made",
        /// The marker is written under its other name.
        MarkerWritten = "marker-written",
        /// The marker has its name, and the folder is a store.
        MarkerPlaced = "marker-placed",
        /// sled's files are open, and the first head is not written.
        HeadWrites = "head-writes",
    }
    Opening {
        /// Whether there is room was found out, with a file that is still there.
        RoomTaken = "room-taken",
        /// sled is about to open its files.
        SledOpens = "sled-opens",
        /// sled has opened its files, and they are not synced.
        SledOpened = "sled-opened",
        /// All files are synced.
        TreeSynced = "tree-synced",
    }
    Working {
        /// A batch is about to be applied.
        BatchApplies = "batch-applies",
        /// A batch is applied, and not flushed.
        BatchApplied = "batch-applied",
        /// sled has flushed, and its file is not synced.
        Flushed = "flushed",
        /// sled's file is synced, and the mark is not written.
        Synced = "synced",
        /// The mark is written, and nothing is answered.
        Marked = "marked",
        /// One operation of a group is answered, and maybe others are not.
        Answered = "answered",
        /// The mark is about to be synced.
        MarkSyncs = "mark-syncs",
        /// The mark is synced.
        MarkSynced = "mark-synced",
    }
    Closing {
        /// sled is about to close its files.
        SledCloses = "sled-closes",
        /// sled has closed its files, and is about to open them for a snapshot.
        SnapshotOpens = "snapshot-opens",
        /// sled has written its snapshot.
        SnapshotWritten = "snapshot-written",
    }
    Proving {
        /// A copy of the tree is about to be made.
        CopyMakes = "copy-makes",
        /// The copy is made, and what sled must not see is still in it.
        CopyMade = "copy-made",
        /// The copy was opened, is whole and closed again, and about to be synced.
        CopyProven = "copy-proven",
        /// The marker that names the copy is written under its other name.
        CopyMarked = "copy-marked",
        /// The copy counts, and the tree is about to be removed that it was made of.
        CopyCounts = "copy-counts",
    }
    Compacting {
        /// The folder of the new tree is about to be made.
        NewTreeMakes = "new-tree-makes",
        /// The folder of the new tree is there, and sled has nothing in it.
        NewTreeMade = "new-tree-made",
        /// Some of the new tree is about to be written.
        NewTreeWrites = "new-tree-writes",
        /// All of the new tree is written, and both trees are open.
        NewTreeWritten = "new-tree-written",
        /// The new tree is closed, and about to be checked.
        NewTreeChecks = "new-tree-checks",
        /// The new tree is checked, and about to be synced.
        NewTreeSyncs = "new-tree-syncs",
        /// The new marker is about to be written under its other name.
        NewMarkerWrites = "new-marker-writes",
        /// The new marker is about to replace the old one.
        NewMarkerPlaces = "new-marker-places",
        /// The new marker counts, and the old tree is about to be removed.
        OldTreeRemoves = "old-tree-removes",
        /// One of the old tree's files is about to be removed, here or by whoever opens the store.
        OldFileRemoves = "old-file-removes",
        /// All of the old tree is removed, and that is not synced.
        OldTreeRemoved = "old-tree-removed",
    }
}

#[cfg(feature = "failpoints")]
type Hook = Box<dyn Fn(Point) + Send + Sync>;

#[cfg(feature = "failpoints")]
static HOOK: OnceLock<Hook> = OnceLock::new();

/// Has a function called whenever a point is reached, on the thread that reaches it, in every store
/// of the process; returns whether it is the first one, because only that one counts.
#[cfg(feature = "failpoints")]
pub fn on_reached(hook: impl Fn(Point) + Send + Sync + 'static) -> bool {
    HOOK.set(Box::new(hook)).is_ok()
}

#[cfg(feature = "failpoints")]
pub(crate) fn reach(point: Point) {
    if let Some(hook) = HOOK.get() {
        hook(point);
    }
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn reach(_: Point) {}
