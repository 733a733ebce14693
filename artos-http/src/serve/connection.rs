//! One connection, from its first byte to its last.

use std::{convert::Infallible, net::SocketAddr, pin::pin, task::Poll, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use futures::{StreamExt, stream::FuturesUnordered};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::coop::unconstrained,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{idle::Activity, stalled::Impatient};

/// How long a client that was idle may take to agree that the connection is over.
const GOODBYE: Duration = Duration::from_secs(5);

/// How long a client may take to encrypt a connection.
#[cfg(feature = "tls")]
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many requests at a time one connection of HTTP/2 may have.
const STREAMS_MAX: u32 = 256;

/// How often a silent connection of HTTP/2 is asked whether it is still there, and how long it may
/// take to say so.
const PING: Duration = Duration::from_secs(20);

/// Why a connection ends before its client ends it.
enum Over {
    /// The server stops.
    Server,
    /// Nobody asks, or nobody reads.
    Idle,
}

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) app: Router,
    pub(super) idle_max: Duration,
    pub(super) ending: CancellationToken,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::Tls>,
}

impl Connections {
    /// Serves a connection.
    pub(super) async fn serve(self, stream: TcpStream, address: SocketAddr) {
        // Small answers should not wait for more.
        let _ = stream.set_nodelay(true);
        let activity = Activity::new();
        let stream = Impatient::new(stream, self.idle_max, activity.clone());
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let accepted = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream));
            match self.ending.run_until_cancelled(accepted).await {
                Some(Ok(Ok(stream))) => self.requests(stream, address, activity).await,
                Some(Ok(Err(error))) => tracing::debug!(%error, "a connection was not encrypted"),
                Some(Err(_)) | None => {}
            }
            return;
        }
        self.requests(stream, address, activity).await;
    }

    async fn requests<S>(self, stream: S, address: SocketAddr, activity: Activity)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let busy = activity.clone();
        let app = self.app;
        let service = service_fn(move |request: Request<Incoming>| {
            let (busy, version) = (busy.begin(), request.version());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            let answered = app.clone().oneshot(request);
            async move {
                let Ok(response) = answered.await;
                Ok::<_, Infallible>(response.map(|body| busy.until_end_of(body, version)))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // A set of one, which is looked at only when it woke up: all connections wait for the same
        // end, and would meet there with each request.
        let mut over = FuturesUnordered::from_iter([async {
            tokio::select! {
                () = self.ending.cancelled() => Over::Server,
                // Both protocols have timers of their own: that of HTTP/1 would be set with each
                // request, and that of HTTP/2 is content with answers to pings.
                () = activity.idle_for(self.idle_max) => Over::Idle,
            }
        }]);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            // Also while the connection uses up what its thread may do in one go.
            Some(over) = unconstrained(over.next()) => {
                activity.take_written();
                connection.as_mut().graceful_shutdown();
                match (over, futures::poll!(connection.as_mut())) {
                    (_, Poll::Ready(ended)) => ended,
                    (Over::Server, Poll::Pending) => tokio::select! {
                        ended = connection.as_mut() => ended,
                        // Such as one that stopped within the head of its first request.
                        () = unconstrained(activity.idle_for(self.idle_max)) => Ok(()),
                    },
                    // HTTP/2 says goodbye, and half a head of HTTP/1 gets no answer.
                    (Over::Idle, Poll::Pending)
                        if !activity.take_written() && !activity.is_busy() =>
                    {
                        Ok(())
                    }
                    (Over::Idle, Poll::Pending) => {
                        tokio::time::timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
