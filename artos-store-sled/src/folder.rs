//! The folder of a store: whose it is, who has it open, and that its files outlive a power cut.
//!
//! Nothing in a folder changes before it is known to be ours, of a format we know, and not open.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use artos_core::{
    Random,
    store::{StoreError, StoreResult},
};
use uuid::Uuid;

use crate::{
    builder::Options,
    failpoints::{Point, reach},
    leftovers,
    mark::{self, Mark},
    marker::{self, Place},
    sled_file::ROOM,
};

/// The format this version reads and writes. The first one had no sum, and no release.
pub(crate) const FORMAT: u32 = 2;

/// Held by the process that has the store open; says which one that is.
const LOCK: &str = "artos-store.lock";

/// A folder that is ours. Dropping it lets others open the store.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    place: Place,
    /// The folder of sled's files.
    tree: PathBuf,
    lock: Arc<Lock>,
}

/// The lock of a folder. It goes when the process ends, however that happens.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started still has it.
        let _ = self.0.unlock();
    }
}

impl Folder {
    /// Opens a folder, making it if it does not exist.
    pub(crate) fn open(path: &Path) -> StoreResult<Self> {
        let shown = path.display();
        let failed = |doing: &str, error: io::Error| io_error(&format!("{doing} {shown}"), error);
        let made = make(path).map_err(|error| failed("making the folder", error))?;
        let marked = marker::read(path)?.is_some();
        if !marked {
            refuse_foreign(path)?;
            reach(Point::FolderMade);
        }
        let lock = lock(path)?;
        // Somebody else may have made the store between the two.
        if !marked && marker::read(path)?.is_none() {
            refuse_foreign(path)?;
            reach(Point::FolderLocked);
            let store = *Random::from_entropy().worker_id().as_uuid();
            mark_new(path, store).map_err(|error| failed("marking the folder", error))?;
            reach(Point::MarkerPlaced);
        }
        for parent in made {
            sync(&parent).map_err(|error| failed("syncing the folder above", error))?;
        }
        Self::locked(path, lock)
    }

    /// Opens a folder that is ours already, and makes nothing in one that is not.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if no store is there, besides those of [`open`](Self::open).
    pub(crate) fn open_existing(path: &Path) -> StoreResult<Self> {
        let shown = path.display();
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                let message = format!("{shown} is a file, and a store is a folder");
                return Err(StoreError::Invalid { message });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Invalid { message: format!("there is no {shown}") });
            }
            Err(error) => return Err(io_error(&format!("reading {shown}"), error)),
        }
        if marker::read(path)?.is_none() {
            refuse_foreign(path)?;
            let message = format!("{shown} is empty: no store was made there yet");
            return Err(StoreError::Invalid { message });
        }
        Self::locked(path, lock(path)?)
    }

    /// Finds the tree of a folder that is locked.
    fn locked(path: &Path, lock: Lock) -> StoreResult<Self> {
        // Whoever had the lock before may have moved the tree.
        let place = marker::read(path)?.unwrap_or(Place::Root);
        leftovers::remove(path, place)?;
        Ok(Self { path: path.to_owned(), place, tree: place.path(path), lock: Arc::new(lock) })
    }

    /// Returns the same folder with its tree elsewhere. The lock stays while either is there.
    pub(crate) fn with_tree(&self, place: Place) -> Self {
        let (path, lock) = (self.path.clone(), Arc::clone(&self.lock));
        Self { tree: place.path(&path), path, place, lock }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// Returns the folder that sled keeps its files in.
    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Returns the file that sled keeps everything in.
    pub(crate) fn data_file(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.tree.join("db"))
    }

    /// Returns options as they are for the tree: its path, and the size of segments that it was
    /// made with, because sled opens it with no other.
    pub(crate) fn options_of_tree(&self, options: &Options) -> Options {
        let segment_bytes = self.segment_bytes().unwrap_or(options.segment_bytes);
        Options { path: self.tree.clone(), segment_bytes, ..*options }
    }

    fn segment_bytes(&self) -> Option<usize> {
        let text = fs::read(self.tree.join("conf")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find_map(|line| line.trim().strip_prefix("segment_size:"))?;
        let bytes: usize = line.trim().parse().ok()?;
        // What sled takes; it panics about others.
        (bytes.is_power_of_two() && (256..=1 << 24).contains(&bytes)).then_some(bytes)
    }

    /// Makes sure that sled's files are there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if one is missing.
    pub(crate) fn require_tree(&self) -> StoreResult<()> {
        for name in ["db", "conf"] {
            let path = self.tree.join(name);
            let shown = path.display();
            match path.try_exists() {
                Ok(true) => {}
                Ok(false) => {
                    let message = format!("{shown} is missing; restore the folder from a backup");
                    return Err(StoreError::Corrupt { message });
                }
                Err(error) => return Err(io_error(&format!("looking for {shown}"), error)),
            }
        }
        Ok(())
    }

    /// Makes every file of the folder, and that they exist, outlive a power cut.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        sync_files(&self.path)?;
        if self.tree == self.path { Ok(()) } else { sync_files(&self.tree) }
    }

    /// Returns the name of a file that sled keeps outside its data file, if there is any. Such a
    /// file is never synced.
    pub(crate) fn blob(&self) -> io::Result<Option<String>> {
        match fs::read_dir(self.tree.join("blobs")) {
            Ok(mut blobs) => match blobs.next() {
                Some(blob) => Ok(Some(blob?.file_name().to_string_lossy().into_owned())),
                None => Ok(None),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Turns an error of the file system into one of the store.
pub(crate) fn io_error(doing: &str, error: io::Error) -> StoreError {
    let message = format!("{doing}: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { message },
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            StoreError::Invalid { message }
        }
        _ => StoreError::Unavailable { message, source: Some(Box::new(error)) },
    }
}

/// Makes a folder a store, in its last step.
fn mark_new(path: &Path, store: Uuid) -> io::Result<()> {
    Mark::create(path, store)?;
    reach(Point::MarkMade);
    marker::write_new(path, Place::Root)?;
    reach(Point::MarkerWritten);
    marker::put_in_place(path)
}

/// Makes a folder and those above it; returns the folders in which one was made.
fn make(path: &Path) -> io::Result<Vec<PathBuf>> {
    let above = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let missing = path.ancestors().take_while(|path| !path.as_os_str().is_empty());
    let made = missing.take_while(|path| !path.exists()).filter_map(above).collect();
    fs::create_dir_all(path)?;
    Ok(made)
}

/// Syncs a folder and the files in it.
fn sync_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            // A snapshot that sled was writing may just have got its final name.
            match sync(&entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced?,
            }
        }
    }
    sync(folder)
}

/// Opening a folder or a file for reading is enough to sync it.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Refuses a folder in which something else is.
fn refuse_foreign(path: &Path) -> StoreResult<()> {
    let failed = |error| io_error(&format!("reading the folder {}", path.display()), error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // A process that was killed while it made the store leaves no more than these.
        if ![LOCK, marker::NEW_NAME, mark::NAME, ROOM].contains(&&*name.to_string_lossy()) {
            let name = name.to_string_lossy();
            let mut message = format!("{} holds `{name}` and is no store of ours", path.display());
            if path.join(&*name).join(marker::NAME).exists() {
                message = format!("{message}, but {} is", path.join(&*name).display());
            }
            return Err(StoreError::Invalid { message });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> StoreResult<Lock> {
    let path = path.join(LOCK);
    let failed = |error| io_error(&format!("locking {}", path.display()), error);
    let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = options.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Who it is helps, and is not needed.
            let _ = file.read_to_string(&mut owner);
            let owner = if owner.is_empty() { "another process" } else { owner.trim_end() };
            let message = format!("{} is held by {owner}", path.display());
            return Err(StoreError::Locked { message });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let lock = Lock(file);
    let mut file = &lock.0;
    file.set_len(0).map_err(failed)?;
    file.write_all(format!("process {}\n", std::process::id()).as_bytes()).map_err(failed)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::Folder;

    #[test]
    fn a_child_process_that_is_being_started_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        // Until it runs its own program, a child has a copy of every file of its parent.
        let copy = opened.lock.0.try_clone().unwrap();
        Folder::open(folder.path()).unwrap_err();
        drop(opened);
        Folder::open(folder.path()).unwrap();
        drop(copy);
    }
}
