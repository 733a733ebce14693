//! Cuts the power of the machine the server is on. Its clients are elsewhere, and live on: whatever
//! they were told counts.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use artos_oracle::{Dice, Invariant};
use artos_test_postgres::{Durability, Proxy, Server, Way, Weather};
use tokio::runtime::Runtime;

use super::{chaos::back_again, crowd::Crowd, trouble::forget_the_dead};
use crate::{
    disk::Disk,
    options::FileSystem,
    rig::{Rig, Round},
    rigs::power,
    subject::Subject,
    tools,
    watch::Deadline,
};

/// Rounds of one cluster.
const ROUNDS_OF_A_STORE: u64 = 20;
/// How long the processes may take to begin.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);

/// A cluster that fits a small disk, and that would rather not wait for it: the store insists.
const SETTINGS: [&str; 8] = [
    "synchronous_commit=off",
    "shared_buffers=16MB",
    "min_wal_size=4MB",
    "max_wal_size=24MB",
    "max_connections=60",
    "wal_init_zero=off",
    "autovacuum_naptime=2s",
    // A socket has a lock file that names its process, too.
    "unix_socket_directories=",
];

pub(crate) struct Cuts {
    // Dropped before the runtime it runs on.
    proxy: Option<Proxy>,
    // Dropped before its disk.
    server: Option<Server>,
    disk: Disk,
    runtime: Runtime,
    control: bool,
}

/// Checks that power can be cut here.
pub(crate) fn require() -> anyhow::Result<()> {
    power::require()
}

impl Cuts {
    /// Makes a disk; as a control, the server does not sync.
    pub(crate) fn new(worker: u64, control: bool) -> anyhow::Result<Self> {
        let disk = Disk::new(FileSystem::Ext4, worker)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { proxy: None, server: None, disk, runtime, control })
    }

    fn server(&self) -> anyhow::Result<&Server> {
        self.server.as_ref().context("there is no server")
    }

    /// Cuts the power; the server's machine is gone.
    ///
    /// Nothing leaves a machine without power, so replies are held back first: a sync that is under
    /// way while the file system is shut down may succeed, and yet not be on the disk.
    fn cut(&self) -> anyhow::Result<()> {
        let server = self.server()?;
        self.weather(|weather| weather.replies = Way::Held);
        // What is on the disk cannot be read once it is cut.
        let processes = server.processes()?;
        self.disk.cut()?;
        processes.kill()?;
        // What was held back is lost with its connections.
        if let Some(proxy) = &self.proxy {
            proxy.reset();
        }
        self.weather(|weather| weather.replies = Way::Open);
        Ok(())
    }

    fn weather(&self, change: impl FnOnce(&mut Weather)) {
        if let Some(proxy) = &self.proxy {
            proxy.set(change);
        }
    }

    /// Brings the server back; what it says if it does not come back.
    fn come_back(&mut self) -> anyhow::Result<Option<String>> {
        self.disk.unmount()?;
        self.disk.mount()?;
        let server = self.server()?;
        // A machine that starts has no process of that number; here it may still be on the books.
        let _ = std::fs::remove_file(server.data().join("postmaster.pid"));
        Ok(server.resume().err().map(|error| {
            let log = std::fs::read_to_string(server.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(20).collect();
            let last: Vec<_> = lines.into_iter().rev().collect();
            format!("{error}\n{}", last.join("\n"))
        }))
    }
}

impl Rig for Cuts {
    fn begin(&mut self, folder: &Path, seed: u64) -> anyhow::Result<Subject> {
        if let Some(server) = self.server.take() {
            // It may be beyond being stopped in any other way.
            let _ = server.processes().and_then(|processes| processes.kill());
        }
        self.disk.format()?;
        let mut settings = SETTINGS.to_vec();
        if self.control {
            settings.extend(["fsync=off", "full_page_writes=on"]);
        }
        let cluster = self.disk.path().join("cluster");
        let server = Server::start_in(&cluster, Durability::Power, &settings)?;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let proxy = self.runtime.block_on(Proxy::start(address))?;
        let url = proxy.url(&server.url());
        (self.server, self.proxy) = (Some(server), Some(proxy));
        Subject::in_database(folder, url, seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let mut crowd = Crowd::start(subject)?;
        let begun = Deadline::after(BEGIN_WITHIN);
        if !crowd.begin(subject, begun)? {
            subject.find(Invariant::Opens, "nothing works in the beginning");
            crowd.end(subject, false)?;
            return Ok(Round::Broken);
        }
        if self.control {
            // Or nothing at all would be left of a cluster that never syncs.
            tools::run("sync", &["-f", tools::text(self.disk.path())?])?;
            crowd.read_for(subject, Duration::from_millis(300))?;
        }
        crowd.read_for(subject, Duration::from_millis(dice.below(400)))?;
        subject.note("the power is cut")?;
        self.cut()?;
        if self.control {
            // What is lost would be covered up by those who go on.
            crowd.end(subject, false)?;
            let said = self.come_back()?;
            said.into_iter().for_each(|said| subject.find(Invariant::Opens, said));
            return Ok(Round::Broken);
        }
        if let Some(said) = self.come_back()? {
            subject.find(Invariant::Opens, format!("the server does not come back: {said}"));
            crowd.end(subject, false)?;
            return Ok(Round::Broken);
        }
        crowd.read_arrived(subject)?;
        back_again(&mut crowd, subject, "a cut", 0)?;
        crowd.end(subject, dice.below(3) == 0)?;
        self.settle_down()?;
        Ok(Round::Broken)
    }

    fn settle_down(&self) -> anyhow::Result<()> {
        let url = self.server()?.url();
        self.runtime.block_on(forget_the_dead(&url))
    }

    fn rounds_of_a_store(&self) -> u64 {
        if self.control { 1 } else { ROUNDS_OF_A_STORE }
    }
}
