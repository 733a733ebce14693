//! One call to the database: a connection for just as long, a deadline, and tries on others when a
//! connection turns out to be dead.

use std::time::Duration;

use artos_core::{
    Random,
    store::{StoreError, StoreResult},
};
use async_trait::async_trait;
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::{
    connections::{Connections, was_cut_off},
    fault::{Remedy, remedy, store_error},
};

/// First pause before a call is tried again that stood in another's way; it doubles.
const PAUSE: Duration = Duration::from_millis(2);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Tries beyond one for each connection of the pool, all of which may have died with the server.
const TRIES: u32 = 5;

/// What is done over one connection. It may be run again, also after a run whose end is unknown: it
/// then finds out what the first run did.
#[async_trait]
pub(crate) trait Operation: Send {
    /// What it answers.
    type Answer: Send;

    /// Runs it.
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Self::Answer, sqlx::Error>;
}

/// How calls are made.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) connections: Connections,
    pub(crate) deadline: Duration,
    pub(crate) random: Random,
}

impl Calls {
    /// Runs an operation, again if need be, and gives up at the deadline.
    pub(crate) async fn run<O: Operation>(&self, operation: O) -> StoreResult<O::Answer> {
        self.run_within(self.deadline, operation).await
    }

    /// Runs an operation with a deadline of its own.
    pub(crate) async fn run_within<O: Operation>(
        &self,
        patience: Duration,
        mut operation: O,
    ) -> StoreResult<O::Answer> {
        let deadline = Instant::now() + patience;
        let tries_max = self.connections.pool.options().get_max_connections().saturating_add(TRIES);
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let attempt = self.attempt(&mut operation);
            let error = match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    let message = format!("the database did not answer within {patience:?}");
                    return Err(StoreError::unavailable(message));
                }
            };
            match error {
                // Nothing was asked yet, and the server may just be coming back; connections are
                // made at a pace.
                Failed::WhileConnecting(error)
                    if was_cut_off(&error) && Instant::now() < deadline =>
                {
                    tries -= 1;
                }
                Failed::WhileConnecting(error) => return Err(store_error(error)),
                Failed::Running(error) => match remedy(&error) {
                    Remedy::Reconnect if tries < tries_max => {}
                    Remedy::Repeat if tries < tries_max => {
                        tokio::time::sleep(pause.mul_f64(self.random.fraction())).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                    _ => return Err(store_error(error)),
                },
            }
        }
    }

    async fn attempt<O: Operation>(&self, operation: &mut O) -> Result<O::Answer, Failed> {
        let mut held =
            self.connections.take(&self.random).await.map_err(Failed::WhileConnecting)?;
        let Some(connection) = &mut held.connection else {
            return Err(Failed::WhileConnecting(sqlx::Error::PoolClosed));
        };
        let answer = operation.run(connection).await;
        match &answer {
            Ok(_) => held.give_back(),
            // A server that answers, even with an error, has left its connection in good order,
            // but the end of a transaction may still have to be sent.
            Err(error) if remedy(error) != Remedy::Reconnect => held.give_back_to_pool(),
            Err(_) => {}
        }
        answer.map_err(Failed::Running)
    }
}

enum Failed {
    WhileConnecting(sqlx::Error),
    Running(sqlx::Error),
}
