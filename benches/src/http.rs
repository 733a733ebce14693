//! The status endpoint beside a bare axum route, and the endpoint that accepts tasks beside direct
//! calls, all in this process, asked by clients of its own.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use artos_core::Client;
use artos_http::{Auth, Drain, Resource};
use axum::{Json, Router, routing::get};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    load::{Noop, finished_task},
    report::{FIGURES, median},
    stores::{Opened, StoreChoice},
};

/// Asks both routes in turns and prints each turn and the medians' ratio; the medians, the bare
/// route's first.
pub(crate) async fn compare(
    choice: StoreChoice,
    seconds: u64,
    turns: u32,
    connections: u32,
) -> anyhow::Result<(f64, f64)> {
    let Opened { store, place: _place } = choice.open().await?;
    let (client, id) = finished_task(store).await?;
    let status = app(client)?;
    // As many bytes as the status has, so that both routes write equally much.
    let body = json!({
        "task_id": id.to_string(), "status": "Complete", "progress": null, "error": null,
        "document_id": id.to_string(), "state": "completed",
        "created_at": "2026-11-23T12:00:00.000000Z", "updated_at": "2026-11-23T12:00:00.000000Z",
    });
    let bare = Router::new().route("/bare", get(move || async move { Json(body) }));
    let status = serve(status).await?;
    let bare = serve(bare).await?;
    let asks = |path: String| request("GET", &path, "");
    let (ask_bare, ask_status) = (asks("/bare".into()), asks(format!("{BASE}/status/{id}")));

    let (mut of_status, mut of_bare) = (Vec::new(), Vec::new());
    for turn in 1..=turns {
        let bare = ask(bare, ask_bare.clone(), seconds, connections).await?;
        let status = ask(status, ask_status.clone(), seconds, connections).await?;
        println!("turn {turn}: bare axum route {bare:.0}/s, status of a task {status:.0}/s");
        of_bare.push(bare);
        of_status.push(status);
    }
    let (bare, status) = (median(&of_bare), median(&of_status));
    let what = format!("http, {connections} connections, {choice}, clients on the same machine");
    FIGURES.note(&format!("{what}: bare axum JSON route"), bare, "answers/s");
    FIGURES.note(&format!("{what}: status of a task"), status, "answers/s");
    FIGURES.note(&format!("{what}: proportion"), status / bare, "");
    Ok((bare, status))
}

/// Submits one task at a time from so many callers, directly and then through HTTP, each to an
/// empty store; accepted tasks per second, the direct ones first.
pub(crate) async fn accept(
    choice: StoreChoice,
    seconds: u64,
    connections: u32,
) -> anyhow::Result<(f64, f64)> {
    let Opened { store, place: _place } = choice.open().await?;
    let direct = submit_directly(&Client::new(store), seconds, connections).await?;
    let Opened { store, place: _place } = choice.open().await?;
    let address = serve(app(Client::new(store))?).await?;
    let body = serde_json::to_string(&Noop::new(1))?;
    let post = request("POST", &format!("{BASE}/generate"), &body);
    let posted = ask(address, post, seconds, connections).await?;
    let what = format!("{connections} callers, one task at a time, {choice}");
    FIGURES.note(&format!("{what}: submitted directly"), direct, "tasks/s");
    FIGURES.note(&format!("{what}: submitted through HTTP"), posted, "tasks/s");
    Ok((direct, posted))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn submit_directly(client: &Client, seconds: u64, callers: u32) -> anyhow::Result<f64> {
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let each = (0..callers).map(|_| async {
        let mut accepted = 0;
        while Instant::now() < until {
            client.submit(Noop::new(accepted)).await?;
            accepted += 1;
        }
        anyhow::Ok(accepted)
    });
    let accepted = futures::future::try_join_all(each).await?;
    Ok(accepted.iter().sum::<u64>() as f64 / started.elapsed().as_secs_f64())
}

const BASE: &str = "/api/v1/documents";
const TOKEN: &str = "a-token-of-the-usual-length-0123456789";

fn app(client: Client) -> anyhow::Result<Router> {
    Ok(artos_http::router(client, Auth::tokens([("org", TOKEN)]))
        .drain(Drain::new())
        .resource(Resource::<Noop>::new(BASE))
        .build()?)
}

fn request(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's server runs until the process ends")]
async fn serve(app: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Asks for the same thing over and over on so many connections; answers per second. A run with an
/// answer other than 200 and 202 counts for nothing.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn ask(
    address: SocketAddr,
    request: String,
    seconds: u64,
    connections: u32,
) -> anyhow::Result<f64> {
    // On a thread of its own, as another machine would be, and not among the server's tasks.
    let asking = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let started = Instant::now();
            let until = started + Duration::from_secs(seconds);
            let each = (0..connections).map(|_| ask_on_one(address, &request, until));
            let answers = futures::future::try_join_all(each).await?;
            anyhow::Ok(answers.iter().sum::<u64>() as f64 / started.elapsed().as_secs_f64())
        })
    });
    asking.await?
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn ask_on_one(address: SocketAddr, request: &str, until: Instant) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut answers) = (vec![0; 16 * 1024], 0);
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        while !is_answer(buffer.get(..filled).unwrap_or_default())? {
            let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
            ensure!(read > 0, "the server closed the connection, or answers are too long");
            filled += read;
        }
        answers += 1;
    }
    Ok(answers)
}

/// Says whether the bytes are a whole answer.
fn is_answer(bytes: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?.to_ascii_lowercase();
    let good = head.starts_with("http/1.1 200") || head.starts_with("http/1.1 202");
    ensure!(good, "found an answer other than 200 and 202: {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("no content-length")?.parse()?;
    Ok(bytes.len() >= end + 4 + length)
}
