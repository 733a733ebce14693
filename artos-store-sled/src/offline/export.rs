//! All tasks as lines of JSON.

use std::{io::Write, path::Path};

use artos_core::{
    model::TaskId,
    store::{Part, StoreError, StoreResult},
};

use super::{
    Fault, Report, cross,
    line::{self, Payloads},
    tables::{self, show},
};
use crate::{
    disk::Disk,
    envelope::corrupt,
    folder::io_error,
    keys,
    lookup::{self, InOrder},
    poison::guarded,
};

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exported {
    /// How many tasks were written.
    pub tasks: u64,
    /// Which tasks could not be read; they are not in what was written.
    pub report: Report,
}

/// Writes all tasks, one line of JSON each, in the order of their ids.
///
/// A line has every field of a [`TaskRecord`](artos_core::model::TaskRecord) under its own name,
/// and `input`, `checkpoint` and `output`. What a task does not have is `null`. Times are RFC 3339
/// in UTC. A payload is `{"json": ...}` with the JSON exactly as it was stored, or `{"base64":
/// "..."}` if it is not JSON or has line breaks. A checkpoint is given until its task completes,
/// and an output from then on. Names of fields never change their meaning; new ones may be added.
///
/// Tasks that cannot be read are left out and reported, so that a damaged store gives what it has.
///
/// # Errors
///
/// * [`Locked`](StoreError::Locked): it is open.
/// * [`Invalid`](StoreError::Invalid): no store is there.
/// * [`NewerFormat`](StoreError::NewerFormat): a newer version wrote it.
/// * [`Corrupt`](StoreError::Corrupt): its files make no sense to sled.
/// * [`Full`](StoreError::Full) and [`Unavailable`](StoreError::Unavailable): the file system or
///   the writer says no; then its error is the source.
pub fn export(path: &Path, writer: &mut dyn Write) -> StoreResult<Exported> {
    guarded(path, || {
        let disk = tables::open_path(path)?;
        let exported = export_disk(&disk, writer)?;
        disk.set_sound(true);
        Ok(exported)
    })
}

fn export_disk(disk: &Disk, writer: &mut dyn Write) -> StoreResult<Exported> {
    let records = InOrder::new(disk);
    let mut exported = Exported::default();
    let mut failed = None;
    cross::for_each_row(disk, b't', |key, row| {
        let (None, Some(id)) = (&failed, keys::parse_id(key)) else { return };
        match read(disk, &records, id, row) {
            Ok(mut line) => {
                line.push(b'\n');
                failed = writer.write_all(&line).err();
                exported.tasks += 1;
            }
            Err(error) => {
                let report = &mut exported.report;
                report.add(Fault::DamagedRecord, show(id), "a task", error.to_string());
            }
        }
    })?;
    let done = failed.map_or_else(|| writer.flush(), Err);
    done.map_err(|error| io_error("writing the export", error))?;
    count_unread_blocks(disk, &mut exported.report)?;
    Ok(exported)
}

/// Returns the line of a task.
fn read(disk: &Disk, records: &InOrder<'_>, id: TaskId, row: &[u8]) -> StoreResult<Vec<u8>> {
    let gone = || corrupt(&keys::task(id), "it names chunks that do not exist");
    let mut task = lookup::decode(records, id, row)?.ok_or_else(gone)?;
    let key = keys::listed(keys::RUNNING, id);
    if let Some(changed) = disk.row(&key)? {
        task.take_over(&changed).map_err(|odd| corrupt(&key, odd.0))?;
    }
    let part = |part| lookup::payload(records, &task.stored, part)?.ok_or_else(gone);
    let payloads = Payloads {
        input: part(Part::Input)?,
        checkpoint: part(Part::Checkpoint)?,
        output: part(Part::Output)?,
    };
    let line = line::of(&task.stored.record, &payloads);
    line.map_err(|error| StoreError::Invalid { message: format!("{}: {error}", show(id)) })
}

/// Reports blocks of tasks that could not be read at all.
fn count_unread_blocks(disk: &Disk, report: &mut Report) -> StoreResult<()> {
    for entry in disk.tree().scan_prefix(keys::TASKS) {
        let (key, value) = entry.map_err(|error| disk.failed("reading", &error))?;
        let read = crate::block::Rows::open(&key, &value).and_then(|mut rows| {
            while rows.next()?.is_some() {}
            Ok(())
        });
        if let Err(error) = read {
            report.add(Fault::DamagedBlock, keys::show(&key), "rows", error.to_string());
        }
    }
    Ok(())
}
