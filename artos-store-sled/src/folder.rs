//! The folder of a store: whose it is, who has it open, and that its files outlive a power cut.
//!
//! Nothing in a folder changes before it is known to be ours, of a format we know, and not open.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use artos_core::{
    Random,
    store::{StoreError, StoreResult},
};

use crate::{
    mark::{self, Mark},
    sled_file::ROOM,
};

/// The newest format this version reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// Says that a folder is a store, and of which format.
const MARKER: &str = "artos-store";
/// The marker while it is written.
const NEW_MARKER: &str = "artos-store.new";
/// Held by the process that has the store open; says which one that is.
const LOCK: &str = "artos-store.lock";
const MARKER_TEXT: &str = "artos-store-sled format ";

/// A folder that is ours. Dropping it lets others open the store.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The lock goes when the file is closed, even if the process is killed.
    _lock: File,
}

impl Folder {
    /// Opens a folder, making it if it does not exist.
    pub(crate) fn open(path: &Path) -> StoreResult<Self> {
        let shown = path.display();
        let failed = |doing: &str, error: io::Error| io_error(&format!("{doing} {shown}"), error);
        let made = make(path).map_err(|error| failed("making the folder", error))?;
        let marked = read_marker(path)?;
        if !marked {
            refuse_foreign(path)?;
        }
        let lock = lock(path)?;
        if !marked {
            let store = *Random::from_entropy().worker_id().as_uuid();
            Mark::create(path, store).map_err(|error| failed("marking the folder", error))?;
            write_marker(path).map_err(|error| failed("marking the folder", error))?;
        }
        for parent in made {
            sync(&parent).map_err(|error| failed("syncing the folder above", error))?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that sled keeps everything in.
    pub(crate) fn data_file(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.path.join("db"))
    }

    /// Makes sure that sled's files are there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if one is missing.
    pub(crate) fn require_tree(&self) -> StoreResult<()> {
        for name in ["db", "conf"] {
            let path = self.path.join(name);
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
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                // A snapshot that sled was writing may just have got its final name.
                match sync(&entry.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    synced => synced?,
                }
            }
        }
        sync(&self.path)
    }

    /// Returns the name of a file that sled keeps outside its data file, if there is any. Such a
    /// file is never synced.
    pub(crate) fn blob(&self) -> io::Result<Option<String>> {
        match fs::read_dir(self.path.join("blobs")) {
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

/// Opening a folder or a file for reading is enough to sync it.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Reads the marker; returns whether there is one.
fn read_marker(path: &Path) -> StoreResult<bool> {
    let marker = path.join(MARKER);
    let text = match fs::read_to_string(&marker) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error(&format!("reading {}", marker.display()), error)),
    };
    let format = text.strip_prefix(MARKER_TEXT).and_then(|text| text.trim_end().parse().ok());
    check_format(format.ok_or_else(|| StoreError::Corrupt {
        message: format!("{} does not say which format the store has", marker.display()),
    })?)?;
    Ok(true)
}

/// Refuses a format that this version does not know.
pub(crate) const fn check_format(found: u32) -> StoreResult<()> {
    if found > FORMAT {
        return Err(StoreError::NewerFormat { found, supported: FORMAT });
    }
    Ok(())
}

/// Refuses a folder in which something else is.
fn refuse_foreign(path: &Path) -> StoreResult<()> {
    let failed = |error| io_error(&format!("reading the folder {}", path.display()), error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // A process that was killed while it made the store leaves no more than these.
        if ![LOCK, NEW_MARKER, mark::NAME, ROOM].contains(&&*name.to_string_lossy()) {
            let name = name.to_string_lossy();
            let message = format!("{} holds `{name}` and is no store of ours", path.display());
            return Err(StoreError::Invalid { message });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> StoreResult<File> {
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
    file.set_len(0).map_err(failed)?;
    file.write_all(format!("process {}\n", std::process::id()).as_bytes()).map_err(failed)?;
    Ok(file)
}

/// Writes the marker under another name first, so that a folder never has half of one.
fn write_marker(path: &Path) -> io::Result<()> {
    let new = path.join(NEW_MARKER);
    let mut file = File::create(&new)?;
    file.write_all(format!("{MARKER_TEXT}{FORMAT}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path.join(MARKER))?;
    sync(path)
}
