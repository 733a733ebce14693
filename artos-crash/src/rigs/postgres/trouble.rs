//! What can go wrong with a database that is elsewhere, except that its machine loses its power.

use std::time::Duration;

use anyhow::Context as _;
use artos_oracle::Dice;
use artos_test_postgres::{Proxy, Server, Way};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::runtime::Runtime;

use super::crowd::Crowd;
use crate::{child::CALL_DEADLINE, subject::Subject};

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Workers are killed with SIGKILL.
    Kill,
    /// A worker is frozen for longer than its leases, and goes on.
    Freeze,
    /// The server crashes and recovers.
    Restart,
    /// The server is away for a while.
    Outage,
    /// All sessions are ended, again and again.
    Terminate,
    /// Nothing gets to the server.
    HoldRequests,
    /// Nothing comes back from the server.
    HoldReplies,
    /// Neither.
    Partition,
    /// Requests get lost with their connections.
    LoseRequests,
    /// Replies get lost with their connections: nobody knows what was committed.
    LoseReplies,
    /// Connections are reset.
    Reset,
    /// Everything is slow.
    Slow,
    /// The server takes no more connections, and has dropped those it had.
    Exhausted,
    /// Somebody holds a lock on the table.
    Locked,
    /// The server takes no writes, as a standby.
    ReadOnly,
}

impl Trouble {
    pub(crate) const ALL: [Self; 15] = [
        Self::Kill,
        Self::LoseReplies,
        Self::Restart,
        Self::Partition,
        Self::Terminate,
        Self::Freeze,
        Self::LoseRequests,
        Self::Locked,
        Self::HoldReplies,
        Self::Outage,
        Self::Reset,
        Self::ReadOnly,
        Self::HoldRequests,
        Self::Exhausted,
        Self::Slow,
    ];
}

/// What troubles happen to.
pub(crate) struct Place<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) server: &'a Server,
    pub(crate) proxy: &'a Proxy,
    /// The database, without the proxy in between.
    pub(crate) url: &'a str,
    /// How long an outage lasts.
    pub(crate) outage: Duration,
}

impl Place<'_> {
    /// Makes one trouble, and takes it away again.
    pub(crate) fn make(
        &self,
        trouble: Trouble,
        crowd: &mut Crowd,
        subject: &mut Subject,
        dice: &mut Dice,
    ) -> anyhow::Result<()> {
        // Shorter than the deadline of a call, or longer.
        let time = Duration::from_millis(dice.between(200, 3_500));
        match trouble {
            Trouble::Kill => crowd.kill_workers(subject, dice),
            Trouble::Freeze => crowd.freeze(subject, Duration::from_millis(4_500)),
            Trouble::Restart => {
                self.server.stop()?;
                Ok(self.server.resume()?)
            }
            Trouble::Outage => {
                self.server.stop()?;
                let read = crowd.read_for(subject, self.outage);
                self.server.resume()?;
                read
            }
            Trouble::Terminate => self.again(crowd, subject, || self.terminate()),
            Trouble::Reset => self.again(crowd, subject, || {
                self.proxy.reset();
                Ok(())
            }),
            Trouble::HoldRequests => self.ways(crowd, subject, (Way::Held, Way::Open), time),
            Trouble::HoldReplies => self.ways(crowd, subject, (Way::Open, Way::Held), time),
            Trouble::Partition => self.ways(crowd, subject, (Way::Held, Way::Held), time),
            Trouble::LoseRequests => self.ways(crowd, subject, (Way::Loses, Way::Open), time / 3),
            Trouble::LoseReplies => self.ways(crowd, subject, (Way::Open, Way::Loses), time / 3),
            Trouble::Slow => {
                self.proxy.set(|weather| {
                    weather.delay = Duration::from_millis(30);
                    weather.bytes_per_second = 200_000;
                });
                let read = crowd.read_for(subject, Duration::from_secs(2));
                self.proxy.clear();
                read
            }
            Trouble::Exhausted => self.exhaust(crowd, subject, time),
            Trouble::Locked => self.lock(crowd, subject, time),
            Trouble::ReadOnly => {
                self.read_only("on")?;
                let read = crowd.read_for(subject, time);
                self.read_only("off")?;
                read
            }
        }
    }

    fn ways(
        &self,
        crowd: &mut Crowd,
        subject: &mut Subject,
        (requests, replies): (Way, Way),
        time: Duration,
    ) -> anyhow::Result<()> {
        self.proxy.set(|weather| (weather.requests, weather.replies) = (requests, replies));
        let read = crowd.read_for(subject, time);
        self.proxy.clear();
        read
    }

    fn again(
        &self,
        crowd: &mut Crowd,
        subject: &mut Subject,
        trouble: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for _ in 0..10 {
            trouble()?;
            crowd.read_for(subject, Duration::from_millis(60))?;
        }
        Ok(())
    }

    fn terminate(&self) -> anyhow::Result<()> {
        self.sql(&format!("SELECT pg_terminate_backend(pid) {SESSIONS}"))
    }

    fn exhaust(
        &self,
        crowd: &mut Crowd,
        subject: &mut Subject,
        time: Duration,
    ) -> anyhow::Result<()> {
        self.sql("ALTER ROLE crowd CONNECTION LIMIT 1")?;
        self.terminate()?;
        let read = crowd.read_for(subject, time);
        self.sql("ALTER ROLE crowd CONNECTION LIMIT -1")?;
        read
    }

    fn lock(&self, crowd: &mut Crowd, subject: &mut Subject, time: Duration) -> anyhow::Result<()> {
        let mut holder = self.runtime.block_on(PgConnection::connect(self.url))?;
        let lock = "BEGIN; LOCK TABLE artos.tasks IN ACCESS EXCLUSIVE MODE";
        self.runtime.block_on(holder.execute(sqlx::raw_sql(lock)))?;
        let read = crowd.read_for(subject, time);
        self.runtime.block_on(holder.close())?;
        read
    }

    fn read_only(&self, value: &str) -> anyhow::Result<()> {
        self.sql(&format!("ALTER ROLE crowd SET default_transaction_read_only = {value}"))?;
        // Only new sessions take it.
        self.terminate()
    }

    pub(crate) fn sql(&self, sql: &str) -> anyhow::Result<()> {
        self.runtime.block_on(execute(self.url, sql))
    }
}

/// The sessions of children, dead ones as well.
const SESSIONS: &str = "FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// Waits until the server is done with children that are gone: what they asked for last may still
/// be under way, and nothing else may be while everything is compared.
pub(crate) async fn forget_the_dead(url: &str) -> anyhow::Result<()> {
    execute(url, &format!("SELECT pg_terminate_backend(pid, 30000) {SESSIONS}")).await
}

/// Runs statements over a connection of its own.
pub(crate) async fn execute(url: &str, sql: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await.context("the server is not there")?;
    // A statement's own transaction, so that it takes what must not be in one.
    for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await?;
    }
    connection.close().await?;
    Ok(())
}

/// A deadline that a held connection outlasts, and one that it does not, have to be in reach.
const _: () = assert!(CALL_DEADLINE.as_millis() > 200 && CALL_DEADLINE.as_millis() < 3_500);
