//! Opening sled's database, and leaving it so that it opens fast.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use artos_core::store::{StoreError, StoreResult};

use crate::{
    builder::Options,
    failpoints::{Point, reach},
    folder,
    poison::{describe, panic_message},
};

/// How often sled's background thread runs, in milliseconds. It cleans the file up behind the
/// writers for up to half of that, and syncs it, whether there was anything to do or not. At 50
/// milliseconds, a store of 40,000 small tasks that 2,000 a second pass through takes 27 MiB
/// instead of 47, and an idle store takes four times the processor time that it takes at 250.
/// Durability does not depend on it.
const CLEAN_EVERY_MS: u64 = 250;
/// How often, and how far apart, to ask for sled's own lock: five seconds in all.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);
/// How long to wait for sled to close a database with which something went wrong.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// The name of a file that is made and removed at once.
pub(crate) const ROOM: &str = "artos-store.room";
/// Room for what sled writes while it opens its database, beside snapshots and segments.
const ROOM_BYTES: u64 = 512 * 1024;

/// Opens sled's database in a folder whose lock is ours.
fn open(options: &Options) -> StoreResult<sled::Db> {
    let shown = options.path.display();
    let data = options.path.join("db");
    let damaged = |found: &str| StoreError::Corrupt {
        message: format!(
            "opening {}: {found}; restore {shown} from a backup, or look at a copy of it with \
             `artos-sled verify`",
            data.display()
        ),
    };
    remove_unfinished_snapshots(options)
        .map_err(|error| folder::io_error(&format!("tidying {shown}"), error))?;
    ensure_room(options)?;
    // What sled finds in its log goes into a snapshot, which it syncs without the log.
    sync_log(options)
        .map_err(|error| folder::io_error(&format!("syncing {}", data.display()), error))?;
    let mut tries_left = TRIES;
    reach(Point::SledOpens);
    loop {
        let config = config(options);
        // A file that is damaged in an unusual way makes sled panic.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            // Nobody else has the folder, so it is a thread of sled's from the last time this
            // process had it open, which has yet to end.
            Ok(Err(sled::Error::Io(error))) if is_lock_error(&error) && tries_left > 0 => {
                tries_left -= 1;
                thread::park_timeout(PAUSE);
            }
            Ok(Err(sled::Error::Io(error))) => {
                return Err(folder::io_error(&format!("opening {shown}"), error));
            }
            Ok(Err(error)) => {
                return Err(damaged(&describe(&error)));
            }
            Err(panic) => return Err(damaged(panic_message(&*panic))),
        }
    }
}

fn config(options: &Options) -> sled::Config {
    sled::Config::new()
        .path(&options.path)
        .cache_capacity(options.cache_bytes)
        .segment_size(options.segment_bytes)
        .flush_every_ms(Some(CLEAN_EVERY_MS))
}

/// Makes durable what an earlier process has written.
fn sync_log(options: &Options) -> io::Result<()> {
    match File::open(options.path.join("db")) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sled reports a lock that is taken as an error of no kind, told apart by its text only.
fn is_lock_error(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Removes snapshots that sled was writing when its process ended.
///
/// sled takes them for the newest ones, and finds them damaged. It removes the snapshot before only
/// once the new one has its final name, so nothing is lost.
fn remove_unfinished_snapshots(options: &Options) -> io::Result<()> {
    for entry in fs::read_dir(&options.path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes sure that there is room for what sled writes while it opens its database.
///
/// If it runs out of room half-way, it leaves a database behind that cannot be opened again.
///
/// # Errors
///
/// [`StoreError::Full`] if there is not; then nothing was changed.
fn ensure_room(options: &Options) -> StoreResult<()> {
    let place = options.path.join(ROOM);
    let room = || -> io::Result<()> {
        let mut bytes = ROOM_BYTES + 2 * options.segment_bytes as u64;
        for entry in fs::read_dir(&options.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                bytes += 2 * entry.metadata()?.len();
            }
        }
        io::copy(&mut io::repeat(1).take(bytes), &mut File::create(&place)?).map(|_| ())
    };
    let found = room();
    reach(Point::RoomTaken);
    let removed = fs::remove_file(&place);
    // A limit on the size of files says nothing about room.
    let found = found.or_else(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Ok(()),
        _ => Err(error),
    });
    found.and(removed).map_err(|error| {
        let doing = format!("making sure of room to open {}", options.path.display());
        folder::io_error(&doing, error)
    })
}

/// The last handle of sled's database, which closes it when it is dropped.
///
/// Where something went wrong before, sled may panic then, or never come to an end.
#[derive(Debug)]
pub(crate) struct SledFile {
    db: Option<sled::Db>,
    options: Options,
    written: AtomicU64,
    sound: AtomicBool,
}

impl SledFile {
    /// Opens sled's database in a folder whose lock is ours. Other handles have to go before this.
    pub(crate) fn open(options: &Options) -> StoreResult<(Self, sled::Db)> {
        let db = open(options)?;
        let path = PathBuf::clone(&options.path);
        let file = Self {
            db: Some(db.clone()),
            options: Options { path, ..*options },
            written: AtomicU64::new(0),
            sound: AtomicBool::new(false),
        };
        Ok((file, db))
    }

    /// Says whether all went well so far.
    pub(crate) fn set_sound(&self, sound: bool) {
        self.sound.store(sound, Ordering::SeqCst);
    }

    /// Counts changes.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for SledFile {
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        let close = move || catch_unwind(AssertUnwindSafe(move || drop(db))).is_ok();
        reach(Point::SledCloses);
        if !*self.sound.get_mut() {
            let (done, closed) = mpsc::channel();
            let close = move || done.send(close());
            if thread::Builder::new().name(String::from("artos-sled-close")).spawn(close).is_ok() {
                let _ = closed.recv_timeout(CLOSE_LIMIT);
            }
            return;
        }
        // sled writes a snapshot only when it opens its database, and then reads all of its log
        // that is younger than the last one. So after a long run it is opened once more, for
        // whoever opens it next.
        if close() && *self.written.get_mut() >= self.options.snapshot_bytes {
            reach(Point::SnapshotOpens);
            match open(&self.options) {
                Ok(db) => {
                    reach(Point::SnapshotWritten);
                    let _ = catch_unwind(AssertUnwindSafe(move || drop(db)));
                }
                // The store is closed as it should be, and the next one to open it finds out.
                Err(error) => tracing::warn!(%error, "no snapshot was written"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! sled's own choices are not left to sled.

    use crate::SledStore;

    #[test]
    fn sled_cleans_up_behind_the_writers_and_has_the_cache_that_was_asked_for() {
        let options = SledStore::builder("nowhere").into_options();
        let config = super::config(&options);
        assert_eq!(config.cache_capacity, 64 * 1024 * 1024);
        // Without its background thread, sled's file grows for ever.
        assert_eq!(config.flush_every_ms, Some(super::CLEAN_EVERY_MS));
        let options = SledStore::builder("nowhere").cache_bytes(1 << 20).into_options();
        assert_eq!(super::config(&options).cache_capacity, 1 << 20);
    }
}
