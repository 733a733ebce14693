//! Many clients that wait for tasks, on one process: what each costs, and how soon it hears.

use std::{
    collections::HashMap,
    net::SocketAddr,
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail, ensure};
use artos_core::{Client, TaskId};
use artos_http::{Auth, Drain, Resource, Server};
use artos_store_memory::MemoryStore;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
};

use crate::load::Noop;

const BASE: &str = "/documents";

/// How many tasks end in a burst, and how long after the one before.
const BURST: usize = 500;
const PAUSE: Duration = Duration::from_millis(250);

/// Lets clients in another process wait, ends their tasks, and prints what that took.
pub(crate) async fn measure(polls: usize, streams: usize) -> anyhow::Result<()> {
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
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut to = asking.stdin.take().context("no pipe")?;
        let mut from = BufReader::new(asking.stdout.take().context("no pipe")?).lines();
        for (at, id) in ids.iter().enumerate() {
            let kind = if at < polls { "poll" } else { "stream" };
            to.write_all(format!("{kind} {id}\n").as_bytes()).await?;
        }
        drop(to);
        let ready = from.next_line().await?;
        ensure!(ready.as_deref() == Some("ready"), "the clients do not wait: {ready:?}");
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
    report("long-polls", &ended[..polls], &heard)?;
    report("streams", &ended[polls..], &heard)?;
    let each = during.saturating_sub(before) as f64 / (polls + streams) as f64;
    println!("memory: {before} KiB before, {during} KiB with all waiting, {each:.1} KiB for each");
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
    late.sort_by(f64::total_cmp);
    let at = |part: usize| late.get((late.len() * part / 100).min(late.len().saturating_sub(1)));
    if let (Some(half), Some(most), Some(worst)) = (at(50), at(99), late.last()) {
        let count = late.len();
        println!(
            "{count} {what}: heard after {half:.1} ms (p50), {most:.1} (p99), {worst:.1} (max)"
        );
    }
    Ok(())
}

/// Waits for the tasks that standard input names; the other side of [`measure`].
pub(crate) async fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let mut waiting = JoinSet::new();
    let (ready, mut are_ready) = tokio::sync::mpsc::unbounded_channel::<()>();
    while let Some(line) = input.next_line().await? {
        let (kind, id) = line.split_once(' ').context("no task")?;
        let (is_stream, id) = (kind == "stream", id.to_owned());
        let mut stream = TcpStream::connect(address).await?;
        let events = if is_stream { "/events" } else { "" };
        let request = format!(
            "GET {BASE}/status/{id}{events} HTTP/1.1\r\nhost: x\r\nprefer: wait=60\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        if is_stream {
            // The first event says that the rest will follow.
            let mut first = [0; 4_096];
            let read = stream.read(&mut first).await?;
            ensure!(first.get(..read).is_some_and(|head| head.starts_with(b"HTTP/1.1 200")));
        }
        let ready = ready.clone();
        waiting.spawn(async move {
            drop(ready);
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            let text = String::from_utf8_lossy(&rest);
            ensure!(text.contains("cancelled"), "no end: {text}");
            anyhow::Ok((id, micros()))
        });
    }
    drop(ready);
    // Everybody asks; and a moment for the last questions to arrive.
    are_ready.recv().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("ready");
    while let Some(heard) = waiting.join_next().await {
        let (id, at) = heard??;
        println!("{id} {at}");
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
