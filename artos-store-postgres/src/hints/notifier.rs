//! Sending hints to other processes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use artos_core::Random;
use sqlx::PgPool;
use tokio::{sync::Notify, time::Instant};

use super::{News, wire};

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
    pub(crate) pool: PgPool,
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
            match tokio::time::timeout(PATIENCE, self.send(&news)).await {
                Ok(Ok(())) => {
                    pause = PAUSE;
                    tokio::time::sleep_until(next).await;
                }
                // The hints are lost, and nothing depends on them.
                result => {
                    tracing::debug!(?result, "hints could not be sent to other processes");
                    tokio::time::sleep(pause.mul_f64(0.5 + self.random.fraction() / 2.0)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn send(&self, news: &News) -> Result<(), sqlx::Error> {
        let payloads = wire::payloads(self.process, news);
        // Nothing is written that would have to outlive anything.
        let sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, payload) \
                   FROM unnest($2::text[]) AS payload";
        sqlx::query(sql).bind(&self.channel).bind(payloads).execute(&self.pool).await?;
        Ok(())
    }
}
