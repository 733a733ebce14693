//! Everything that can go wrong, one thing after the other, under workers and submitters that are
//! never told.

use std::{net::SocketAddr, path::Path, time::Duration};

use artos_oracle::{Dice, Invariant};
use artos_test_postgres::{Durability, Proxy, Server};
use tokio::runtime::Runtime;

use super::{
    crowd::Crowd,
    trouble::{Place, Trouble, execute, forget_the_dead},
};
use crate::{
    rig::{Rig, Round},
    stall,
    subject::Subject,
    watch::{Deadline, now},
};

/// Rounds of one database.
const ROUNDS_OF_A_STORE: u64 = 8;
/// How soon everything works again after a trouble.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// How long the processes may take to begin.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// Outages of an everyday run, and of one that has the time.
const OUTAGE: Duration = Duration::from_millis(2_500);
const LONG_OUTAGE: Duration = Duration::from_secs(60);

pub(crate) struct Chaos {
    // Dropped before the runtime it runs on.
    proxy: Proxy,
    server: Server,
    runtime: Runtime,
    outage: Duration,
    databases: u64,
    next: usize,
}

impl Chaos {
    /// Starts a server; with time to spare, its outages are long.
    pub(crate) fn new(worker: u64, has_time: bool) -> anyhow::Result<Self> {
        let server = Server::start_with(Durability::None, &["shared_buffers=32MB"])?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let proxy = runtime.block_on(Proxy::start(address))?;
        let role = "CREATE ROLE crowd LOGIN; GRANT ALL ON DATABASE postgres TO crowd";
        runtime.block_on(execute(&server.url(), role))?;
        let outage = if has_time { LONG_OUTAGE } else { OUTAGE };
        // Not all workers of the rig make the same trouble first.
        let next = usize::try_from(worker).unwrap_or(0) * 8;
        Ok(Self { proxy, server, runtime, outage, databases: 0, next })
    }

    fn url(&self) -> String {
        let url = self.server.url();
        let server = url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server);
        format!("{server}/chaos{}", self.databases)
    }
}

impl Rig for Chaos {
    fn begin(&mut self, folder: &Path, seed: u64) -> anyhow::Result<Subject> {
        self.databases += 1;
        let create = format!("CREATE DATABASE chaos{} OWNER crowd", self.databases);
        self.runtime.block_on(execute(&self.server.url(), &create))?;
        let url = self.proxy.url(&self.url()).replace("postgres@", "crowd@");
        Subject::in_database(folder, url, seed)
    }

    fn round(&mut self, subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<Round> {
        let trouble = Trouble::ALL.get(self.next % Trouble::ALL.len()).copied();
        let trouble = trouble.unwrap_or(Trouble::Kill);
        self.next += 1;
        let mut crowd = Crowd::start(subject)?;
        let begun = Deadline::after(BEGIN_WITHIN);
        if !crowd.begin(subject, begun)? {
            subject.find(Invariant::Opens, "nothing works in the beginning");
            crowd.end(subject, false)?;
            return Ok(Round::Broken);
        }
        crowd.watch.count_anew();
        crowd.read_for(subject, Duration::from_millis(1_000))?;
        let usual = crowd.watch.settled();
        subject.note(&format!("trouble: {trouble:?}; {usual} settlements in the second before"))?;
        let url = self.url();
        let place = Place {
            runtime: &self.runtime,
            server: &self.server,
            proxy: &self.proxy,
            url: &url,
            outage: self.outage,
        };
        place.make(trouble, &mut crowd, subject, dice)?;
        crowd.read_arrived(subject)?;
        back_again(&mut crowd, subject, &format!("{trouble:?}"), usual)?;
        crowd.end(subject, dice.below(2) == 0)?;
        self.proxy.reset();
        self.settle_down()?;
        Ok(Round::Broken)
    }

    fn settle_down(&self) -> anyhow::Result<()> {
        self.runtime.block_on(forget_the_dead(&self.url()))
    }

    fn rounds_of_a_store(&self) -> u64 {
        ROUNDS_OF_A_STORE
    }
}

/// Checks that work goes on soon after a trouble, as fast as before, without anybody's help.
pub(crate) fn back_again(
    crowd: &mut Crowd,
    subject: &mut Subject,
    trouble: &str,
    usual: u64,
) -> anyhow::Result<()> {
    let over = now();
    let deadline = Deadline::after(BACK_WITHIN);
    crowd.watch.count_anew();
    let is_back = crowd.read_until(subject, deadline, super::watch::Watch::is_everything_back)?;
    let back = over.elapsed();
    let mut fast = None;
    while is_back && fast.is_none() && !deadline.is_over() {
        crowd.watch.count_anew();
        crowd.read_for(subject, Duration::from_millis(500))?;
        if crowd.watch.settled() * 4 >= usual {
            fast = Some(over.elapsed());
        }
    }
    let watch = &crowd.watch;
    let stalls = stall::within(over.elapsed());
    subject.note(&format!(
        "after {trouble}: everything works after {back:?}, as fast as before after {fast:?}; the \
         longest call took {:?}, the longest orphan waited {:?}; {stalls}",
        watch.longest_call, watch.longest_orphaned
    ))?;
    if !is_back {
        let message = format!("{back:?} after {trouble} not everything works; {stalls}");
        subject.find(Invariant::Ends, message);
    } else if fast.is_none() {
        let elapsed = over.elapsed();
        let message = format!("{elapsed:?} after {trouble} it is slower than before; {stalls}");
        subject.find(Invariant::Ends, message);
    }
    Ok(())
}
