//! What the threads of the embedded store work with, as far as their hand-over needs it: a disk
//! that tells what was written from what is durable, and notices whoever mixes them up.

use shuttle::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// What is left when the store is closed.
#[derive(Debug, Default)]
pub(crate) struct Tree(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Changes that can be read, and those that outlive a power cut.
    written: usize,
    durable: usize,
    /// Groups, likewise.
    groups: u64,
    durable_groups: u64,
    is_open: bool,
    syncs_left: Option<usize>,
}

impl Tree {
    /// A tree that the disk syncs so many times, and then never again.
    pub(crate) fn that_fails_after(syncs: usize) -> Self {
        Self(Mutex::new(State { syncs_left: Some(syncs), ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn written(&self) -> usize {
        self.state().written
    }

    pub(crate) fn durable(&self) -> usize {
        self.state().durable
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state().is_open
    }
}

pub(crate) mod builder {
    //! How a store is opened.

    use super::{Arc, Tree};

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Options {
        pub(crate) tree: Arc<Tree>,
        /// Bytes of changes from which on a group does not overtake the one before.
        pub(crate) large_bytes: usize,
    }
}

pub(crate) mod changes {
    //! The changes of a group.

    #[derive(Debug, Default)]
    pub(crate) struct Changes;
}

pub(crate) mod failpoints {
    //! Nobody dies here.

    pub(crate) enum Point {
        Answered,
        HeadWrites,
        MarkSynced,
        MarkSyncs,
        Marked,
        Synced,
    }

    pub(crate) const fn reach(_: Point) {}
}

pub(crate) mod folder {
    //! Errors of the file system.

    use artos_core::store::StoreError;

    pub(crate) fn io_error(doing: &str, error: std::io::Error) -> StoreError {
        StoreError::unavailable(format!("{doing}: {error}"))
    }
}

pub(crate) mod group {
    //! Changes that are written together.

    use std::marker::PhantomData;

    use artos_core::store::StoreResult;

    use super::{
        changes::Changes,
        disk::DiskState,
        head::{Counts, Sum},
        live::Live,
    };

    pub(crate) struct Group<'a> {
        borrows: PhantomData<&'a ()>,
        before: usize,
        changes: usize,
        bytes: usize,
        anyway: bool,
    }

    pub(crate) struct Batch;

    impl Batch {
        pub(crate) fn insert(&mut self, _: &[u8], _: Vec<u8>) {}
    }

    pub(crate) struct Written {
        pub(crate) batch: Batch,
        pub(crate) bytes: usize,
        pub(crate) sum: Sum,
        pub(crate) changes: usize,
    }

    impl<'a> Group<'a> {
        pub(crate) fn new(
            disk: &impl DiskState,
            _: &'a mut Live,
            _: &mut Counts,
            _: &mut Changes,
        ) -> Self {
            let before = disk.tree().written();
            Self { borrows: PhantomData, before, changes: 0, bytes: 0, anyway: false }
        }

        /// Makes a change of so many bytes, and returns which one it is.
        pub(crate) const fn change(&mut self, bytes: usize) -> usize {
            self.changes += 1;
            self.bytes += bytes;
            self.before + self.changes
        }

        pub(crate) const fn write_anyway(&mut self) {
            self.anyway = true;
        }

        pub(crate) const fn bytes(&self) -> usize {
            self.bytes
        }

        pub(crate) fn write(self, sum: Sum) -> StoreResult<Option<Written>> {
            let Self { changes, bytes, anyway, .. } = self;
            let written = Written { batch: Batch, bytes, sum, changes };
            Ok((changes > 0 || anyway).then_some(written))
        }
    }
}

pub(crate) mod head {
    //! The head of the store.

    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct Counts;

    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct Head {
        pub(crate) sequence: u64,
        pub(crate) counts: Counts,
        pub(crate) sum: u128,
    }

    pub(crate) struct Sum;

    impl Sum {
        pub(crate) const fn total(&self) -> u128 {
            0
        }
    }

    impl Head {
        pub(crate) const fn sum(&self) -> Sum {
            Sum
        }

        pub(crate) const fn seal(&self) -> Vec<u8> {
            Vec::new()
        }
    }
}

pub(crate) mod keys {
    //! Names of values.

    pub(crate) const HEAD: &[u8] = b"head";
}

pub(crate) mod live {
    //! What is kept in memory.

    #[derive(Debug)]
    pub(crate) struct Live;
}

pub(crate) mod mark {
    //! The high-water mark, which must never be ahead of the disk.

    use std::io;

    use tokio::time::Instant;

    use super::{Arc, Tree};

    pub(crate) struct Mark(pub(crate) Arc<Tree>);

    impl Mark {
        pub(crate) fn set(&mut self, sequence: u64) -> io::Result<()> {
            assert!(self.0.state().durable_groups >= sequence, "the mark is ahead of the disk");
            Ok(())
        }

        pub(crate) const fn unsynced_since(&self) -> Option<Instant> {
            None
        }

        pub(crate) const fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

pub(crate) mod news {
    //! What others are told of.

    use artos_core::notify::ChangeHub;

    use super::{Arc, Tree};

    #[derive(Default)]
    pub(crate) struct News(pub(crate) Option<(Arc<Tree>, usize)>);

    impl News {
        pub(crate) fn publish(self, _: &ChangeHub) {
            if let Some((tree, change)) = self.0 {
                assert!(tree.durable() >= change, "somebody is told of what may not last");
            }
        }
    }
}

pub(crate) mod operations {
    //! What callers want done.

    use artos_core::store::StoreResult;

    use super::{group::Group, news::News};

    pub(crate) struct Operations<'a> {
        pub(crate) group: Group<'a>,
        pub(crate) news: News,
    }

    impl<'a> Operations<'a> {
        pub(crate) fn new(group: Group<'a>) -> Self {
            Self { group, news: News::default() }
        }

        pub(crate) fn run<T>(
            &mut self,
            operation: impl FnOnce(&mut Self) -> StoreResult<T>,
        ) -> StoreResult<T> {
            operation(self)
        }
    }
}

pub(crate) mod sled {
    //! The errors of sled.

    use std::{fmt, io};

    pub(crate) enum Error {
        Io(io::Error),
        Corruption { at: Option<String> },
        Other,
    }

    impl fmt::Display for Error {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an error of sled")
        }
    }
}

pub(crate) mod watchdog {
    //! Nobody watches.

    pub(crate) enum Doing {
        Nothing,
        Running,
        Marking,
    }

    #[derive(Debug)]
    pub(crate) struct Watchdog;

    impl Watchdog {
        pub(crate) fn begin(&self) -> Pending {
            Pending::default()
        }
    }

    /// What is pending holds something, as in the store.
    #[derive(Default)]
    pub(crate) struct Pending(std::sync::Arc<()>);

    #[derive(Debug)]
    pub(crate) struct Activity;

    impl Activity {
        pub(crate) const fn commit(&self, _: Doing) {}

        pub(crate) const fn sync(&self, _: Doing) {}
    }
}

pub(crate) mod disk {
    //! The disk, but for what stops it, which is a copy of the store's text.

    use artos_core::store::StoreResult;

    use super::{Arc, AtomicU64, Ordering, Tree, group::Written, thread, watchdog::Activity};

    /// What a group needs of a disk.
    pub(crate) trait DiskState {
        fn tree(&self) -> &Tree;
    }

    /// What is the same whatever is planted.
    #[derive(Debug)]
    pub(crate) struct Plain {
        pub(crate) tree: Arc<Tree>,
        pub(crate) activity: Activity,
        pub(crate) large_bytes: usize,
        applied: AtomicU64,
    }

    impl Plain {
        pub(crate) fn open(tree: Arc<Tree>, large_bytes: usize) -> Self {
            tree.state().is_open = true;
            Self { tree, activity: Activity, large_bytes, applied: AtomicU64::new(0) }
        }

        pub(crate) fn applied(&self) -> u64 {
            self.applied.load(Ordering::SeqCst)
        }

        pub(crate) fn apply(&self, written: &Written) {
            // Counted before it can be seen, as the store does.
            self.applied.fetch_add(1, Ordering::SeqCst);
            let mut state = self.tree.state();
            assert!(
                written.bytes <= self.large_bytes || state.durable == state.written,
                "a large group overtook the one before"
            );
            state.written += written.changes;
            state.groups += 1;
        }

        /// Returns whether the disk did what it was asked for.
        pub(crate) fn sync(&self) -> StoreResult<bool> {
            let (written, groups) = {
                let state = self.tree.state();
                (state.written, state.groups)
            };
            // What is written meanwhile may be left out.
            thread::yield_now();
            let mut state = self.tree.state();
            if let Some(left) = &mut state.syncs_left {
                match left.checked_sub(1) {
                    Some(less) => *left = less,
                    None => return Ok(false),
                }
            }
            (state.durable, state.durable_groups) = (written, groups);
            Ok(true)
        }
    }

    impl Drop for Plain {
        fn drop(&mut self) {
            self.tree.state().is_open = false;
        }
    }
}
