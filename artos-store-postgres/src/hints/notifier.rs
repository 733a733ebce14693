//! Sending hints to other processes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use artos_core::Random;
use async_trait::async_trait;
use sqlx::PgConnection;
use tokio::{sync::Notify, time::Instant};

use super::{News, wire};
use crate::call::{Calls, Operation};

/// Shortest time between two sendings. An idle process sends at once; a busy one gathers.
const SPACING: Duration = Duration::from_millis(10);
/// How long to wait for the database. What it does not take by then is not worth sending later.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after a sending that failed, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// News on their way out.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    news: Mutex<News>,
    arrived: Notify,
}

impl Outbox {
    pub(crate) fn put(&self, news: News) {
        if news.is_empty() {
            return;
        }
        self.news.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
        self.arrived.notify_one();
    }

    fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends what is in the outbox.
pub(crate) struct Notifier {
    pub(crate) calls: Arc<Calls>,
    pub(crate) channel: String,
    /// Tells this process's notifications from others'.
    pub(crate) process: u64,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) random: Random,
}

impl Notifier {
    pub(crate) async fn run(self) {
        let mut pause = PAUSE;
        loop {
            self.outbox.arrived.notified().await;
            let next = Instant::now() + SPACING;
            let news = self.outbox.take();
            if news.is_empty() {
                continue;
            }
            let payloads = wire::payloads(self.process, &news);
            let sending = Sending { channel: &self.channel, payloads };
            match self.calls.run_within(PATIENCE, sending).await {
                Ok(()) => {
                    pause = PAUSE;
                    tokio::time::sleep_until(next).await;
                }
                // The hints are lost, and nothing depends on them.
                Err(error) => {
                    tracing::debug!(%error, "hints could not be sent to other processes");
                    tokio::time::sleep(pause.mul_f64(0.5 + self.random.fraction() / 2.0)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

/// One sending.
struct Sending<'a> {
    channel: &'a str,
    payloads: Vec<String>,
}

#[async_trait]
impl Operation for Sending<'_> {
    type Answer = ();

    async fn run(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Nothing is written that would have to outlive anything.
        let sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, payload) \
                   FROM unnest($2::text[]) AS payload";
        sqlx::query(sql).bind(self.channel).bind(&self.payloads).execute(connection).await?;
        Ok(())
    }
}
