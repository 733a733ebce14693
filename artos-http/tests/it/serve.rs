//! Serving on a socket, and ending.

use std::time::Duration;

use artos_http::{Drain, ServeError};
use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::support::SECOND;

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    drain: Drain,
    done: tokio::task::JoinHandle<Result<(), ServeError>>,
}

async fn start(app: Router, deadline: Duration) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let drain = Drain::new();
    let shutdown = async {
        let _ = stopped.await;
    };
    let served = artos_http::serve(listener, app, drain.clone(), shutdown, deadline);
    let done = tokio::runtime::Handle::current().spawn(served);
    Server { address, stop, drain, done }
}

async fn request(address: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut read = vec![0; 15];
    stream.read_exact(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let server = start(Router::new().route("/", get(async || "hi")), 60 * SECOND).await;
    let mut idle = request(server.address, "/").await;
    assert_eq!(first_line(&mut idle).await, "HTTP/1.1 200 OK");
    let _unused = TcpStream::connect(server.address).await.unwrap();
    server.stop.send(()).unwrap();
    assert_eq!(server.done.await.unwrap(), Ok(()));
    assert!(server.drain.is_started());
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_is_under_way_is_answered() {
    let (entered, is_in) = tokio::sync::watch::channel(false);
    let drain = Drain::new();
    let until = drain.clone();
    let app = Router::new().route(
        "/",
        get(async move || {
            entered.send_replace(true);
            until.started().await;
            "late"
        }),
    );
    let server = start(app, 60 * SECOND).await;
    let mut stream = request(server.address, "/").await;
    is_in.clone().wait_for(|is_in| *is_in).await.unwrap();
    server.stop.send(()).unwrap();
    drain.start();
    assert_eq!(first_line(&mut stream).await, "HTTP/1.1 200 OK");
    assert_eq!(server.done.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn at_the_deadline_what_is_still_open_is_cut() {
    let (entered, is_in) = tokio::sync::watch::channel(false);
    let app = Router::new().route(
        "/",
        get(async move || {
            entered.send_replace(true);
            std::future::pending::<()>().await;
        }),
    );
    let server = start(app, Duration::from_millis(50)).await;
    let mut stream = request(server.address, "/").await;
    is_in.clone().wait_for(|is_in| *is_in).await.unwrap();
    server.stop.send(()).unwrap();
    assert_eq!(server.done.await.unwrap(), Err(ServeError { connections: 1 }));
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty() && (end.is_err() || matches!(end, Ok(0))));
}

#[tokio::test]
async fn a_drain_that_starts_elsewhere_ends_it_too() {
    let server = start(Router::new(), SECOND).await;
    server.drain.start();
    assert_eq!(server.done.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_request_is_cut_off() {
    let server = start(Router::new(), SECOND).await;
    for part in ["", "GET / HTT", "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTT"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let started = tokio::time::Instant::now();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 60, "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_now_and_then_is_cut_off_when_it_stops() {
    let server = start(Router::new(), SECOND).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(40 * SECOND).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "cut too early");
        }
    }
    let (started, mut rest) = (tokio::time::Instant::now(), Vec::new());
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!((started.elapsed().as_secs(), rest.len()), (60, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_whole_does_not_hold_up_the_end() {
    let server = start(Router::new(), 600 * SECOND).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTT").await.unwrap();
    // Accepted after the other one.
    assert_eq!(first_line(&mut request(server.address, "/").await).await, "HTTP/1.1 404 No");
    server.stop.send(()).unwrap();
    assert_eq!(server.done.await.unwrap(), Ok(()));
}
