//! Connections at rest: the one that was used last is used next.
//!
//! A pool of sqlx asks each connection that it gets back whether it lives, which is a round trip
//! for every call, and hands out the one that rested longest. So all of them would be in use in
//! turn, each with plans of its own to make and to keep. Here a call leaves its connection in good
//! order or takes it out of use, nobody has to ask, and a quiet process works with one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use artos_core::Random;
use sqlx::{PgPool, Postgres, pool::PoolConnection, postgres::PgPoolOptions};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::pace::Pace;

/// The connections of a store.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) pool: PgPool,
    /// None if the pool is somebody else's, who wants back what is not in use.
    resting: Option<Resting>,
    pace: Pace,
}

#[derive(Debug)]
struct Resting {
    /// One for each connection that the pool may have, so that the pool itself never makes wait.
    permits: Semaphore,
    /// The last one was used last.
    connections: Mutex<Vec<Rested>>,
}

#[derive(Debug)]
struct Rested {
    connection: PoolConnection<Postgres>,
    made: Instant,
    since: Instant,
}

impl Connections {
    /// Makes the connections of a store's own pool.
    pub(crate) fn own(pool: PgPool) -> Self {
        let max = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let permits = Semaphore::new(max.min(Semaphore::MAX_PERMITS));
        let resting = Resting { permits, connections: Mutex::default() };
        Self { pool, resting: Some(resting), pace: Pace::default() }
    }

    /// Takes connections from somebody else's pool, and gives each back after its call.
    pub(crate) fn of(pool: PgPool) -> Self {
        Self { pool, resting: None, pace: Pace::default() }
    }

    /// Takes a connection, the warmest there is. Where one has to be made and that fails, the next
    /// attempts are made in turns; `random` draws the pauses in between.
    pub(crate) async fn take(&self, random: &Random) -> Result<Held<'_>, sqlx::Error> {
        let Some(resting) = &self.resting else {
            let connection = self.make(random).await?;
            return Ok(Held { connection: Some(connection), home: None });
        };
        // It is closed by nobody.
        let permit = resting.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let rested = resting.pop(self.pool.options());
        let (connection, made) = match rested {
            Some(rested) => (rested.connection, rested.made),
            None => (self.make(random).await?, Instant::now()),
        };
        let home = Home { connections: self, resting, made, _permit: permit };
        Ok(Held { connection: Some(connection), home: Some(home) })
    }

    async fn make(&self, random: &Random) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.pace.turn(random).await;
        let made = self.pool.acquire().await;
        match &made {
            Ok(_) => self.pace.succeeded(),
            Err(error) if was_cut_off(error) => self.pace.failed(random),
            // The pool is busy, or something else that no pause mends.
            Err(_) => {}
        }
        made
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        // The pool would ask them whether they live, and panics where there is no tokio to do so.
        let connections = self.connections.get_mut().unwrap_or_else(PoisonError::into_inner);
        for rested in connections.drain(..) {
            drop(rested.connection.detach());
        }
    }
}

impl Resting {
    /// Takes the connection that was used last, unless it has rested or lived for too long.
    ///
    /// After a long rest the server, or a firewall on the way, may have forgotten it without a
    /// word, and those below have rested even longer.
    fn pop(&self, options: &PgPoolOptions) -> Option<Rested> {
        let (warmest, cold) = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let warmest = connections.pop()?;
            if !is_over(warmest.since, options.get_idle_timeout()) {
                if !is_over(warmest.made, options.get_max_lifetime()) {
                    return Some(warmest);
                }
                (warmest, Vec::new())
            } else {
                (warmest, std::mem::take(&mut *connections))
            }
        };
        for mut one in std::iter::once(warmest).chain(cold) {
            one.connection.close_on_drop();
        }
        None
    }
}

fn is_over(from: Instant, longest: Option<Duration>) -> bool {
    longest.is_some_and(|longest| from.elapsed() > longest)
}

/// A connection that is closed unless it is given back in good order.
///
/// A call that is dropped half-way leaves its connection in the middle of an answer. The pool would
/// wait for the rest, which may never come; closing it costs one reconnect, and the pool's place is
/// free at once.
pub(crate) struct Held<'a> {
    pub(crate) connection: Option<PoolConnection<Postgres>>,
    home: Option<Home<'a>>,
}

/// Where a connection goes back to. Its permit goes last.
struct Home<'a> {
    connections: &'a Connections,
    resting: &'a Resting,
    made: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Held<'_> {
    /// Gives the connection back in good order.
    pub(crate) fn give_back(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // Without a home, dropping it gives it back to its pool.
        if let Some(home) = &self.home {
            home.rest(connection);
        }
    }

    /// Lets the pool find out whether the connection is in good order.
    pub(crate) fn give_back_to_pool(&mut self) {
        drop(self.connection.take());
    }
}

impl Home<'_> {
    /// Lets a connection rest, unless it is old, and closes one that has rested for too long.
    fn rest(&self, connection: PoolConnection<Postgres>) {
        let made = self.made;
        let options = self.connections.pool.options();
        let mut connections =
            self.resting.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let coldest = connections.first();
        let is_tired = coldest.is_some_and(|one| is_over(one.since, options.get_idle_timeout()));
        let tired = is_tired.then(|| connections.remove(0).connection);
        let old = if is_over(made, options.get_max_lifetime()) {
            Some(connection)
        } else {
            connections.push(Rested { connection, made, since: Instant::now() });
            None
        };
        drop(connections);
        for mut connection in tired.into_iter().chain(old) {
            connection.close_on_drop();
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

/// Returns whether a connection broke off while it was made. The pool tries again by itself where
/// the server refuses it, but one that hangs up looks like an error of the network or the protocol.
pub(crate) const fn was_cut_off(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_))
}
