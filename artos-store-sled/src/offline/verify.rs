//! Checking a store: first what every key holds by itself, then what the tables say of each other.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

use artos_core::{
    model::TaskId,
    store::{StoreError, StoreResult},
};
use sled::IVec;

use super::{Fault, Headway, Report, cross, headway::Meter, tables};
use crate::{
    block::Rows,
    builder::SledStoreBuilder,
    disk::Disk,
    envelope::{self, Sort, VALUE_BYTES_MAX},
    folder::Folder,
    head::Head,
    keys, leftovers, log,
    mark::Mark,
    poison::guarded,
    proof::{self, Proof},
    sum::Sum,
};

/// Checks everything in a store, and returns all that is wrong with it.
///
/// It reads every byte of every task, and changes none of it; sled tidies its files meanwhile. A
/// log in which sled would repair something is reported and not opened: then the tasks are not
/// checked.
///
/// # Errors
///
/// When the store cannot be looked at:
///
/// * [`Locked`](StoreError::Locked): it is open.
/// * [`Invalid`](StoreError::Invalid): no store is there.
/// * [`NewerFormat`](StoreError::NewerFormat): a newer version wrote it.
/// * [`Corrupt`](StoreError::Corrupt): its marker makes no sense, or its tree is missing.
/// * [`Full`](StoreError::Full) and [`Unavailable`](StoreError::Unavailable): the file system says
///   no.
pub fn verify(path: &Path, progress: &mut dyn FnMut(Headway)) -> StoreResult<Report> {
    let mut report = Report::default();
    let folder = Folder::open_existing(path)?;
    let mark = Mark::open(path);
    let mark = match mark {
        Ok(mark) => Some(mark),
        Err(StoreError::Corrupt { message }) => {
            report.add(Fault::DamagedMark, crate::mark::NAME, "a mark", message);
            None
        }
        Err(error) => return Err(error),
    };
    let checked = guarded(path, || {
        folder.require_tree()?;
        let checked = check_log(folder, mark.as_ref(), &mut report)?;
        let Some(folder) = checked else { return Ok(()) };
        let disk = tables::open(folder)?;
        check(&disk, mark.as_ref(), &mut report, progress)?;
        disk.set_sound(true);
        Ok(())
    });
    match checked {
        // What sled makes of its files is what was asked.
        Err(StoreError::Corrupt { message }) => {
            let fault =
                if message.contains("blobs") { Fault::StrayFile } else { Fault::UnreadableTree };
            report.add(fault, path.display().to_string(), "a tree that can be read", message);
            Ok(report)
        }
        checked => checked.map(|()| report),
    }
}

/// Checks what sled would find; returns the folder if nothing is missing from that.
fn check_log(
    folder: Folder,
    mark: Option<&Mark>,
    report: &mut Report,
) -> StoreResult<Option<Folder>> {
    let options = SledStoreBuilder::new(folder.path().to_owned()).into_options();
    let found = log::look(&folder, mark, &options)?;
    let data = folder.tree().join(leftovers::TREE_FILE);
    let data = data.display();
    if let Some(offset) = found.damage {
        let mut message = String::from("bytes that make no sense to sled");
        match proof::try_to_prove(&folder, mark, &options, &found)? {
            Proof::Whole(folder) => return Ok(Some(folder)),
            Proof::Failed(why) => message = format!("{message}; tried on a copy, {why}"),
            Proof::None => {}
        }
        report.add(Fault::DamagedLog, format!("{data}, offset {offset}"), "a message", message);
    }
    let acknowledged = mark.map_or(0, Mark::sequence);
    if let Some(held) = found.sequence.filter(|held| *held < acknowledged) {
        let expected = format!("{acknowledged} groups of changes, as acknowledged");
        let at = format!("{data}, offset {}", found.end);
        report.add(Fault::BehindMark, at, expected, held.to_string());
        return Ok(None);
    }
    Ok(found.damage.is_none().then_some(folder))
}

/// Checks a tree against a mark.
pub(super) fn check(
    disk: &Disk,
    mark: Option<&Mark>,
    report: &mut Report,
    progress: &mut dyn FnMut(Headway),
) -> StoreResult<()> {
    let head = match disk.read_head() {
        Ok(head) => Some(head),
        Err(error) => {
            report.add(Fault::DamagedHead, "key h", "a head that makes sense", error.to_string());
            None
        }
    };
    let mut meter = Meter::new(progress);
    let seen = Walk::run(disk, head.as_ref(), report, &mut meter)?;
    if let Some(head) = head.filter(|head| head.sum != seen.sum.total()) {
        let expected = format!("values that come to {:032x}", head.sum);
        let found = format!("{:032x}", seen.sum.total());
        report.add(Fault::WrongSum, "key h", expected, found);
    }
    let counts = cross::check(disk, seen, report, &mut meter)?;
    report.is_complete = true;
    if let Some(head) = head {
        check_head(&head, mark, report);
        if head.counts != counts {
            let (expected, found) = (format!("{:?}", counts.0), format!("{:?}", head.counts.0));
            report.add(Fault::WrongCount, "key h", expected, found);
        }
    }
    if let Ok(Some(name)) = disk.folder().blob() {
        report.add(Fault::StrayFile, format!("blobs/{name}"), "no file", "a file");
    }
    Ok(())
}

fn check_head(head: &Head, mark: Option<&Mark>, report: &mut Report) {
    let Some(mark) = mark else { return };
    if head.sequence > 0 && head.store != mark.store() {
        let (expected, found) = (format!("store {}", head.store), format!("{}", mark.store()));
        report.add(Fault::ForeignMark, crate::mark::NAME, expected, found);
    } else if head.sequence < mark.sequence() {
        let expected = format!("{} groups of changes, as acknowledged", mark.sequence());
        report.add(Fault::BehindMark, "key h", expected, head.sequence.to_string());
    }
}

/// What the first walk saw, for the second one.
#[derive(Debug)]
pub(super) struct Walk {
    /// Rows, or chunks, of each table.
    pub(super) rows: HashMap<u8, u64>,
    /// Tasks that are listed as not terminal.
    pub(super) live: HashSet<TaskId>,
    /// What has changed about running tasks.
    pub(super) running: BTreeMap<TaskId, IVec>,
    /// The last key of a row.
    last: Vec<u8>,
    sum: Sum,
}

impl Walk {
    fn run(
        disk: &Disk,
        head: Option<&Head>,
        report: &mut Report,
        meter: &mut Meter<'_>,
    ) -> StoreResult<Self> {
        let mut walk = Self {
            rows: HashMap::new(),
            live: HashSet::new(),
            running: BTreeMap::new(),
            last: Vec::new(),
            sum: Sum::new(head.map(|head| head.store).unwrap_or_default(), 0),
        };
        meter.begin("checking blocks", tables::count(disk));
        for entry in disk.tree().iter() {
            let (key, value) = entry.map_err(|error| disk.failed("reading", &error))?;
            meter.step();
            walk.sum.add(&key, &value);
            report.bytes += (key.len() + value.len()) as u64;
            if value.len() > VALUE_BYTES_MAX {
                let expected = format!("at most {VALUE_BYTES_MAX} bytes");
                let found = format!("{} bytes", value.len());
                report.add(Fault::DamagedBlock, keys::show(&key), expected, found);
            }
            match key.first() {
                _ if key == keys::HEAD => {}
                Some(&keys::CHUNKS) => walk.chunk(&key, &value, report),
                Some(table) if tables::TABLES.iter().any(|(known, _)| known == table) => {
                    walk.block(&key, &value, report);
                }
                _ => {
                    let expected = "a key of a table";
                    report.add(Fault::UnknownKey, keys::show(&key), expected, "none that is known");
                }
            }
        }
        Ok(walk)
    }

    fn chunk(&mut self, key: &IVec, value: &IVec, report: &mut Report) {
        report.chunks += 1;
        *self.rows.entry(keys::CHUNKS).or_default() += 1;
        if let Err(error) = envelope::open_as(key, value, Sort::Chunk) {
            report.add(Fault::DamagedChunk, keys::show(key), "a chunk", error.to_string());
        }
    }

    fn block(&mut self, block: &IVec, value: &IVec, report: &mut Report) {
        report.blocks += 1;
        let before = report.rows;
        if let Err(error) = self.rows_of(block, value, report) {
            report.add(Fault::DamagedBlock, keys::show(block), "rows", error.to_string());
        } else if report.rows == before {
            report.add(Fault::DamagedBlock, keys::show(block), "at least one row", "none");
        }
    }

    fn rows_of(&mut self, block: &IVec, value: &IVec, report: &mut Report) -> StoreResult<()> {
        if self.last.as_slice() >= block.as_ref() {
            let expected = "a key behind all rows of the block before";
            report.add(Fault::MisplacedRow, keys::show(block), expected, keys::show(&self.last));
        }
        let mut first = true;
        let mut rows = Rows::open(block, value)?;
        while let Some((key, content)) = rows.next()? {
            report.rows += 1;
            // The first row of a block may have the block's own key.
            let is_after = if first { key >= block.as_ref() } else { key > self.last.as_slice() };
            first = false;
            if !is_after || keys::table(key) != keys::table(block) {
                let expected = format!("a key behind {}", keys::show(&self.last));
                report.add(Fault::MisplacedRow, keys::show(block), expected, keys::show(key));
            }
            self.row(key, content, report);
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        Ok(())
    }

    fn row(&mut self, key: &[u8], content: &[u8], report: &mut Report) {
        let Some(table) = key.first().copied() else { return };
        *self.rows.entry(table).or_default() += 1;
        let id = keys::parse_id(key);
        match (table, id) {
            // Records are looked at one by one later, and so is what owners name.
            (b't', Some(_)) if key.len() == keys::ID_KEY_BYTES => {}
            (b'k', _) if keys::parse_id(content).is_some() => {}
            (b'c', Some(id)) if key.len() == keys::ID_KEY_BYTES => {
                self.running.insert(id, content.into());
            }
            (b'v', Some(id)) if key.len() == keys::ID_KEY_BYTES && content.is_empty() => {
                self.live.insert(id);
            }
            (b'e' | b's' | b'n' | b'l', Some(_)) if content.is_empty() => {}
            _ => {
                let expected = format!("a row of the table of {}", tables::name(table));
                let found = format!("{} bytes", content.len());
                report.add(Fault::DamagedRow, keys::show(key), expected, found);
            }
        }
    }
}
