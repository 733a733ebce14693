//! What a compaction or a proof that was interrupted leaves in a folder, and how it goes.
//!
//! Nothing is removed unless the tree that counts is there.

use std::{fs, io, path::Path};

use artos_core::store::{StoreError, StoreResult};

use crate::{
    failpoints::{Point, reach},
    folder::{io_error, sync},
    marker::Place,
};

/// The file without which there is no tree.
pub(crate) const TREE_FILE: &str = "db";

/// Removes all trees but the one that counts. The store has to be locked.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if the tree that counts is missing and another one is there.
pub(crate) fn remove(store: &Path, place: Place) -> StoreResult<()> {
    remove_with(store, place, &mut |point| {
        reach(point);
        Ok(())
    })
}

/// Removes all trees but one, and says before each file what it is about to do.
pub(crate) fn remove_with(
    store: &Path,
    place: Place,
    step: &mut dyn FnMut(Point) -> StoreResult<()>,
) -> StoreResult<()> {
    let failed = |error| io_error(&format!("reading {}", store.display()), error);
    let others = others(store, place).map_err(failed)?;
    if !place.path(store).join(TREE_FILE).exists() {
        return missing(store, place, &others);
    }
    if !others.is_empty() {
        // The marker that says so may have been put in place without being synced.
        sync(store).map_err(|error| io_error(&format!("syncing {}", store.display()), error))?;
    }
    for name in &others {
        step(Point::OldFileRemoves)?;
        let path = store.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&format!("removing {}", path.display()), error));
            }
            _ => {}
        }
    }
    if !others.is_empty() {
        step(Point::OldTreeRemoved)?;
        tracing::info!(store = %store.display(), removed = ?others, "removed an older tree");
        sync(store).map_err(|error| io_error(&format!("syncing {}", store.display()), error))?;
    }
    Ok(())
}

/// Says that a tree is missing, unless there never was any.
fn missing(store: &Path, place: Place, others: &[String]) -> StoreResult<()> {
    if place == Place::Root && others.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} does not exist, and the store's marker says that it is there; restore all files of \
         the folder from the same backup",
        place.path(store).join(TREE_FILE).display()
    );
    Err(StoreError::Corrupt { message })
}

/// Returns the names of what belongs to other trees than the one that counts.
fn others(store: &Path, place: Place) -> io::Result<Vec<String>> {
    let mut others = Vec::new();
    for entry in fs::read_dir(store)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let other = match Place::of_name(&name) {
            Some(tree) => tree != place,
            None => place != Place::Root && is_of_sled(&name),
        };
        if other {
            others.push(name);
        }
    }
    others.sort();
    Ok(others)
}

/// Tells the names that sled gives.
pub(crate) fn is_of_sled(name: &str) -> bool {
    matches!(name, "db" | "conf" | "blobs") || name.starts_with("snap.")
}
