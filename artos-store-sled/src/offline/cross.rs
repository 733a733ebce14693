//! Checking what the tables say of each other.
//!
//! Every task is asked which rows and chunks it has, and each has to be there. If there are others
//! besides, each of those is asked for its task.

use std::collections::HashMap;

use artos_core::{
    model::{StateCounts, TaskId, TaskState},
    store::StoreResult,
};
use sled::IVec;

use super::{
    Fault, Report,
    headway::Meter,
    tables::{self, show},
    verify::Walk,
};
use crate::{
    block::Rows,
    disk::Disk,
    head::Counts,
    keys,
    lookup::{self, InOrder, Loaded},
};

/// Tables whose rows are found through their tasks.
const BY_TASK: [u8; 6] = [b'e', b's', b'n', b'l', b'k', keys::CHUNKS];

/// Checks all tasks against the other tables; returns how many are in each state.
pub(super) fn check(
    disk: &Disk,
    seen: Walk,
    report: &mut Report,
    meter: &mut Meter<'_>,
) -> StoreResult<Counts> {
    let total = seen.rows.get(&b't').copied();
    let records = InOrder::new(disk);
    let mut cross = Cross {
        disk,
        records,
        seen,
        report,
        counts: StateCounts::default(),
        wanted: HashMap::new(),
    };
    meter.begin("checking tasks", total);
    for_each_row(disk, b't', |key, row| {
        meter.step();
        if let Some(id) = keys::parse_id(key) {
            cross.task(id, row);
        }
    })?;
    cross.left_over();
    for table in BY_TASK {
        let there = cross.seen.rows.get(&table).copied().unwrap_or(0);
        if cross.wanted.get(&table).copied().unwrap_or(0) != there {
            meter.begin("looking for what belongs to no task", Some(there));
            cross.strangers(table, meter)?;
        }
    }
    Ok(Counts(cross.counts))
}

/// Goes through the rows of a table, or the keys of the chunks; skips blocks that make no sense.
pub(super) fn for_each_row(
    disk: &Disk,
    table: u8,
    mut each: impl FnMut(&[u8], &[u8]),
) -> StoreResult<()> {
    for entry in disk.tree().scan_prefix([table]) {
        let (key, value) = entry.map_err(|error| disk.failed("reading", &error))?;
        if table == keys::CHUNKS {
            each(&key, &value);
            continue;
        }
        let Ok(mut rows) = Rows::open(&key, &value) else { continue };
        while let Ok(Some((key, content))) = rows.next() {
            each(key, content);
        }
    }
    Ok(())
}

struct Cross<'a> {
    disk: &'a Disk,
    records: InOrder<'a>,
    seen: Walk,
    report: &'a mut Report,
    counts: StateCounts,
    /// Rows of each table that tasks have and that are there.
    wanted: HashMap<u8, u64>,
}

impl Cross<'_> {
    fn task(&mut self, id: TaskId, row: &[u8]) {
        self.report.tasks += 1;
        let is_live = self.seen.live.remove(&id);
        let changed = self.seen.running.remove(&id);
        let Some(task) = self.read(id, row, changed.as_ref()) else { return };
        let record = &task.stored.record;
        self.counts.add(record.state);
        if let Some((expected, found)) = tables::odd(&task) {
            self.report.add(Fault::DamagedRecord, show(id), expected, found);
        }
        let state = record.state;
        if changed.is_some() && state != TaskState::Running {
            let at = keys::show(&keys::listed(keys::RUNNING, id));
            let expected = "no row among those that run";
            self.report.add(Fault::OrphanRow, at, expected, format!("one, and it is {state}"));
        }
        if is_live == record.is_terminal() {
            let at = keys::show(&keys::listed(keys::LIVE, id));
            let (fault, expected) = match is_live {
                true => (Fault::OrphanRow, "no row among those that are not terminal"),
                false => (Fault::MissingRow, "a row among those that are not terminal"),
            };
            self.report.add(fault, at, expected, format!("the task is {state}"));
        }
        for key in tables::listing(record) {
            if self.there(id, &key).is_some() {
                self.want(&key);
            }
        }
        if let Some(key) = tables::owner(record)
            && let Some(owner) = self.there(id, &key)
        {
            self.want(&key);
            if keys::parse_id(&owner) != Some(id) {
                let found = keys::parse_id(&owner).map_or_else(|| String::from("nobody"), show);
                self.report.add(Fault::WrongOwner, keys::show(&key), show(id), found);
            }
        }
        for chunks in tables::chunks(&task) {
            self.chunks(id, chunks);
        }
    }

    fn read(&mut self, id: TaskId, row: &[u8], changed: Option<&IVec>) -> Option<Loaded> {
        let mut task = match lookup::decode(&self.records, id, row) {
            Ok(Some(task)) => task,
            Ok(None) => {
                let expected = "the chunks of its record";
                self.report.add(Fault::MissingChunk, show(id), expected, "not all of them");
                return None;
            }
            Err(error) => {
                self.report.add(Fault::DamagedRecord, show(id), "a record", error.to_string());
                return None;
            }
        };
        if let Some(changed) = changed
            && let Err(odd) = task.take_over(changed)
        {
            let at = keys::show(&keys::listed(keys::RUNNING, id));
            self.report.add(Fault::DamagedRow, at, "what changed about a task", odd.0);
            return None;
        }
        Some(task)
    }

    /// Returns the value of a row that a task has to have.
    fn there(&mut self, id: TaskId, key: &[u8]) -> Option<IVec> {
        match self.disk.row(key) {
            Ok(Some(value)) => Some(value),
            // A block that makes no sense was found before.
            Err(_) => None,
            Ok(None) => {
                let table = tables::name(key.first().copied().unwrap_or_default());
                let expected = format!("a row for {} in the table of {table}", show(id));
                self.report.add(Fault::MissingRow, keys::show(key), expected, "none");
                None
            }
        }
    }

    fn want(&mut self, key: &[u8]) {
        if let Some(table) = key.first() {
            *self.wanted.entry(*table).or_default() += 1;
        }
    }

    fn chunks(&mut self, id: TaskId, chunks: lookup::Chunks) {
        for key in chunks.keys(id) {
            match self.disk.value(&key) {
                Ok(Some(_)) => self.want(&key),
                Ok(None) => {
                    let at = keys::show(&key);
                    let expected = format!("a chunk of {}", show(id));
                    self.report.add(Fault::MissingChunk, at, expected, "none");
                    return;
                }
                Err(error) => {
                    let at = keys::show(&key);
                    self.report.add(Fault::DamagedChunk, at, "a chunk", error.to_string());
                    return;
                }
            }
        }
        if let Err(error) = lookup::read_chunks(&self.records, id, chunks) {
            self.report.add(Fault::DamagedChunk, show(id), "its chunks", error.to_string());
        }
    }

    /// Reports what is listed as alive and is no task.
    fn left_over(&mut self) {
        let live = self.seen.live.drain().map(|id| keys::listed(keys::LIVE, id));
        let running = std::mem::take(&mut self.seen.running).into_keys();
        let running = running.map(|id| keys::listed(keys::RUNNING, id));
        let mut keys: Vec<_> = live.chain(running).collect();
        keys.sort();
        for key in keys {
            self.report.add(Fault::OrphanRow, keys::show(&key), "a task", "none");
        }
    }

    /// Reports the rows of a table that no task has.
    fn strangers(&mut self, table: u8, meter: &mut Meter<'_>) -> StoreResult<()> {
        let Self { disk, records, report, .. } = self;
        for_each_row(disk, table, |key, value| {
            meter.step();
            let id = match table {
                b'k' => keys::parse_id(value),
                keys::CHUNKS => keys::parse_chunk(key),
                _ => keys::parse_id(key),
            };
            let Some(id) = id else { return };
            let task = load(disk, records, id);
            let is_his = task.as_ref().is_some_and(|task| has(task, id, table, key));
            if !is_his {
                let fault = match table {
                    keys::CHUNKS => Fault::OrphanChunk,
                    _ => Fault::OrphanRow,
                };
                let found = if task.is_some() { "the task says otherwise" } else { "no such task" };
                report.add(fault, keys::show(key), format!("what {} has", show(id)), found);
            }
        })
    }
}

/// Returns a task as it is now.
fn load(disk: &Disk, records: &InOrder<'_>, id: TaskId) -> Option<Loaded> {
    let row = disk.row(&keys::task(id)).ok()??;
    let mut task = lookup::decode(records, id, &row).ok()??;
    if let Some(changed) = disk.row(&keys::listed(keys::RUNNING, id)).ok()? {
        task.take_over(&changed).ok()?;
    }
    Some(task)
}

/// Returns whether a key of a table is one of a task's.
fn has(task: &Loaded, id: TaskId, table: u8, key: &[u8]) -> bool {
    match table {
        b'k' => tables::owner(&task.stored.record).is_some_and(|owner| owner == key),
        keys::CHUNKS => tables::chunks(task).any(|chunks| chunks.keys(id).any(|own| own == key)),
        _ => tables::listing(&task.stored.record).iter().any(|own| own == key),
    }
}
