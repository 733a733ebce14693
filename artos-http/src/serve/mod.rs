//! Serving a router until it is told to stop, and no longer than a deadline after that.

mod connection;
mod idle;
mod stalled;
#[cfg(feature = "tls")]
mod tls;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::Drain;
use connection::Connections;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};

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
/// requests finish for at most `deadline`. A [`Server`] has more to choose from.
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
    Server::new(drain).deadline(deadline).serve(listener, app, shutdown).await
}

/// Serves a router to clients that may be slow, silent or many: HTTP/1.1 and HTTP/2, with TLS
/// behind the feature `tls`.
///
/// # Examples
///
/// ```no_run
/// # async fn run(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// use artos_http::{Drain, Server};
///
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:8000").await?;
/// let server = Server::new(Drain::new()).connections_max(1_000);
/// server.serve(listener, app, std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    drain: Drain,
    deadline: Duration,
    connections_max: usize,
    idle_max: Duration,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl Server {
    /// Makes a server that starts this drain when it is told to stop, and stops when somebody else
    /// starts it.
    pub const fn new(drain: Drain) -> Self {
        Self {
            drain,
            deadline: Duration::from_secs(20),
            connections_max: 16_384,
            idle_max: Duration::from_secs(60),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Sets how long requests may go on after the server was told to stop. Default: 20 seconds.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how many connections may be open at a time; more wait until one ends. At least one.
    /// Default: 16,384. Each needs a file descriptor.
    pub const fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections;
        self
    }

    /// Sets how long a connection may be open without a request, how long the head of a request may
    /// take, and how long a client may leave an answer unread. Default: 60 seconds, which is longer
    /// than the longest pause between two polls of a client that heeds `Retry-After`. At least a
    /// millisecond.
    ///
    /// Whoever reads an answer slowly may take any time for it. On a connection of HTTP/2, one
    /// answer that is not read ends all.
    pub const fn idle_max(mut self, time: Duration) -> Self {
        self.idle_max = time;
        self
    }

    /// Encrypts all connections.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves until `shutdown` resolves or the drain starts; then starts the drain, stops
    /// accepting, and lets requests finish until the deadline.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if connections had to be cut at the deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts all connections.
    pub async fn serve(
        self,
        listener: TcpListener,
        app: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let ending = CancellationToken::new();
        let shared = Connections {
            app,
            idle_max: self.idle_max.max(Duration::from_millis(1)),
            ending: ending.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls,
        };
        let slots = self.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(slots));
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                () = self.drain.started() => break,
                accepted = accept(&listener, &slots) => match accepted {
                    Ok((slot, stream, address)) => {
                        let served = shared.clone().serve(stream, address);
                        connections.spawn(async move {
                            served.await;
                            drop(slot);
                        });
                    }
                    Err(error) => pause(&error).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        self.drain.start();
        ending.cancel();
        let finished = async { while connections.join_next().await.is_some() {} };
        let is_finished = tokio::time::timeout(self.deadline, finished).await.is_ok();
        if is_finished { Ok(()) } else { Err(ServeError { connections: connections.len() }) }
    }
}

/// Waits for a free slot and then for a connection: who comes when there is none waits in the queue
/// of the listener, where it costs next to nothing.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((slot, stream, address))
}

/// Waits out a listener that refuses to accept.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
