//! Many clients that wait for tasks, on one process: what each costs, and how soon it hears.

mod ask;

use std::{
    collections::HashMap,
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail, ensure};
use artos_core::{Client, ListQuery, TaskId};
use artos_http::{Auth, Drain, Resource, Server};
use artos_store_memory::MemoryStore;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
};

use crate::{
    load::Noop,
    report::{FIGURES, percentiles},
};

pub(crate) use ask::ask;

const BASE: &str = "/documents";

/// How many tasks end in a burst, and how long after the one before.
const BURST: usize = 500;
const PAUSE: Duration = Duration::from_millis(250);

/// Lets clients in another process wait, ends their tasks, and prints what that took.
///
/// Over HTTP/2 the waiters share connections, so more of them fit than files may be open.
pub(crate) async fn measure(polls: usize, streams: usize, http2: bool) -> anyhow::Result<()> {
    let client = Client::new(MemoryStore::default());
    let mut ids = Vec::new();
    for number in 0..(polls + streams) as u64 {
        ids.push(client.submit(Noop::new(number)).await?.id());
    }
    let app = artos_http::router(client.clone(), Auth::open())
        .waiters_max(polls.max(1))
        .streams_max(streams.max(1))
        .resource(Resource::<Noop>::new(BASE))
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::new(Drain::new()).connections_max(polls + streams + 16);
    let before = resident_kib()?;

    let waiting = async {
        let mut asking = Command::new(std::env::current_exe()?)
            .args(["ask", &address.to_string()])
            .args(http2.then_some("--http2"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut to = asking.stdin.take().context("no pipe")?;
        let mut from = BufReader::new(asking.stdout.take().context("no pipe")?).lines();
        // The streams first: they are waited for, and a long-poll waits for a minute only.
        for (at, id) in ids.iter().enumerate().rev() {
            let kind = if at < polls { "poll" } else { "stream" };
            to.write_all(format!("{kind} {id}\n").as_bytes()).await?;
        }
        drop(to);
        let ready = from.next_line().await?.context("the clients said nothing")?;
        let connections = ready.strip_prefix("ready ").context("the clients do not wait")?;
        println!("{} waiters on {connections} connections", ids.len());
        let during = resident_kib()?;
        let ended = end_all(&client, &ids).await?;
        let mut heard = HashMap::new();
        while let Some(line) = from.next_line().await? {
            let (id, at) = line.split_once(' ').context("no answer")?;
            heard.insert(id.parse::<TaskId>()?, at.parse::<u64>()?);
        }
        ensure!(asking.wait().await?.success(), "the clients failed");
        anyhow::Ok((during, ended, heard))
    };
    let (during, ended, heard) = tokio::select! {
        waited = waiting => waited?,
        served = server.serve(listener, app, std::future::pending()) => {
            bail!("the server ended: {served:?}")
        }
    };
    let counts = client.list(&ListQuery { counts: true, ..ListQuery::default() }).await?.counts;
    let cancelled = counts.map_or(0, |counts| counts.cancelled);
    ensure!(cancelled == ids.len() as u64, "{cancelled} tasks ended");
    report("long-polls", &ended[..polls], &heard)?;
    report("streams", &ended[polls..], &heard)?;
    let each = during.saturating_sub(before) as f64 / (polls + streams) as f64;
    println!("memory: {before} KiB before, {during} KiB with all waiting");
    FIGURES.note("memory of each that waits", each, "KiB");
    Ok(())
}

/// Ends all tasks, in bursts; when each ended.
async fn end_all(client: &Client, ids: &[TaskId]) -> anyhow::Result<Vec<(TaskId, u64)>> {
    let mut ended = Vec::new();
    for burst in ids.chunks(BURST) {
        for id in burst {
            client.cancel(*id).await?;
            ended.push((*id, micros()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(ended)
}

fn report(what: &str, ended: &[(TaskId, u64)], heard: &HashMap<TaskId, u64>) -> anyhow::Result<()> {
    let mut late = Vec::new();
    for (id, end) in ended {
        let at = heard.get(id).with_context(|| format!("nobody heard of the end of {id}"))?;
        late.push(at.saturating_sub(*end) as f64 / 1e3);
    }
    if late.is_empty() {
        return Ok(());
    }
    for (name, at) in percentiles(&late) {
        FIGURES.note(&format!("{} {what}: heard after, {name}", late.len()), at, "ms");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "two processes compare what their clock says")]
fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_micros().try_into().unwrap_or(u64::MAX)
}

/// Memory of this process, in KiB.
fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.context("no VmRSS")?.parse()?)
}
