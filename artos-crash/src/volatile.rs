//! A disk with a cache that a power cut empties: of what was written and not flushed, any part
//! survives, in any order.
//!
//! It is one file of a file system in user space; a loop device makes a disk of it.

use std::{
    ffi::OsStr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::Context as _;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use tempfile::TempDir;

use artos_oracle::Dice;

use crate::tools;

/// Bytes of the disk.
const SIZE: usize = 64 << 20;
/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;
/// The name of the file.
const NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);
/// How long the kernel may believe what it was told; nothing about the file ever changes.
const BELIEVED: Duration = Duration::from_secs(60);

/// Which part of what was not flushed survives a cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Survival {
    /// So many of a thousand writes.
    pub(crate) permille: u64,
    /// Whether a write can survive in part.
    pub(crate) torn: bool,
}

/// A disk with a volatile cache. Dropping it takes it away.
pub(crate) struct VolatileDisk {
    cells: Arc<Mutex<Cells>>,
    mount: TempDir,
    /// Unmounts when dropped, and only then may the folder go.
    session: Option<BackgroundSession>,
}

/// What the disk holds.
struct Cells {
    /// What survives for certain.
    durable: Vec<u8>,
    /// What a reader sees.
    current: Vec<u8>,
    /// Writes since the last flush, in order.
    pending: Vec<(usize, Vec<u8>)>,
    /// Whether there is no power: writes are lost.
    is_off: bool,
}

impl VolatileDisk {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let cells = Arc::new(Mutex::new(Cells {
            durable: vec![0; SIZE],
            current: vec![0; SIZE],
            pending: Vec::new(),
            is_off: false,
        }));
        let mount = tools::folder()?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(String::from("artos-crash"))];
        let served = Served(Arc::clone(&cells));
        let session = fuser::spawn_mount(served, mount.path(), &config)
            .context("mounting a file system of our own through /dev/fuse")?;
        Ok(Self { cells, mount, session: Some(session) })
    }

    /// Returns the file that is the disk.
    pub(crate) fn file(&self) -> PathBuf {
        self.mount.path().join(NAME)
    }

    /// Cuts the power; returns how many writes were not flushed, and how many of them survived at
    /// least in part.
    pub(crate) fn cut(&self, survival: Survival, dice: &mut Dice) -> (usize, usize) {
        lock(&self.cells).cut(survival, dice)
    }

    /// Gives the disk its power back.
    pub(crate) fn power_on(&self) {
        lock(&self.cells).is_off = false;
    }
}

impl Drop for VolatileDisk {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // There is nobody left to tell.
            let _ = session.umount_and_join();
        }
    }
}

fn lock(cells: &Mutex<Cells>) -> MutexGuard<'_, Cells> {
    cells.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cells {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.is_off {
            return;
        }
        if let Some(place) = self.current.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
            self.pending.push((at, bytes.to_vec()));
        }
    }

    fn flush(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.pending) {
            self.durable[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }

    fn cut(&mut self, survival: Survival, dice: &mut Dice) -> (usize, usize) {
        let pending = std::mem::take(&mut self.pending);
        let mut survivors = 0;
        for (at, bytes) in &pending {
            let piece = if survival.torn { SECTOR } else { bytes.len().max(1) };
            let mut survived = false;
            for (number, part) in bytes.chunks(piece).enumerate() {
                if dice.permille(survival.permille) {
                    let start = at + number * piece;
                    self.durable[start..start + part.len()].copy_from_slice(part);
                    survived = true;
                }
            }
            survivors += usize::from(survived);
        }
        for (at, bytes) in &pending {
            let range = *at..at + bytes.len();
            self.current[range.clone()].copy_from_slice(&self.durable[range]);
        }
        self.is_off = true;
        (pending.len(), survivors)
    }
}

/// The file system: a folder with one file.
struct Served(Arc<Mutex<Cells>>);

const fn attributes(inode: INodeNo) -> FileAttr {
    let is_file = inode.0 == FILE.0;
    FileAttr {
        ino: inode,
        size: if is_file { SIZE as u64 } else { 0 },
        blocks: if is_file { (SIZE / SECTOR) as u64 } else { 0 },
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if is_file { FileType::RegularFile } else { FileType::Directory },
        perm: if is_file { 0o600 } else { 0o700 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4_096,
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&BELIEVED, &attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&BELIEVED, &attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Without a flag the kernel forgets what it had read before.
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let cells = lock(&self.0);
        let start = usize::try_from(offset).unwrap_or(SIZE).min(SIZE);
        let end = (start + usize::try_from(size).unwrap_or(0)).min(SIZE);
        reply.data(&cells.current[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (Ok(at), Ok(length)) = (usize::try_from(offset), u32::try_from(data.len())) else {
            return reply.error(Errno::EINVAL);
        };
        if at + data.len() > SIZE {
            return reply.error(Errno::ENOSPC);
        }
        lock(&self.0).write(at, data);
        reply.written(length);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file syncs nothing.
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        lock(&self.0).flush();
        reply.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Cells {
        Cells { durable: vec![0; 4_096], current: vec![0; 4_096], pending: vec![], is_off: false }
    }

    #[test]
    fn what_was_flushed_survives_and_of_the_rest_a_part() {
        let mut cells = cells();
        cells.write(0, &[1; 512]);
        cells.flush();
        cells.write(512, &[2; 1_024]);
        cells.write(2_048, &[3; 512]);
        let survival = Survival { permille: 0, torn: false };
        assert_eq!(cells.cut(survival, &mut Dice::new(1)), (2, 0));
        assert_eq!((cells.current[0], cells.current[512], cells.current[2_048]), (1, 0, 0));
        cells.write(0, &[4; 512]);
        assert_eq!(cells.current[0], 1);
    }

    #[test]
    fn a_torn_write_survives_in_some_of_its_sectors() {
        let mut cells = cells();
        cells.write(0, &[1; 4_096]);
        let survival = Survival { permille: 500, torn: true };
        assert_eq!(cells.cut(survival, &mut Dice::new(1)), (1, 1));
        let survived = cells.current.chunks(SECTOR).filter(|sector| sector[0] == 1).count();
        assert!((1..8).contains(&survived));
        assert!(cells.current.chunks(SECTOR).all(|sector| sector.iter().all(|b| *b == sector[0])));
    }
}
