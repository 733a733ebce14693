//! Which store a load runs on.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use artos_core::store::TaskStore;
use artos_store_memory::MemoryStore;
use artos_store_postgres::PostgresStore;
use artos_store_sled::{Durability, SledStore};
use artos_test_postgres::Server;
use tempfile::TempDir;

pub(crate) type AnyStore = Arc<dyn TaskStore>;

/// The database to use instead of a server of one's own; empty when it is first opened.
static DATABASE: OnceLock<String> = OnceLock::new();

/// Makes the Postgres store use a database of a server that somebody else started.
pub(crate) fn use_database(url: String) {
    let _ = DATABASE.set(url);
}

/// A store to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum StoreChoice {
    /// In memory; survives nothing.
    #[default]
    Memory,
    /// In a temporary folder; what is acknowledged outlives a power cut.
    Sled,
    /// In a temporary folder; what is acknowledged outlives the process, not a power cut.
    SledProcess,
    /// On a server of its own in a temporary folder, with the settings any server has.
    Postgres,
}

/// A store that is open.
pub(crate) struct Opened {
    // Dropped before its folder.
    pub(crate) store: AnyStore,
    pub(crate) place: Place,
}

/// Where a store is; it goes when this does.
pub(crate) enum Place {
    /// Nowhere, or where somebody else looks after it.
    Elsewhere,
    Folder(TempDir),
    Server {
        /// Kept for its end.
        _server: Box<Server>,
    },
}

/// The folder of a store in a temporary one.
const FOLDER: &str = "store";

impl Place {
    /// Returns the folder of the store, if it has one here.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.path().join(FOLDER)),
            Self::Elsewhere | Self::Server { .. } => None,
        }
    }
}

impl StoreChoice {
    /// Opens an empty store. A folder is made below the current one: /tmp may be in memory.
    pub(crate) async fn open(self) -> anyhow::Result<Opened> {
        let durability = match self {
            Self::Memory => {
                let store = Arc::new(MemoryStore::default());
                return Ok(Opened { store, place: Place::Elsewhere });
            }
            Self::Postgres => {
                if let Some(url) = DATABASE.get() {
                    let store = Arc::new(PostgresStore::connect(url).await?);
                    return Ok(Opened { store, place: Place::Elsewhere });
                }
                let server = Server::start(artos_test_postgres::Durability::Power)?;
                let store = Arc::new(PostgresStore::connect(server.url()).await?);
                return Ok(Opened { store, place: Place::Server { _server: Box::new(server) } });
            }
            Self::Sled => Durability::Power,
            Self::SledProcess => Durability::Process,
        };
        let folder = tempfile::tempdir_in(".")?;
        let store = open_sled(&folder.path().join(FOLDER), durability)?;
        Ok(Opened { store, place: Place::Folder(folder) })
    }
}

pub(crate) fn open_sled(path: &Path, durability: Durability) -> anyhow::Result<AnyStore> {
    Ok(Arc::new(SledStore::builder(path).durability(durability).open()?))
}

impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory (not durable)",
            Self::Sled => "sled (outlives power cuts)",
            Self::SledProcess => "sled (outlives the process)",
            Self::Postgres => "Postgres (outlives power cuts)",
        })
    }
}
