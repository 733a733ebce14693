//! Opening a store only if it is whole; and if its log looks damaged, proving whether it is.
//!
//! sled overwrites segments of its log that it has given up. A power cut may leave one half old,
//! half new, which looks like damage and is none. What sled makes of it is tried out on a copy: if
//! the values that it finds come to the sum that their head names, nothing is missing, and the copy
//! takes the place of the tree. Otherwise the copy goes, and nothing else was touched.

use std::{fs, io, path::Path};

use artos_core::store::{StoreError, StoreResult};
use tokio::time::Instant;

use crate::{
    builder::Options,
    disk::Disk,
    envelope,
    failpoints::{Point, reach},
    folder::{Folder, io_error, sync},
    leftovers,
    log::{self, Doubt, Found},
    mark::Mark,
    marker, poison,
    sum::Sum,
};

/// Bytes that sled writes while it opens a copy, at most, beside what is copied.
const SPARE_BYTES: u64 = 8 * 1024 * 1024;

/// A folder whose tree sled may open.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) folder: Folder,
    /// Something is damaged or missing, and was accepted.
    pub(crate) is_suspect: bool,
}

/// Looks at a store's log before sled changes it.
///
/// # Errors
///
/// * [`StoreError::Corrupt`]: something that was acknowledged is missing, and that was not
///   accepted.
/// * [`StoreError::Full`]: that may be, and there is no room to find it out.
/// * [`StoreError::Unavailable`]: the file system says no.
pub(crate) fn admit(
    folder: Folder,
    mark: Option<&Mark>,
    options: &Options,
) -> StoreResult<Admitted> {
    let accept = options.accept_rollback;
    let found = log::look(&folder, mark, options)?;
    let mut judged = log::refuse_damaged(&folder, mark, &found);
    match try_to_prove(&folder, mark, options, &found) {
        Ok(Proof::Whole(folder)) => return Ok(Admitted { folder, is_suspect: false }),
        Ok(Proof::Failed(why)) => {
            if let Err(StoreError::Corrupt { message }) = &mut judged {
                *message = format!("{message}; sled was tried on a copy, where {why}");
            }
        }
        // Without room nothing was tried. After any other error the copy may count already.
        Err(error @ StoreError::Full { .. }) if accept => {
            tracing::warn!(%error, "nothing was proven");
        }
        Err(error) => return Err(error),
        Ok(Proof::None) => {}
    }
    let is_suspect = judged.is_err();
    if !accept {
        judged?;
    }
    log::clear_unreachable(&folder, &found, options)?;
    Ok(Admitted { folder, is_suspect })
}

/// What came of a proof.
pub(crate) enum Proof {
    /// There was no reason for one, or nothing to compare with.
    None,
    /// Nothing is missing; this is the folder, with the tree that it has now.
    Whole(Folder),
    /// Something is missing, and this is what was seen of it.
    Failed(String),
}

/// Proves whether a store is whole, if its log looks as if it might be all the same.
///
/// # Errors
///
/// [`StoreError::Full`] and [`StoreError::Unavailable`]: it cannot be copied. Nothing was changed.
pub(crate) fn try_to_prove(
    folder: &Folder,
    mark: Option<&Mark>,
    options: &Options,
    found: &Found,
) -> StoreResult<Proof> {
    let Some(mark) = mark else { return Ok(Proof::None) };
    let mut outcome = Proof::None;
    for doubt in &found.doubts {
        match (try_one(folder, mark, options, doubt)?, &outcome) {
            (Proof::Failed(_), Proof::Failed(_)) | (Proof::None, _) => {}
            (Proof::Failed(why), _) => outcome = Proof::Failed(why),
            (whole @ Proof::Whole(_), _) => return Ok(whole),
        }
    }
    Ok(outcome)
}

/// Tries what sled makes of a copy without what is in doubt.
fn try_one(folder: &Folder, mark: &Mark, options: &Options, doubt: &Doubt) -> StoreResult<Proof> {
    if folder.blob().is_ok_and(|blob| blob.is_some()) {
        return Ok(Proof::None);
    }
    let begun = Instant::now();
    let bytes = size(folder.tree()).map_err(|error| failed("reading", folder, error))?;
    check_space(folder.path(), bytes + SPARE_BYTES, fs2::available_space(folder.path()))?;
    let next = folder.with_tree(folder.place().next());
    let proven = poison::guarded(next.tree(), || steps(folder, &next, mark, options, doubt));
    if proven.is_err() {
        // Whoever opens the store next tries again. Once the marker names the copy, both stay: it
        // may not be on the disk yet, and the next who opens the store tidies up.
        let place = marker::read(folder.path()).map(Option::unwrap_or_default);
        if place.is_ok_and(|place| place == folder.place()) {
            let _ = leftovers::remove(folder.path(), folder.place());
        }
    }
    let (took, shown) = (begun.elapsed(), folder.path().display());
    match proven {
        Ok(()) => {
            tracing::warn!(
                store = %shown, bytes, ?took,
                "the log looked damaged, and the store was proven to be whole: its copy counts now"
            );
            Ok(Proof::Whole(next))
        }
        Err(StoreError::Corrupt { message }) => {
            tracing::warn!(store = %shown, bytes, ?took, why = message, "the store is not whole");
            Ok(Proof::Failed(message))
        }
        Err(error) => Err(error),
    }
}

fn steps(
    folder: &Folder,
    next: &Folder,
    mark: &Mark,
    options: &Options,
    doubt: &Doubt,
) -> StoreResult<()> {
    let of_tree = &next.options_of_tree(options);
    let copied = || -> io::Result<()> {
        reach(Point::CopyMakes);
        copy(folder.tree(), next.tree())?;
        reach(Point::CopyMade);
        log::clear_copy(next.tree(), folder.options_of_tree(options).segment_bytes, doubt)
    };
    copied().map_err(|error| failed("copying", folder, error))?;
    let disk = Disk::open_unread(next.with_tree(next.place()), of_tree)?;
    check(&disk, mark)?;
    disk.close()?;
    // Whoever opens it next must not come here again.
    let found = log::look(next, Some(mark), options)?;
    log::refuse_damaged(next, Some(mark), &found)?;
    reach(Point::CopyProven);
    let switched = || -> io::Result<()> {
        next.sync_all()?;
        sync(&next.tree().join("blobs"))?;
        marker::write_new(folder.path(), next.place())?;
        reach(Point::CopyMarked);
        marker::put_in_place(folder.path())
    };
    switched().map_err(|error| failed("marking", folder, error))?;
    reach(Point::CopyCounts);
    leftovers::remove(folder.path(), next.place())
}

/// Copies sled's files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for name in files(from)? {
        fs::copy(from.join(&name), to.join(&name))?;
    }
    Ok(())
}

fn size(tree: &Path) -> io::Result<u64> {
    files(tree)?.iter().try_fold(0, |bytes, name| Ok(bytes + tree.join(name).metadata()?.len()))
}

/// Returns the names of the files that a tree consists of.
fn files(tree: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if leftovers::is_of_sled(&name) && entry.file_type()?.is_file() {
            files.push(name);
        }
    }
    Ok(files)
}

/// Makes sure that a tree is the one which the last group left that its head knows of, and that all
/// acknowledged groups are among those.
fn check(disk: &Disk, mark: &Mark) -> StoreResult<()> {
    let corrupt = |message| Err(StoreError::Corrupt { message });
    let head = disk.read_head()?;
    marker::check_format(head.format)?;
    if head.store != mark.store() || head.sequence < mark.sequence() {
        return corrupt(format!(
            "it holds {} groups of changes of store {}, and {} of store {} were acknowledged",
            head.sequence,
            head.store,
            mark.sequence(),
            mark.store()
        ));
    }
    let mut sum = Sum::new(head.store, 0);
    for entry in disk.tree().iter() {
        let (key, value) = entry.map_err(|error| StoreError::Corrupt {
            message: format!("not all of it can be read: {}", poison::describe(&error)),
        })?;
        envelope::open(&key, &value)?;
        sum.add(&key, &value);
    }
    if sum.total() == head.sum {
        return Ok(());
    }
    corrupt(format!(
        "its values are not those that were there after {} groups of changes: some are missing, \
         older, or back again",
        head.sequence
    ))
}

fn check_space(store: &Path, needed: u64, free: io::Result<u64>) -> StoreResult<()> {
    let shown = store.display();
    let free = free.map_err(|error| io_error(&format!("asking for space in {shown}"), error))?;
    if free >= needed {
        return Ok(());
    }
    let message = format!(
        "the log of {shown} looks damaged; finding out on a copy whether it is needs {needed} \
         bytes of free space, and {free} are free; nothing was changed"
    );
    Err(StoreError::Full { message })
}

fn failed(doing: &str, folder: &Folder, error: io::Error) -> StoreError {
    io_error(&format!("{doing} {}", folder.path().display()), error)
}

#[cfg(test)]
mod tests;
