//! Hearing the hints of other processes, over a connection of its own.
//!
//! The connection runs no transaction while it waits, so it holds back no vacuum.

use std::time::Duration;

use artos_core::{Random, notify::ChangeHub};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::wire;

/// How often a silent connection is asked whether it is still there.
const CHECK: Duration = Duration::from_secs(30);
/// How long it may take to answer, or to be made.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a lost connection is made anew, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Listens for ever, and says after each interruption that anything may have changed.
pub(crate) async fn listen(
    options: PgConnectOptions,
    channel: String,
    process: u64,
    hub: ChangeHub,
    random: Random,
) {
    let mut pause = PAUSE;
    loop {
        match tokio::time::timeout(PATIENCE, connect(&options, &channel)).await {
            Ok(Ok(mut listener)) => {
                pause = PAUSE;
                hub.publish_all();
                let error = hear(&mut listener, process, &hub).await;
                tracing::debug!(%error, "the connection for hints is lost; making another");
            }
            Ok(Err(error)) => tracing::debug!(%error, "no connection for hints; trying again"),
            Err(_) => tracing::debug!("no connection for hints in time; trying again"),
        }
        tokio::time::sleep(pause.mul_f64(0.5 + random.fraction() / 2.0)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn connect(options: &PgConnectOptions, channel: &str) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.ignore_pool_close_event(true);
    listener.eager_reconnect(false);
    listener.listen(channel).await?;
    Ok(listener)
}

/// Passes hints on until the connection is lost.
async fn hear(listener: &mut PgListener, process: u64, hub: &ChangeHub) -> sqlx::Error {
    loop {
        match tokio::time::timeout(CHECK, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                if let Some(news) = wire::read(process, notification.payload()) {
                    news.publish(hub);
                }
            }
            Ok(Ok(None)) => return sqlx::Error::PoolClosed,
            Ok(Err(error)) => return error,
            Err(_) => {
                // A connection that was cut without a word looks like a silent one.
                let check = sqlx::query("SELECT 1").execute(&mut *listener);
                match tokio::time::timeout(PATIENCE, check).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error,
                    Err(_) => return sqlx::Error::PoolTimedOut,
                }
            }
        }
    }
}
