//! Where tasks are kept: the text that names a store, opening it, and why it cannot be opened.
//!
//! `sled:PATH` names the one folder that everything durable is in: tasks in `PATH/tasks`, and files
//! in `PATH/files` if no other folder is given for them. So a backup is a copy of it.
//! `postgres://...` names a database that any number of processes share, on any machine.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use artos_core::store::{StoreError, TaskStore};
use artos_store_memory::MemoryStore;
use artos_store_postgres::PostgresStore;
use artos_store_sled::SledStore;

/// The folder that is used if nothing else is said.
pub const DEFAULT_FOLDER: &str = "artos-data";

const TASKS: &str = "tasks";
const FILES: &str = "files";
/// What a folder of the embedded store always has.
const STORE_MARKER: &str = "artos-store";

/// Where tasks are kept.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreLocation {
    /// In this process.
    Memory,
    /// In this folder, on the embedded store.
    Sled(PathBuf),
    /// In the database at this address, which may hold a password.
    Postgres(String),
}

/// The text names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadStore {
    /// There is no `:`.
    #[error(
        "`{0}` does not say what sort of store it is: expected `sled:{0}` to keep tasks in that \
         folder, or `memory` to keep them in the process"
    )]
    NoSort(String),
    /// Nothing after `sled:`.
    #[error("`sled:` names no folder: expected one, as in `sled:artos-data`")]
    NoFolder,
    /// Two slashes, which would mean the root of the file system.
    #[error(
        "`{0}` looks like an address: expected a folder right after `sled:`, as in \
         `sled:artos-data` or `sled:/var/lib/artos`"
    )]
    Address(String),
    /// An address without its two slashes.
    #[error("expected two slashes after `{0}:`, as in `{0}://user@host/database`")]
    NoAddress(String),
    /// Something after `memory:`.
    #[error("`memory:` takes no folder, found `{0}`: expected `memory`, or `sled:{0}`")]
    MemoryFolder(String),
    /// Some other store. What follows may hold a password and is not repeated.
    #[error(
        "there is no `{0}:` store in this version: expected `postgres://HOST/DATABASE`, \
         `sled:PATH` or `memory`"
    )]
    Unknown(String),
}

impl FromStr for StoreLocation {
    type Err = BadStore;

    fn from_str(text: &str) -> Result<Self, BadStore> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        let (sort, place) = text.split_once(':').ok_or_else(|| BadStore::NoSort(text.into()))?;
        match sort {
            "memory" if place.is_empty() => Ok(Self::Memory),
            "memory" if place.contains('@') => Err(BadStore::MemoryFolder(String::from("..."))),
            "memory" => Err(BadStore::MemoryFolder(place.to_owned())),
            "sled" if place.is_empty() => Err(BadStore::NoFolder),
            "sled" if place.starts_with("//") => Err(BadStore::Address(without_secrets(text))),
            "sled" => Ok(Self::Sled(PathBuf::from(place))),
            "postgres" | "postgresql" if place.starts_with("//") => {
                Ok(Self::Postgres(text.to_owned()))
            }
            "postgres" | "postgresql" => Err(BadStore::NoAddress(sort.to_owned())),
            _ => Err(BadStore::Unknown(sort.to_owned())),
        }
    }
}

/// Writes what can be read back, but for a password.
impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sled(folder) => write!(f, "sled:{}", folder.display()),
            Self::Postgres(url) => f.write_str(&without_secrets(url)),
        }
    }
}

/// The same: an address may hold a password.
impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreLocation({self})")
    }
}

/// Returns an address without user, password and options.
fn without_secrets(url: &str) -> String {
    let (sort, rest) = url.split_once("://").unwrap_or(("postgres", ""));
    let rest = rest.split('?').next().unwrap_or_default();
    let (_, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    format!("{sort}://{place}")
}

impl StoreLocation {
    /// Returns the folder of files that goes with the store, if one does. Tasks in memory are given
    /// up at the end, but files stay, where a durable store would look for them. Nodes that share a
    /// database have to be told what files they share.
    #[must_use]
    pub fn files(&self) -> Option<PathBuf> {
        match self {
            Self::Memory => Some(Path::new(DEFAULT_FOLDER).join(FILES)),
            Self::Sled(folder) => Some(folder.join(FILES)),
            Self::Postgres(_) => None,
        }
    }

    /// Returns whether several processes may use it at a time.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Says where tasks are and what they outlive, for whoever starts the service.
    #[must_use]
    pub fn promise(&self) -> String {
        match self {
            Self::Memory => format!(
                "tasks are in memory and are lost when this process ends; --store \
                 sled:{DEFAULT_FOLDER} keeps them"
            ),
            Self::Sled(folder) => format!(
                "tasks are in {} and outlive this process, however it ends: each is synced to the \
                 disk before it is accepted",
                absolute(&folder.join(TASKS)).display()
            ),
            Self::Postgres(_) => format!(
                "tasks are in {self}, shared with every other node on it, and outlive them all"
            ),
        }
    }

    /// Opens the store, making its folder or its tables if need be. It blocks while an existing
    /// folder is read.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; then no task was touched. Only a store that is corrupt may have been changed.
    pub async fn open(&self) -> Result<Arc<dyn TaskStore>, OpenError> {
        match self {
            Self::Memory => Ok(Arc::new(MemoryStore::default())),
            Self::Sled(folder) => {
                refuse_foreign(folder)?;
                // Its messages name files: where they are must not depend on who reads them where.
                let folder = absolute(&folder.join(TASKS));
                match SledStore::open(&folder) {
                    Ok(store) => Ok(Arc::new(store)),
                    Err(source) => Err(OpenError::Store { folder, source: Box::new(source) }),
                }
            }
            Self::Postgres(url) => match PostgresStore::connect(url).await {
                Ok(store) => Ok(Arc::new(store)),
                Err(source) => {
                    Err(OpenError::Database { address: self.to_string(), source: Box::new(source) })
                }
            },
        }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store itself says no.
    #[error("the tasks in {} cannot be opened", .folder.display())]
    Store {
        /// The folder of the store.
        folder: PathBuf,
        /// What it says.
        source: Box<StoreError>,
    },
    /// The database says no.
    #[error("the tasks in {address} cannot be used")]
    Database {
        /// Where it is.
        address: String,
        /// What it says.
        source: Box<StoreError>,
    },
    /// The folder belongs to something else.
    #[error(
        "{} holds `{found}` and neither `tasks` nor `files`: expected the folder of an earlier \
         run, an empty one, or none",
        .folder.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Something in it that is not ours.
        found: String,
    },
    /// The folder is a store, not the folder above one.
    #[error("{} is a store itself: expected the folder above it", .folder.display())]
    Inside {
        /// The folder.
        folder: PathBuf,
    },
}

impl OpenError {
    /// Says what to do, to somebody who has not read any documentation.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Foreign { .. } => String::from(
                "nothing was changed; check the path after `sled:`, or name a new folder",
            ),
            Self::Inside { folder } => {
                let above = folder.parent().unwrap_or(folder).display();
                format!("nothing was changed; use --store sled:{above}")
            }
            Self::Store { folder, source } => advice(&folder.display().to_string(), source),
            Self::Database { address, source } => database_advice(address, source),
        }
    }
}

fn advice(folder: &str, error: &StoreError) -> String {
    match error {
        StoreError::Locked { .. } => String::from(
            "another process is using this folder, and only one may: stop that one first, or start \
             this one with a folder of its own (--store sled:OTHER)",
        ),
        StoreError::NewerFormat { .. } => String::from(
            "nothing was changed; start the newer version of this program that wrote the folder",
        ),
        StoreError::Invalid { .. } => {
            String::from("nothing was changed; check the path after `sled:`, or name a new folder")
        }
        StoreError::Corrupt { .. } => format!(
            "copy {folder} away before anything else, also before another try; then put a backup \
             in its place, or move it aside to start without its tasks"
        ),
        StoreError::Full { .. } => String::from("make room on that disk, then start again"),
        _ => format!(
            "check that the disk of {folder} is there and that this user may read and write it, \
             then start again"
        ),
    }
}

fn database_advice(address: &str, error: &StoreError) -> String {
    match error {
        StoreError::NewerFormat { .. } => String::from(
            "nothing was changed; start the newer version of this program that the other nodes run",
        ),
        StoreError::Invalid { .. } => format!(
            "check the address, and that its user may use {address} and, the first time, create a \
             schema in it"
        ),
        StoreError::Full { .. } => String::from("make room on the server's disk, then start again"),
        _ => format!("check that a Postgres server answers at {address}, then start again"),
    }
}

/// Refuses a folder that was made for something else, before anything is put into it.
fn refuse_foreign(folder: &Path) -> Result<(), OpenError> {
    let mut names: Vec<String> = match fs::read_dir(folder) {
        Ok(entries) => {
            let name = |entry: io::Result<fs::DirEntry>| entry.ok().map(|entry| entry.file_name());
            entries.filter_map(name).map(|name| name.to_string_lossy().into_owned()).collect()
        }
        // Not there yet, or not readable: the store finds out, and says why.
        Err(_) => return Ok(()),
    };
    names.sort();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has(STORE_MARKER) {
        return Err(OpenError::Inside { folder: absolute(folder) });
    }
    if has(TASKS) || has(FILES) {
        return Ok(());
    }
    // A disk that was just mounted has a folder of its own, and people have hidden ones.
    let foreign = names.into_iter().find(|name| !name.starts_with('.') && name != "lost+found");
    foreign.map_or(Ok(()), |found| Err(OpenError::Foreign { folder: absolute(folder), found }))
}

/// A path that can be copied from a log; as given where the current folder is not known.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
