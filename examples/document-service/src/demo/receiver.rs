//! A receiver of webhooks, as small as one can be: it checks the signature and keeps the event.

use std::{net::SocketAddr, sync::mpsc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::net::TcpListener;

/// How long an event may take; the service sends it as soon as the document is there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where events arrive.
pub(super) struct Receiver {
    address: SocketAddr,
    arrived: mpsc::Receiver<Arrived>,
}

/// One event.
pub(super) struct Arrived {
    headers: HeaderMap,
    body: Bytes,
}

impl Receiver {
    /// Listens on a free port; the future serves until it is dropped.
    pub(super) async fn listen() -> anyhow::Result<(Self, impl Future<Output = ()> + Send)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
        let address = listener.local_addr()?;
        let (send, arrived) = mpsc::channel();
        let receive = post(async move |headers: HeaderMap, body: Bytes| {
            // Nobody listens any more when the demo is over.
            let _ = send.send(Arrived { headers, body });
            StatusCode::NO_CONTENT
        });
        let app = Router::new().route("/hook", receive);
        let serve = async move {
            // It ends only by being dropped.
            let _ = axum::serve(listener, app).await;
        };
        Ok((Self { address, arrived }, serve))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits for the next event.
    pub(super) fn next(&self) -> anyhow::Result<Arrived> {
        self.arrived.recv_timeout(PATIENCE).context("no webhook arrived")
    }
}

impl Arrived {
    pub(super) fn event(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks that the service that has the secret sent it.
    pub(super) fn is_signed_with(&self, secret: &str) -> anyhow::Result<bool> {
        let webhook = standardwebhooks::Webhook::new(secret)?;
        Ok(webhook.verify(&self.body, &self.headers).is_ok())
    }
}
