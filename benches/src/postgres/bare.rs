//! What the server can do: the fewest statements a queue can be written with, run by pgbench.
//!
//! What they write is constant but for ids and payloads: there is no epoch, no attempt, no time,
//! and no stage runs.

use std::process::Command;

use anyhow::{Context as _, ensure};
use artos_test_postgres::Server;

use super::{output, psql};

/// Tasks that a statement claims, ends or inserts.
const GROUP: u64 = 200;
/// Connections.
const CLIENTS: u64 = 2;

const TABLE: &str = "
    DROP TABLE IF EXISTS bare;
    CREATE TABLE bare (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        queue text NOT NULL, priority smallint NOT NULL, run_at bigint NOT NULL,
        state smallint NOT NULL DEFAULT 0, lease_until bigint, finished_at bigint,
        payload bytea NOT NULL, output bytea
    ) WITH (fillfactor = 70);
    CREATE INDEX ON bare (queue, priority DESC, run_at, id) WHERE state = 0;
";

const INSERT: &str = "
    INSERT INTO bare (queue, priority, run_at, payload)
    SELECT 'default', 0, n, convert_to(rpad('{\"number\":' || n, 90, ' '), 'UTF8')
    FROM generate_series(1, ";

/// A claim and the end of what it claimed, each a transaction of its own.
const WORK: &str = "
    WITH due AS (
        SELECT id FROM bare WHERE queue = 'default' AND state = 0 AND run_at <= 1000000000
        ORDER BY priority DESC, run_at, id LIMIT 200 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE bare SET state = 1, lease_until = 1 WHERE id = ANY (ARRAY(SELECT id FROM due))
        RETURNING id, payload
    )
    SELECT array_agg(id)::text AS ids, sum(length(payload)) AS bytes FROM claimed \\gset
    UPDATE bare SET state = 2, lease_until = NULL, finished_at = 1, output = payload
    WHERE id = ANY (:ids::bigint[]) AND state = 1;
";

/// Claims and ends tasks; how many each second.
pub(super) fn work(server: &Server, url: &str, tasks: u64) -> anyhow::Result<f64> {
    let step = GROUP * CLIENTS;
    ensure!(tasks.is_multiple_of(step), "found {tasks} tasks, expected a multiple of {step}");
    psql(server, url, TABLE)?;
    psql(server, url, &format!("{INSERT}{tasks}) AS n"))?;
    psql(server, url, "VACUUM ANALYZE bare; CHECKPOINT")?;
    let rate = pgbench(server, url, WORK, tasks)?;
    let ended: u64 = psql(server, url, "SELECT count(*) FROM bare WHERE state = 2")?.parse()?;
    ensure!(ended == tasks, "found {ended} that ended, expected {tasks}");
    Ok(rate)
}

/// Inserts tasks in groups; how many each second.
pub(super) fn insert(server: &Server, url: &str, tasks: u64) -> anyhow::Result<f64> {
    psql(server, url, TABLE)?;
    psql(server, url, "CHECKPOINT")?;
    pgbench(server, url, &format!("{INSERT}{GROUP}) AS n;\n"), tasks)
}

/// Runs a script until all tasks have been through it; how many tasks each second.
fn pgbench(server: &Server, url: &str, script: &str, tasks: u64) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script)?;
    let clients = CLIENTS.to_string();
    let transactions = (tasks / GROUP / CLIENTS).to_string();
    let mut pgbench = Command::new(server.programs().join("pgbench"));
    pgbench.args(["-n", "-M", "prepared", "-c", &clients, "-j", &clients]);
    pgbench.args(["-t", &transactions, "-f"]).arg(file).arg(url);
    let said = output(pgbench)?;
    let line = said.lines().find(|line| line.starts_with("tps = "));
    let rate = line.and_then(|line| line.split_whitespace().nth(2)?.parse::<f64>().ok());
    let rate = rate.with_context(|| format!("pgbench printed no rate:\n{said}"))?;
    Ok(rate * GROUP as f64)
}
