//! A server that is busy for long: dead rows and the size of the tables stay within bounds.

use std::time::Duration;

use anyhow::Context as _;
use artos_core::Retention;
use artos_test_postgres::Server;

use super::{connect, psql, server};
use crate::load;

/// Seconds between two lines.
const LINE: u64 = 30;

/// Submits and runs tasks, keeps them for a short time, and watches the room they take.
pub(super) async fn run(seconds: u64, keep: u64, rate: u64) -> anyhow::Result<()> {
    let server = server()?;
    let runtime = load::runtime(connect(&server.url()).await?, 1_024, 1)
        .retention(Retention::all(Duration::from_secs(keep)))
        .prune_interval(Duration::from_secs(keep.div_ceil(20)))
        .start()
        .await?;
    let client = runtime.client();
    println!("seconds,submitted,rows,dead,table_mib,indexes_mib,vacuums");
    let look = async |elapsed: Duration, submitted: u64| {
        println!("{},{submitted},{}", elapsed.as_secs(), room(&server)?);
        Ok(())
    };
    load::Steady { seconds, rate, look_every: LINE }.run(&client, look).await?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    println!("in the end: {}", room(&server)?);
    Ok(())
}

fn room(server: &Server) -> anyhow::Result<String> {
    let sql = "
        SELECT concat_ws(',', n_live_tup, n_dead_tup, pg_relation_size(relid) >> 20,
            pg_indexes_size(relid) >> 20, autovacuum_count)
        FROM pg_stat_user_tables WHERE schemaname = 'artos' AND relname = 'tasks'";
    psql(server, &server.url(), sql).context("the tables' sizes cannot be read")
}
