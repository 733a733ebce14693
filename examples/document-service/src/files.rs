//! Files of the service: reading with a size limit, writing atomically.
//!
//! Every error names its file, so a failed task says which of its sources was the reason.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

/// Largest file that is read: 64 MiB. One task may hold a few files in memory at a time.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The files that tasks read and write.
#[derive(Clone, Debug)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    bytes_max: u64,
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// No file has this path.
    #[error("{path} does not exist")]
    NotFound {
        /// The path as given.
        path: String,
    },
    /// The file is larger than the limit of the service.
    #[error("{path} has {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// The path as given.
        path: String,
        /// Size of the file.
        bytes: u64,
        /// Largest size that is read.
        bytes_max: u64,
    },
    /// The path is not one the store can hold.
    #[error("{path} is not a valid path")]
    InvalidPath {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        source: object_store::path::Error,
    },
    /// The store could not be reached or refused the request.
    #[error("{path} cannot be accessed now")]
    Unavailable {
        /// The path as given.
        path: String,
        /// What the store reported.
        source: object_store::Error,
    },
}

impl FileError {
    /// Tells whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn from_store(path: &str, source: object_store::Error) -> Self {
        let path = path.to_owned();
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound { path },
            source => Self::Unavailable { path, source },
        }
    }
}

impl Files {
    /// Reads from and writes to `store`, with the default size limit [`FILE_BYTES_MAX`].
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, bytes_max: FILE_BYTES_MAX }
    }

    /// Refuses to read files larger than `bytes_max`.
    #[must_use]
    pub fn with_bytes_max(self, bytes_max: u64) -> Self {
        Self { bytes_max, ..self }
    }

    /// Reads a whole file.
    ///
    /// The size is checked before the content is fetched, so a file over the limit costs no memory.
    ///
    /// # Errors
    ///
    /// See [`FileError`]; only [`FileError::Unavailable`] is worth another try.
    pub async fn read(&self, path: &str) -> Result<Bytes, FileError> {
        let location = location(path)?;
        let found = self
            .store
            .get(&location)
            .await
            .map_err(|source| FileError::from_store(path, source))?;
        let bytes = found.meta.size;
        if bytes > self.bytes_max {
            let path = path.to_owned();
            return Err(FileError::TooLarge { path, bytes, bytes_max: self.bytes_max });
        }
        found.bytes().await.map_err(|source| FileError::from_store(path, source))
    }

    /// Writes a whole file, replacing one of the same path.
    ///
    /// A reader sees the old content or the new, never a part of it.
    ///
    /// # Errors
    ///
    /// [`FileError::InvalidPath`] or [`FileError::Unavailable`]; then the old content is unchanged.
    pub async fn write(&self, path: &str, content: Bytes) -> Result<(), FileError> {
        let location = location(path)?;
        self.store
            .put(&location, PutPayload::from(content))
            .await
            .map_err(|source| FileError::from_store(path, source))?;
        Ok(())
    }
}

fn location(path: &str) -> Result<Path, FileError> {
    Path::parse(path).map_err(|source| FileError::InvalidPath { path: path.to_owned(), source })
}
