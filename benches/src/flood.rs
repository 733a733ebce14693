//! One organization calls far more often than it may; how that changes what another one waits for.

use std::{net::SocketAddr, num::NonZeroU32, process::Stdio, time::Duration};

use anyhow::{Context as _, bail, ensure};
use artos_core::{Client, TaskId};
use artos_http::{Auth, Drain, Limits, Quota, Resource, Server};
use artos_store_memory::MemoryStore;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::JoinSet,
    time::Instant,
};

use crate::{
    load::Noop,
    report::{FIGURES, median, percentile},
};

const BASE: &str = "/documents";
/// How often the organization that keeps within its quota reads a status.
const READS_PER_SECOND: u32 = 200;
/// How often the other one may call.
const QUOTA_PER_MINUTE: u32 = 600;
const FLOOD_CONNECTIONS: u32 = 16;

/// Reads with and without a flood, in turns, and prints what each waited for.
pub(crate) async fn measure(rate: u32, seconds: u64, turns: u32) -> anyhow::Result<()> {
    let client = Client::new(MemoryStore::default());
    let id = client.submit(Noop::new(1)).tenant("quiet").await?.id();
    let quota = |requests| NonZeroU32::new(requests).map(Quota::per_minute).context("no quota");
    let limits =
        Limits { submit: quota(QUOTA_PER_MINUTE)?, poll: quota(1_000_000)?, ..Limits::default() };
    let app = artos_http::router(client, Auth::tokens([("quiet", "quiet"), ("loud", "loud")]))
        .limits(limits)
        .resource(Resource::<Noop>::new(BASE))
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::new(Drain::new());
    let measured = async {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for turn in 1..=turns {
            let (_, calm) = read(address, id, seconds).await?;
            let mut flood = start(&["flood-send", &address.to_string(), &rate.to_string()])?;
            let (half, most) = read(address, id, seconds).await?;
            flood.kill().await?;
            println!(
                "turn {turn}: p99 {calm:.2} ms alone, {most:.2} ms beside {rate} requests/s \
                 beyond the quota (p50 {half:.2})"
            );
            alone.push(calm);
            beside.push(most);
        }
        let (alone, beside) = (median(&alone), median(&beside));
        println!(
            "flood of {rate}/s: the status reads of another organization wait {beside:.2} ms at \
             p99 instead of {alone:.2}, {:.2} times as long",
            beside / alone
        );
        FIGURES.keep("status reads, p99, alone", alone, "ms");
        FIGURES.keep(&format!("status reads, p99, beside a flood of {rate}/s"), beside, "ms");
        anyhow::Ok(())
    };
    tokio::select! {
        measured = measured => measured,
        served = server.serve(listener, app, std::future::pending()) => {
            bail!("the server ended: {served:?}")
        }
    }
}

fn start(arguments: &[&str]) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn()?)
}

/// Has another process read a status; the median and the 99th percentile, in milliseconds.
async fn read(address: SocketAddr, id: TaskId, seconds: u64) -> anyhow::Result<(f64, f64)> {
    let seconds = seconds.to_string();
    let mut reader = start(&["flood-read", &address.to_string(), &id.to_string(), &seconds])?;
    let mut lines = BufReader::new(reader.stdout.take().context("no pipe")?).lines();
    let line = lines.next_line().await?.context("the reader said nothing")?;
    let (half, most) = line.split_once(' ').context("no figures")?;
    ensure!(reader.wait().await?.success(), "the reader failed");
    Ok((half.parse()?, most.parse()?))
}

/// Reads a status at a steady pace, and prints how long that took.
pub(crate) async fn read_steadily(
    address: SocketAddr,
    id: &str,
    seconds: u64,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = request("quiet", &format!("GET {BASE}/status/{id}"));
    let mut pace = tokio::time::interval(Duration::from_secs(1) / READS_PER_SECOND);
    let mut waits = Vec::new();
    for _ in 0..u64::from(READS_PER_SECOND) * seconds {
        pace.tick().await;
        let started = Instant::now();
        let status = exchange(&mut stream, &request).await?;
        ensure!(status == 200, "a read was answered {status}");
        waits.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!("{} {}", median(&waits), percentile(&waits, 990));
    Ok(())
}

/// Submits far more often than is allowed, until it is killed.
pub(crate) async fn send_endlessly(address: SocketAddr, rate: u32) -> anyhow::Result<()> {
    let mut senders = JoinSet::new();
    let period = Duration::from_secs(1) / rate.max(1);
    let begin = Instant::now();
    for number in 0..FLOOD_CONNECTIONS {
        senders.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let request = request("loud", &format!("POST {BASE}/generate"));
            // One after the other, not all at once.
            let first = begin + period * number;
            let mut pace = tokio::time::interval_at(first, period * FLOOD_CONNECTIONS);
            loop {
                pace.tick().await;
                exchange(&mut stream, &request).await?;
            }
        });
    }
    match senders.join_next().await {
        Some(Ok(Err::<(), anyhow::Error>(error))) => Err(error),
        _ => bail!("a sender ended"),
    }
}

fn request(token: &str, line: &str) -> Vec<u8> {
    let body = if line.starts_with("POST") { "{}" } else { "" };
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends a request and reads the answer; its status.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<u16> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let read = stream.read(&mut part).await?;
        ensure!(read > 0, "the connection ended");
        answer.extend_from_slice(part.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(Ok(0), str::parse)? {
            let status = head.split(' ').nth(1).context("no status")?;
            return Ok(status.parse()?);
        }
    }
}
