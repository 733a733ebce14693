//! Disks of our own: a file that is a block device, and a file system on it that can be cut off.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::{options::FileSystem, tools};

/// Where the files are that stand for disks. In memory: real disks only make cuts slower.
const MEMORY: &str = "/dev/shm";

/// Bytes of a disk; no more than what is written takes room.
const fn size(file_system: FileSystem) -> u64 {
    match file_system {
        FileSystem::Ext4 => 128 << 20,
        // The smallest that mkfs.xfs makes.
        FileSystem::Xfs => 320 << 20,
    }
}

/// A disk with a file system. Dropping it takes everything away.
pub(crate) struct Disk {
    file_system: FileSystem,
    device: String,
    mounted: bool,
    /// The folder it is mounted at.
    mount: TempDir,
    /// The file that stands for the disk, unless it is somebody else's.
    image: Option<PathBuf>,
}

impl Disk {
    /// Makes a disk in memory.
    pub(crate) fn new(file_system: FileSystem, worker: u64) -> anyhow::Result<Self> {
        let image =
            Path::new(MEMORY).join(format!("artos-crash-{}-{worker}.disk", std::process::id()));
        let file = File::create(&image).with_context(|| format!("making {}", image.display()))?;
        file.set_len(size(file_system))?;
        let mut disk = Self::of(file_system, &image)?;
        disk.image = Some(image);
        Ok(disk)
    }

    /// Makes a disk of a file.
    pub(crate) fn of(file_system: FileSystem, file: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            file_system,
            device: tools::run("losetup", &["-f", "--show", tools::text(file)?])?,
            mounted: false,
            mount: tools::folder()?,
            image: None,
        })
    }

    /// Lets go of the device.
    pub(crate) fn detach(&self) -> anyhow::Result<()> {
        tools::run("losetup", &["-d", &self.device])?;
        Ok(())
    }

    /// Makes a device of a file again: nothing the system remembered of it is left.
    pub(crate) fn attach(&mut self, file: &Path) -> anyhow::Result<()> {
        self.device = tools::run_patiently("losetup", &["-f", "--show", tools::text(file)?])?;
        Ok(())
    }

    /// Makes an empty file system, and mounts it.
    pub(crate) fn format(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        match self.file_system {
            FileSystem::Ext4 => tools::run_patiently("mkfs.ext4", &["-q", "-F", &self.device])?,
            FileSystem::Xfs => tools::run_patiently("mkfs.xfs", &["-q", "-f", &self.device])?,
        };
        self.mount()
    }

    pub(crate) fn mount(&mut self) -> anyhow::Result<()> {
        let at = tools::text(self.mount.path())?;
        tools::run_patiently("mount", &["-t", self.file_system.name(), &self.device, at])?;
        self.mounted = true;
        Ok(())
    }

    /// Unmounts it; whoever used it must be gone, or about to go.
    pub(crate) fn unmount(&mut self) -> anyhow::Result<()> {
        if self.mounted {
            tools::run_patiently("umount", &[tools::text(self.mount.path())?])?;
            self.mounted = false;
        }
        Ok(())
    }

    /// Cuts the power: from this moment on nothing reaches the disk, not even the journal that is
    /// still in memory. Whatever was not synced is lost with the next mount.
    pub(crate) fn cut(&self) -> anyhow::Result<()> {
        let at = tools::text(self.mount.path())?;
        // -F: on any file system, for the request is the same on all of them.
        tools::run("xfs_io", &["-x", "-F", "-c", "shutdown", at])?;
        Ok(())
    }

    /// Returns the folder it is mounted at.
    pub(crate) fn path(&self) -> &Path {
        self.mount.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.unmount();
        let _ = tools::run("losetup", &["-d", &self.device]);
        if let Some(image) = &self.image {
            let _ = fs::remove_file(image);
        }
    }
}

/// Takes away what rigs left behind that were killed.
pub(crate) fn sweep() -> anyhow::Result<()> {
    let is_abandoned = |path: &str| path.split('/').any(tools::is_abandoned);
    // What was mounted last is on top of the others.
    for line in fs::read_to_string("/proc/self/mounts")?.lines().rev() {
        if let Some(at) = line.split(' ').nth(1).filter(|at| is_abandoned(at)) {
            let _ = tools::run("umount", &["-l", at]);
        }
    }
    for line in tools::run("losetup", &["-l", "-n", "-O", "NAME,BACK-FILE"])?.lines() {
        let mut words = line.split_whitespace();
        if let (Some(device), Some(file)) = (words.next(), words.next())
            && is_abandoned(file)
        {
            let _ = tools::run("losetup", &["-d", device]);
        }
    }
    for folder in [Path::new(MEMORY), &std::env::temp_dir()] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(tools::is_abandoned) {
                let _ =
                    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        }
    }
    Ok(())
}
