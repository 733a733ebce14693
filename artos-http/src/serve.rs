//! Serving a router until it is told to stop, and no longer than a deadline after that.

use std::{future::Future, io, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::Drain;

/// Longest time a client may take to send the head of a request, counted from the end of the one
/// before: so that connections cannot be held open for nothing. It is longer than the longest pause
/// between two polls of a client that heeds `Retry-After`.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);

/// How long to wait after the listener refused to accept: it is out of file descriptors, and
/// trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Connections were still busy at the deadline and were cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{connections} connections were still busy at the deadline and were cut")]
pub struct ServeError {
    /// How many.
    pub connections: usize,
}

/// Serves a router until `shutdown` resolves; then starts the drain, stops accepting, and lets
/// requests finish for at most `deadline`.
///
/// The runtime is not touched; shut it down afterwards.
///
/// # Errors
///
/// [`ServeError`] if connections had to be cut at the deadline.
///
/// # Cancel safety
///
/// Dropping the future cuts all connections.
///
/// # Examples
///
/// ```no_run
/// # async fn run(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use artos_http::Drain;
///
/// let drain = Drain::new();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
/// let shutdown = std::future::pending(); // for example a signal
/// artos_http::serve(listener, app, drain, shutdown, Duration::from_secs(20)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn serve(
    listener: TcpListener,
    app: Router,
    drain: Drain,
    shutdown: impl Future<Output = ()> + Send,
    deadline: Duration,
) -> Result<(), ServeError> {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            // Somebody else may start the drain as well.
            () = drain.started() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let app = app.clone().layer(Extension(ConnectInfo(address)));
                    connections.spawn(connection(stream, app, &graceful));
                }
                Err(error) => pause(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    drain.start();
    let finished = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    let is_finished = tokio::time::timeout(deadline, finished).await.is_ok();
    if is_finished { Ok(()) } else { Err(ServeError { connections: connections.len() }) }
}

/// Waits out a listener that refuses to accept.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Serves one connection; the returned future is watched by `graceful` from now on.
fn connection(
    stream: TcpStream,
    app: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    // Small answers should not wait for more.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(app);
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let watched = graceful.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
