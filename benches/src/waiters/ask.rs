//! The clients that wait, in a process of their own.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use axum::{body::Body, http::Request};
use futures::{StreamExt, future::BoxFuture};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

use super::{BASE, micros};

/// How many requests share a connection of HTTP/2. The server allows 256.
const SHARING: usize = 250;

/// What is left of an answer: all of its text, once it has come.
type Rest = BoxFuture<'static, anyhow::Result<String>>;

/// Waits for the tasks that standard input names; the other side of [`measure`](super::measure).
pub(crate) async fn ask(address: SocketAddr, is_http2: bool) -> anyhow::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let mut clients = Clients { address, connections: 0, shared: None };
    let mut waiting = JoinSet::new();
    let (ready, mut are_ready) = tokio::sync::mpsc::unbounded_channel::<()>();
    while let Some(line) = input.next_line().await? {
        let (kind, id) = line.split_once(' ').context("no task")?;
        let (is_stream, id) = (kind == "stream", id.to_owned());
        let events = if is_stream { "/events" } else { "" };
        let path = format!("{BASE}/status/{id}{events}");
        let rest = match is_http2 {
            true => clients.share(&path, is_stream).await?,
            false => clients.alone(&path, is_stream).await?,
        };
        let ready = ready.clone();
        waiting.spawn(async move {
            drop(ready);
            let text = rest.await?;
            ensure!(text.contains("cancelled"), "no end: {text}");
            anyhow::Ok((id, micros()))
        });
    }
    drop(ready);
    // Everybody asks; and a moment for the last questions to arrive.
    are_ready.recv().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("ready {}", clients.connections);
    while let Some(heard) = waiting.join_next().await {
        let (id, at) = heard??;
        println!("{id} {at}");
    }
    Ok(())
}

/// Whoever asks, and the connections for it.
struct Clients {
    address: SocketAddr,
    connections: usize,
    /// The connection that has room for another request, and how many it has.
    shared: Option<(SendRequest<Body>, usize)>,
}

impl Clients {
    /// Asks on a connection of its own.
    async fn alone(&mut self, path: &str, is_stream: bool) -> anyhow::Result<Rest> {
        let mut stream = TcpStream::connect(self.address).await?;
        self.connections += 1;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nprefer: wait=60\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        if is_stream {
            // The first event says that the rest will follow.
            let mut first = [0; 4_096];
            let read = stream.read(&mut first).await?;
            ensure!(first.get(..read).is_some_and(|head| head.starts_with(b"HTTP/1.1 200")));
        }
        Ok(Box::pin(async move {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            Ok(String::from_utf8_lossy(&rest).into_owned())
        }))
    }

    /// Asks on a connection with others.
    async fn share(&mut self, path: &str, is_stream: bool) -> anyhow::Result<Rest> {
        let (mut client, requests) = match self.shared.take() {
            Some((client, requests)) if requests < SHARING => (client, requests),
            _ => (self.connect().await?, 0),
        };
        client.ready().await?;
        let request = Request::get(format!("http://{}{path}", self.address));
        let request = request.header("prefer", "wait=60").body(Body::empty())?;
        let answer = client.send_request(request);
        self.shared = Some((client, requests + 1));
        if !is_stream {
            return Ok(Box::pin(async move {
                let body = Body::new(answer.await?.into_body());
                let text = axum::body::to_bytes(body, usize::MAX).await?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }));
        }
        let answer = answer.await?;
        ensure!(answer.status() == 200, "a stream was answered {}", answer.status());
        let mut body = Body::new(answer.into_body()).into_data_stream();
        body.next().await.context("no first event")??;
        Ok(Box::pin(async move {
            let mut rest = Vec::new();
            while let Some(piece) = body.next().await {
                rest.extend_from_slice(&piece?);
            }
            Ok(String::from_utf8_lossy(&rest).into_owned())
        }))
    }

    #[expect(clippy::disallowed_methods, reason = "a connection ends with its process")]
    async fn connect(&mut self) -> anyhow::Result<SendRequest<Body>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        self.connections += 1;
        drop(tokio::spawn(connection));
        Ok(client)
    }
}
