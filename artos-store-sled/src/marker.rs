//! The marker: says that a folder is a store, of which format, and which of its trees counts.
//!
//! It is only ever replaced as a whole, so a folder never has half of one. That makes it the one
//! thing that decides which tree is the store's while another one is being written.

use std::{
    cmp::Ordering,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use artos_core::store::{StoreError, StoreResult};

use crate::folder::{FORMAT, io_error, sync};

/// The name of the file.
pub(crate) const NAME: &str = "artos-store";
/// Its name while it is written.
pub(crate) const NEW_NAME: &str = "artos-store.new";

const FORMAT_TEXT: &str = "artos-store-sled format ";
const TREE_TEXT: &str = "tree ";
/// What the names of folders of trees begin with; a number follows.
const TREE_NAME: &str = "tree.";

/// Where in a store's folder sled's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// In the store's folder itself, as a store begins.
    #[default]
    Root,
    /// In a folder of their own, as compacting and proofs leave them.
    Tree(u32),
}

impl Place {
    /// Returns the folder of the tree.
    pub(crate) fn path(self, store: &Path) -> PathBuf {
        match self {
            Self::Root => store.to_owned(),
            Self::Tree(number) => store.join(format!("{TREE_NAME}{number}")),
        }
    }

    /// Returns where the next tree goes.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::Root => Self::Tree(1),
            Self::Tree(number) => Self::Tree(number.wrapping_add(1)),
        }
    }

    /// Tells from a name whether something in a store's folder is a tree.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let number = name.strip_prefix(TREE_NAME)?;
        let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
        number.parse().ok().filter(|_| is_number).map(Self::Tree)
    }
}

/// Reads the marker; returns where the tree is, if there is a marker.
///
/// # Errors
///
/// [`NewerFormat`](StoreError::NewerFormat) if the store is newer than this version,
/// [`Invalid`](StoreError::Invalid) if it is from before the first release, and
/// [`Corrupt`](StoreError::Corrupt) if the marker makes no sense.
pub(crate) fn read(store: &Path) -> StoreResult<Option<Place>> {
    let marker = store.join(NAME);
    let shown = marker.display();
    let text = match fs::read_to_string(&marker) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(&format!("reading {shown}"), error)),
    };
    let corrupt = |found| StoreError::Corrupt { message: format!("{shown} {found}") };
    let mut lines = text.lines();
    let format = lines.next().and_then(|line| line.strip_prefix(FORMAT_TEXT)?.parse().ok());
    check_format(format.ok_or_else(|| corrupt("does not say which format the store has"))?)?;
    let place = match (lines.next(), lines.next()) {
        (None, _) => Some(Place::Root),
        (Some(tree), None) => tree.strip_prefix(TREE_TEXT).and_then(Place::of_name),
        _ => None,
    };
    place.map(Some).ok_or_else(|| corrupt("does not say where the store's tree is"))
}

/// Refuses a format that this version does not know.
pub(crate) fn check_format(found: u32) -> StoreResult<()> {
    match found.cmp(&FORMAT) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(StoreError::NewerFormat { found, supported: FORMAT }),
        Ordering::Less => {
            let message = format!(
                "the store has format {found}, which no release ever had, and this version reads \
                 format {FORMAT}; export it with the version that made it"
            );
            Err(StoreError::Invalid { message })
        }
    }
}

/// Writes a marker beside the one that counts; [`put_in_place`] makes it count.
pub(crate) fn write_new(store: &Path, place: Place) -> io::Result<()> {
    let mut file = File::create(store.join(NEW_NAME))?;
    file.write_all(format!("{FORMAT_TEXT}{FORMAT}\n").as_bytes())?;
    if let Place::Tree(number) = place {
        file.write_all(format!("{TREE_TEXT}{TREE_NAME}{number}\n").as_bytes())?;
    }
    file.sync_all()
}

/// Lets the marker that was written last count, in one step, and makes that outlive a power cut.
pub(crate) fn put_in_place(store: &Path) -> io::Result<()> {
    fs::rename(store.join(NEW_NAME), store.join(NAME))?;
    sync(store)
}
