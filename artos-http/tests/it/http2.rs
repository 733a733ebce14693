//! Connections of HTTP/2, and how many there may be.

use std::net::SocketAddr;

use artos_http::{Drain, Server};
use axum::{Router, body::Body, http::Request, routing::get};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};

use crate::support::SECOND;

/// Serves until the drain starts.
pub(crate) async fn serve(server: Server, app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = server.serve(listener, app, std::future::pending());
    tokio::runtime::Handle::current().spawn(async move { served.await.unwrap() });
    address
}

pub(crate) type Connected = (SendRequest<Body>, JoinHandle<hyper::Result<()>>);

/// Speaks HTTP/2 on a stream.
pub(crate) async fn connect<S>(stream: S) -> Connected
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (client, tokio::runtime::Handle::current().spawn(connection))
}

pub(crate) fn request(address: SocketAddr) -> Request<Body> {
    Request::get(format!("http://{address}/")).body(Body::empty()).unwrap()
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let drain = Drain::new();
    let until = drain.clone();
    let app = hello().route(
        "/late",
        get(async move || {
            until.started().await;
            "late"
        }),
    );
    let address = serve(Server::new(drain.clone()), app).await;
    let (mut client, connection) = connect(TcpStream::connect(address).await.unwrap()).await;
    let late = Request::get(format!("http://{address}/late")).body(Body::empty()).unwrap();
    let late = client.send_request(late);
    let answer = client.send_request(request(address)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
    // What is under way is answered, and then the connection ends.
    drain.start();
    let answer = late.await.unwrap();
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 10).await.unwrap();
    assert_eq!(body, "late");
    connection.await.unwrap().unwrap();
}

// In real time: a paused clock would not wait for the answers to pings.
#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_ended_and_one_at_work_is_not() {
    let (release, released) = tokio::sync::watch::channel(false);
    let app = hello().route(
        "/slow",
        get(async move || {
            released.clone().wait_for(|is_released| *is_released).await.unwrap();
            "slow"
        }),
    );
    let address = serve(Server::new(Drain::new()).idle_max(SECOND / 5), app).await;
    let (mut client, connection) = connect(TcpStream::connect(address).await.unwrap()).await;
    assert_eq!(client.send_request(request(address)).await.unwrap().status(), 200);
    let slow = Request::get(format!("http://{address}/slow")).body(Body::empty()).unwrap();
    let slow = client.send_request(slow);
    // While others are cut that came later and ask for nothing.
    let (_client, unused) = connect(TcpStream::connect(address).await.unwrap()).await;
    unused.await.unwrap().unwrap();
    release.send_replace(true);
    let answer = slow.await.unwrap();
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 10).await.unwrap();
    assert_eq!(body, "slow");
    connection.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_the_preface_is_cut_off() {
    let address = serve(Server::new(Drain::new()), hello()).await;
    for part in [&b""[..], b"PRI * HT"] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(part).await.unwrap();
        let started = Instant::now();
        assert_eq!(silent.read(&mut [0]).await.unwrap_or_default(), 0);
        assert_eq!(started.elapsed().as_secs(), 60, "{part:?}");
    }
}

#[tokio::test]
async fn beyond_the_cap_a_connection_waits_for_another_to_end() {
    let server = Server::new(Drain::new()).connections_max(1);
    let address = serve(server, hello()).await;
    let (mut first, connection) = connect(TcpStream::connect(address).await.unwrap()).await;
    assert_eq!(first.send_request(request(address)).await.unwrap().status(), 200);
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let early = tokio::time::timeout(SECOND / 5, second.read_buf(&mut answer)).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    connection.await.unwrap().unwrap();
    second.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{answer:?}");
}

/// Asks for an answer by hand, and lets only so much of it come before it says no more than that it
/// is still there.
async fn connect_with_window(address: SocketAddr, window: u32) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS with INITIAL_WINDOW_SIZE.
    bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4]);
    bytes.extend(window.to_be_bytes());
    // HEADERS of the first stream: GET, http, the path `/`, and an authority.
    bytes.extend([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x01, b'x']);
    stream.write_all(&bytes).await.unwrap();
    stream
}

/// Answers every ping until the connection ends; the time that takes.
async fn answer_pings(mut stream: TcpStream) -> std::time::Duration {
    let started = Instant::now();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return started.elapsed();
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length.try_into().unwrap()];
        if stream.read_exact(&mut payload).await.is_err() {
            return started.elapsed();
        }
        let (kind, flags) = (head[3], head[4]);
        let answer = match (kind, flags) {
            (4, 0) => [0, 0, 0, 4, 1, 0, 0, 0, 0].to_vec(),
            (6, 0) => [&[0, 0, 8, 6, 1, 0, 0, 0, 0], payload.as_slice()].concat(),
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            return started.elapsed();
        }
    }
}

// In real time: a paused clock would not wait for the answers to pings.
#[tokio::test]
async fn a_client_that_announces_that_it_reads_and_never_does_is_cut() {
    for (window, length) in [(0, 5), (1_000, 100_000)] {
        let app = Router::new().route("/", get(async move || "x".repeat(length)));
        let address = serve(Server::new(Drain::new()).idle_max(SECOND / 2), app).await;
        let stream = connect_with_window(address, window).await;
        let cut = tokio::time::timeout(20 * SECOND, answer_pings(stream)).await;
        let took = cut.expect("the connection is still there");
        assert!(took >= SECOND / 2 && took < 8 * SECOND, "{took:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_the_service_is_not_cut() {
    let (send, receive) = tokio::sync::mpsc::channel::<&str>(1);
    let receive = std::sync::Arc::new(std::sync::Mutex::new(Some(receive)));
    let app = Router::new().route(
        "/",
        get(async move || {
            let receive = receive.lock().unwrap().take().unwrap();
            let events = futures::stream::unfold(receive, |mut receive| async move {
                let text = receive.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(text), receive))
            });
            Body::from_stream(events)
        }),
    );
    let address = serve(Server::new(Drain::new()).idle_max(SECOND / 5), app).await;
    let (mut client, _connection) = connect(TcpStream::connect(address).await.unwrap()).await;
    let answer = client.send_request(request(address)).await.unwrap();
    send.send("one").await.unwrap();
    tokio::time::sleep(SECOND).await;
    send.send("two").await.unwrap();
    drop(send);
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 10).await.unwrap();
    assert_eq!(body, "onetwo");
}
