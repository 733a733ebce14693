//! Runs one measurement: a program of its own, in a folder or a database of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use artos_test_postgres::Server;
use tokio::process::Command;

use super::{
    Options,
    lines::Line,
    subjects::{Subject, Who},
};
use crate::postgres;

/// How long any of them may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Programs<'a> {
    peers: Option<PathBuf>,
    python: Option<PathBuf>,
    server: &'a Server,
    /// What else wanted a processor before any of this ran.
    load: f64,
}

impl<'a> Programs<'a> {
    pub(super) fn new(options: &Options, server: &'a Server) -> anyhow::Result<Self> {
        let (peers, python) = (options.peers.clone(), options.python.clone());
        for path in peers.iter().chain(&python) {
            ensure!(path.exists(), "{} is not there", path.display());
        }
        let load = options.load.map_or_else(load, Ok)?;
        Ok(Self { peers, python, server, load })
    }

    /// Runs it; nothing if its program is not there.
    pub(super) async fn run(&self, subject: &Subject, turn: u32) -> anyhow::Result<Option<Line>> {
        let folder = tempfile::tempdir_in(".")?;
        let database = (subject.store == "postgres")
            .then(|| postgres::database(self.server, "measured"))
            .transpose()?;
        let place = match &database {
            Some(url) => url.clone(),
            None => folder.path().canonicalize()?.display().to_string(),
        };
        // Nobody pays for the checkpoint of whoever was before.
        postgres::psql(self.server, &self.server.url(), "CHECKPOINT")?;
        let measured = self.measure(subject, folder.path(), &place).await;
        if database.is_some() {
            let drop = "DROP DATABASE measured WITH (FORCE)";
            postgres::psql(self.server, &self.server.url(), drop)?;
        }
        Ok(measured?.map(|line| Line {
            id: String::from(subject.id),
            turn,
            load: self.load,
            ..line
        }))
    }

    async fn measure(
        &self,
        subject: &Subject,
        folder: &Path,
        place: &str,
    ) -> anyhow::Result<Option<Line>> {
        let tasks = subject.tasks.to_string();
        let slots = subject.slots.to_string();
        let mut command = match (subject.who, &self.peers, &self.python) {
            (Who::BareSql, ..) => {
                let rate = postgres::bare_work(self.server, place, subject.tasks)?;
                let version = postgres::psql(self.server, place, "SHOW server_version")?;
                return bare_line(subject, &version, rate).map(Some);
            }
            (Who::Ours, ..) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.current_dir(folder);
                command.args(["--store", subject.store, "one", subject.what, &tasks, &slots]);
                if subject.store == "postgres" {
                    command.arg(place);
                }
                command
            }
            (Who::Peer(name), Some(peers), _) => {
                let program = peers.join(format!("peer-{name}"));
                if !program.exists() {
                    return Ok(None);
                }
                let mut command = Command::new(program);
                command.args([subject.what, subject.store, &tasks, &slots, place]);
                command
            }
            (Who::Celery, _, Some(python)) => {
                let mut command = Command::new(python);
                command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/celery/peer.py"));
                command.args([subject.what, subject.store, &tasks, &slots, place]);
                command
            }
            (Who::Peer(_) | Who::Celery, ..) => return Ok(None),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output());
        let output = output.await.context("it took too long")?.context("it cannot be run")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        ensure!(output.status.success(), "it failed: {last}");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().rfind(|line| line.starts_with('{'));
        let line: Line = serde_json::from_str(line.context("it printed no line of JSON")?)?;
        ensure!(line.verified >= line.tasks, "{} of {} ended", line.verified, line.tasks);
        Ok(Some(line))
    }
}

/// Reads how many processes wanted a processor, on average over the last minute.
fn load() -> anyhow::Result<f64> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().parse()?)
}

fn bare_line(subject: &Subject, version: &str, rate: f64) -> anyhow::Result<Line> {
    Ok(serde_json::from_value(serde_json::json!({
        "peer": "bare SQL",
        "version": format!("by pgbench, Postgres {version}"),
        "durability": "the server's: each commit synced",
        "settings": "2 connections, a claim and an end of 200 tasks each",
        "tasks": subject.tasks,
        "slots": subject.slots,
        "verified": subject.tasks,
        "rate": rate,
    }))?)
}
