//! Clients that take their time are cut off.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use artos_http::{Drain, Server};
use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use futures::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::Instant,
};

use crate::{
    http2,
    support::{ACME, BASE, Service},
};

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_and_neither_is_the_rest_of_it() {
    let service = Service::start().await;
    let address = http2::serve(Server::new(Drain::new()), service.app.clone()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {BASE}/generate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"document"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    assert_eq!(started.elapsed().as_secs(), 20);
    assert_eq!(service.tasks().await, 0);
}

/// Tells when it is dropped.
struct Tells(Option<oneshot::Sender<()>>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.take().map(|tell| tell.send(()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_is_given_up() {
    let (tell, told) = oneshot::channel();
    let tells = Arc::new(Mutex::new(Some(Tells(Some(tell)))));
    let endless = get(move || {
        let tells = tells.lock().unwrap().take();
        let chunk = Bytes::from(vec![0; 64 * 1_024]);
        let chunks = futures::stream::repeat(chunk).map(move |chunk| {
            let _held = &tells;
            Ok::<_, Infallible>(chunk)
        });
        async move { Body::from_stream(chunks) }
    });
    let app = Router::new().route("/", endless);
    let address = http2::serve(Server::new(Drain::new()), app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 12];
    stream.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    let started = Instant::now();
    told.await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_read_slowly_is_read_to_its_end() {
    const LENGTH: usize = 64 * 1_024 * 1_024;
    let app = Router::new().route("/", get(async || Bytes::from(vec![7; LENGTH])));
    let address = http2::serve(Server::new(Drain::new()), app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut read = 0;
    let mut some = vec![0; 4 * 1_024 * 1_024];
    loop {
        // Within this time something is read, but for longer than a connection may be idle.
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        let mut now = 0;
        while now < some.len() {
            match stream.read(&mut some[now..]).await.unwrap() {
                0 => break,
                count => now += count,
            }
        }
        if now == 0 {
            break;
        }
        read += now;
    }
    assert!(read > LENGTH, "{read} bytes of {LENGTH} and a head");
}
