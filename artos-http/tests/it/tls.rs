//! Encrypted connections.

use std::sync::Arc;

use artos_http::{Drain, Server, Tls};
use axum::{Router, extract::ConnectInfo, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto, pki_types::CertificateDer},
};

use crate::http2;

/// A certificate of localhost, with its key.
fn certified() -> (CertificateDer<'static>, String, String) {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    (made.cert.der().clone(), made.cert.pem(), made.signing_key.serialize_pem())
}

async fn connect(
    address: std::net::SocketAddr,
    trusted: CertificateDer<'static>,
    protocol: &str,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn app() -> Router {
    let address =
        async |ConnectInfo(address): ConnectInfo<std::net::SocketAddr>| address.ip().to_string();
    Router::new().route("/", get(address))
}

#[tokio::test]
async fn both_protocols_are_spoken() {
    let (trusted, certificates, key) = certified();
    let tls = Tls::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap();
    let drain = Drain::new();
    let address = http2::serve(Server::new(drain.clone()).tls(tls), app()).await;

    let stream = connect(address, trusted.clone(), "h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = http2::connect(stream).await;
    let answer = client.send_request(http2::request(address)).await.unwrap();
    assert_eq!(answer.status(), 200);
    drain.start();
    let body = axum::body::Body::new(answer.into_body());
    assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "127.0.0.1");
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn http_1_1_is_spoken_too_and_plain_text_is_not() {
    let (trusted, certificates, key) = certified();
    let tls = Tls::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap();
    let address = http2::serve(Server::new(Drain::new()).tls(tls), app()).await;
    let asked = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut stream = connect(address, trusted, "http/1.1").await;
    stream.write_all(asked).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("127.0.0.1"), "{answer}");

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(asked).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_encrypt_is_cut_off() {
    let (_, certificates, key) = certified();
    let tls = Tls::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap();
    let address = http2::serve(Server::new(Drain::new()).tls(tls), app()).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let started = Instant::now();
    assert_eq!(silent.read(&mut [0]).await.unwrap_or_default(), 0);
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[test]
fn what_cannot_be_used_is_said() {
    let (_, certificates, key) = certified();
    let (_, _, other) = certified();
    for (certificates, key, expected) in [
        ("", key.as_str(), "there is no certificate"),
        (&certificates, "", "the private key is no PEM"),
        (&certificates, &other, "the certificate and the key do not fit"),
    ] {
        let error = Tls::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains("PRIVATE"));
    }
}
