//! Where source files and documents are: the text that names a place, and opening it.
//!
//! Nodes that share tasks share files: a stage may run on one node, and the next on another.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use anyhow::Context as _;
use object_store::{
    ObjectStore, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as ObjectPath,
    prefix::PrefixStore,
};

use crate::files::Files;

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilesLocation {
    /// In this folder, which nodes may share by a network file system.
    Folder(PathBuf),
    /// In a bucket that speaks S3, below a prefix. Keys and region come from the environment, as
    /// other programs read them: `AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT` and so on.
    S3 {
        /// The bucket.
        bucket: String,
        /// What the path of each file begins with; may be empty.
        prefix: String,
    },
}

/// The text names no place for files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFilesLocation {
    /// Nothing.
    #[error("no folder is named: expected `DIR`, `file:///DIR` or `s3://BUCKET/PREFIX`")]
    Empty,
    /// `file://host/...`, or a relative path.
    #[error("`{0}` names a host, or no folder: expected three slashes, as in `file:///srv/files`")]
    Host(String),
    /// `s3://` and no bucket.
    #[error("`{0}` names no bucket: expected `s3://BUCKET` or `s3://BUCKET/PREFIX`")]
    NoBucket(String),
    /// An address without its two slashes.
    #[error(
        "expected two slashes after `{0}:`, as in `{0}://...`; a folder of that name is `./{0}:...`"
    )]
    NoSlashes(String),
    /// Some other sort of place. What follows may hold a password and is not repeated.
    #[error(
        "`{0}://` is no place for files: expected `DIR`, `file:///DIR` or `s3://BUCKET/PREFIX`"
    )]
    Unknown(String),
}

impl FromStr for FilesLocation {
    type Err = BadFilesLocation;

    fn from_str(text: &str) -> Result<Self, BadFilesLocation> {
        let Some((sort, place)) = text.split_once("://") else {
            return match (text, sort_of(text)) {
                ("", _) => Err(BadFilesLocation::Empty),
                (_, Some(sort)) => Err(BadFilesLocation::NoSlashes(sort)),
                (folder, None) => Ok(Self::Folder(folder.into())),
            };
        };
        match sort {
            "file" if place.starts_with('/') => Ok(Self::Folder(place.into())),
            "file" => Err(BadFilesLocation::Host(without_user(text))),
            "s3" => {
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                if bucket.is_empty() {
                    return Err(BadFilesLocation::NoBucket(text.to_owned()));
                }
                Ok(Self::S3 { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
            }
            _ => Err(BadFilesLocation::Unknown(sort.to_owned())),
        }
    }
}

/// Returns an address without what may be a password.
fn without_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((sort, _)), Some((_, place))) => format!("{sort}://{place}"),
        _ => text.to_owned(),
    }
}

/// Returns the sort of place that a text names without its two slashes. A folder has no colon
/// before the first slash, unless somebody wants to.
fn sort_of(text: &str) -> Option<String> {
    let (sort, _) = text.split_once(':')?;
    let is_sort = sort.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && sort.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_sort.then(|| sort.to_owned())
}

/// Writes what can be read back; a folder as it is reached from anywhere.
impl fmt::Display for FilesLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => {
                let absolute = std::path::absolute(folder);
                write!(f, "{}", absolute.as_deref().unwrap_or(folder).display())
            }
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl FilesLocation {
    /// Opens the place. A folder is made if need be; a bucket has to be there, and is first asked
    /// when the first file is.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or the environment's settings for S3 make no sense.
    pub fn open(&self) -> anyhow::Result<Files> {
        let store: Arc<dyn ObjectStore> = match self {
            Self::Folder(folder) => Arc::new(open_folder(folder)?),
            Self::S3 { bucket, prefix } => {
                let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
                let store = builder.build().with_context(|| format!("cannot use {self}"))?;
                let prefix = ObjectPath::parse(prefix)
                    .with_context(|| format!("`{prefix}` cannot begin the name of a file"))?;
                Arc::new(PrefixStore::new(store, prefix))
            }
        };
        Ok(Files::new(store))
    }
}

fn open_folder(folder: &Path) -> anyhow::Result<LocalFileSystem> {
    let shown = folder.display();
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {shown}"))?;
    let store = LocalFileSystem::new_with_prefix(folder)
        .with_context(|| format!("cannot use {shown} for files"))?;
    // A checkpoint names files: when it is recorded, they must outlive a power cut as it does.
    Ok(store.with_fsync(true))
}
