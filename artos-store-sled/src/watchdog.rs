//! Notices when the store's threads are stuck, inside sled or in the file system.
//!
//! Nobody can help a thread that is stuck. But callers need not wait for it for ever, and whoever
//! operates the service should hear of it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use crate::disk::Disk;

/// How often the watchdog looks while there is work, for each time it lets pass.
const LOOKS: u32 = 10;

/// What one of the store's threads is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Waiting for work.
    Nothing = 0,
    /// Running operations.
    Running = 1,
    /// Giving a batch to sled.
    Writing = 2,
    /// In sled's flush.
    Flushing = 3,
    /// Syncing sled's file.
    Syncing = 4,
    /// Writing or syncing the high-water mark.
    Marking = 5,
}

impl Doing {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Running, Self::Writing, Self::Flushing, Self::Syncing, Self::Marking];
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "waiting",
            Self::Running => "running operations",
            Self::Writing => "writing a batch",
            Self::Flushing => "flushing",
            Self::Syncing => "syncing the data file",
            Self::Marking => "writing the mark",
        })
    }
}

/// What the store's threads are at.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Operations that were handed in and not answered.
    pending: AtomicU64,
    /// Grows with everything that a thread finishes.
    progress: AtomicU64,
    commit: AtomicU8,
    sync: AtomicU8,
    /// The watchdog sleeps until there is work.
    asleep: AtomicBool,
    ended: AtomicBool,
}

impl Activity {
    /// Says what the commit thread is doing.
    pub(crate) fn commit(&self, doing: Doing) {
        self.commit.store(doing as u8, Ordering::Relaxed);
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what the sync thread is doing.
    pub(crate) fn sync(&self, doing: Doing) {
        self.sync.store(doing as u8, Ordering::Relaxed);
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    fn describe(&self) -> String {
        let doing = |at: &AtomicU8| {
            let at = at.load(Ordering::Relaxed);
            Doing::ALL.into_iter().find(|doing| *doing as u8 == at).unwrap_or(Doing::Nothing)
        };
        format!("commit thread {}, sync thread {}", doing(&self.commit), doing(&self.sync))
    }
}

/// An operation that was handed in; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pending(Arc<Activity>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The thread that looks.
#[derive(Debug)]
pub(crate) struct Watchdog {
    activity: Arc<Activity>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts to watch. With work to do and nothing done for `limit`, the store stops.
    pub(crate) fn start(disk: Arc<Disk>, limit: Duration) -> std::io::Result<Self> {
        let activity = Arc::clone(disk.activity());
        let watched = Arc::clone(&activity);
        let run = move || watch(&watched, &disk, limit);
        let thread = thread::Builder::new().name(String::from("artos-sled-watch")).spawn(run)?;
        Ok(Self { activity, thread: Some(thread) })
    }

    /// Notes that an operation is handed in.
    pub(crate) fn begin(&self) -> Pending {
        self.activity.pending.fetch_add(1, Ordering::SeqCst);
        if self.activity.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
        Pending(Arc::clone(&self.activity))
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.as_ref().map(JoinHandle::thread) {
            Thread::unpark(thread);
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.activity.ended.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(activity: &Activity, disk: &Disk, limit: Duration) {
    let mut last = None;
    let mut looks = 0;
    while !activity.ended.load(Ordering::SeqCst) && disk.poison().check().is_ok() {
        if activity.pending.load(Ordering::SeqCst) == 0 {
            last = None;
            activity.asleep.store(true, Ordering::SeqCst);
            // Work that came before the line above did not wake anybody.
            if activity.pending.load(Ordering::SeqCst) == 0 {
                thread::park();
            }
            activity.asleep.store(false, Ordering::SeqCst);
            continue;
        }
        let progress = Some(activity.progress.load(Ordering::Relaxed));
        looks = if progress == last { looks + 1 } else { 0 };
        last = progress;
        if looks >= LOOKS {
            disk.poison().stuck(limit, &activity.describe());
            return;
        }
        thread::park_timeout(limit / LOOKS);
    }
}
