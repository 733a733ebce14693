//! A TCP proxy in front of a server, on which the network can be made as bad as a test needs it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

/// Most bytes that are passed on at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that are on their way, at most; the sender has to wait then.
const ON_THEIR_WAY: usize = 64;

/// What the network does to one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// It passes on what is sent, after the delay.
    #[default]
    Open,
    /// It passes nothing on, and says nothing: a partition. What was sent arrives once it is open.
    Held,
    /// It loses what is sent next, and resets the connection.
    Loses,
}

/// What the network is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// From the clients to the server.
    pub requests: Way,
    /// From the server to the clients.
    pub replies: Way,
    /// How long each direction takes.
    pub delay: Duration,
    /// Most bytes that a connection carries each second in each direction; 0 is any number.
    pub bytes_per_second: u32,
    /// Whether new connections are refused.
    pub refuses: bool,
    /// Counts the times at which all connections were reset.
    resets: u64,
}

/// A proxy; it and its connections end with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    bytes: Arc<AtomicU64>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Listens on a free port of this machine, and passes everything on to `server`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[expect(clippy::disallowed_methods, reason = "it ends with the proxy")]
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::default());
        let bytes = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, server, seen, Arc::clone(&bytes)));
        Ok(Self { address, weather, bytes, accepting: accepting.abort_handle() })
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of a database behind it, for one that is reached at `url` directly.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once('@').unwrap_or(("postgres://postgres", url));
        let (_, database) = rest.split_once('/').unwrap_or((rest, ""));
        format!("{before}@{}/{database}", self.address)
    }

    /// Changes the weather, for connections that are open as well.
    pub fn set(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    /// Resets all connections.
    pub fn reset(&self) {
        self.set(|weather| weather.resets += 1);
    }

    /// Makes the network as good as it was in the beginning.
    pub fn clear(&self) {
        self.set(|weather| *weather = Weather { resets: weather.resets, ..Weather::default() });
    }

    /// Returns how many bytes were passed on so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Receiver<Weather>,
    bytes: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        if weather.borrow().refuses {
            reset(&client);
            continue;
        }
        connections.spawn(connect(client, server, weather.clone(), Arc::clone(&bytes)));
    }
}

/// Passes everything on between a client and the server until one of them ends or is reset.
async fn connect(
    client: TcpStream,
    server: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    bytes: Arc<AtomicU64>,
) {
    let resets = weather.borrow().resets;
    let Ok(server) = TcpStream::connect(server).await else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    reset_when_dropped(&client);
    reset_when_dropped(&server);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let requests = pass(from_client, to_server, weather.clone(), |now| now.requests, &bytes);
    let replies = pass(from_server, to_client, weather.clone(), |now| now.replies, &bytes);
    tokio::select! {
        // What was held back may be let go at the same moment, and must not get through.
        biased;
        _ = weather.wait_for(|now| now.resets != resets) => {}
        () = requests => {}
        () = replies => {}
    }
}

/// A connection that ends in the middle ends without a farewell, as one of a machine that is gone.
fn reset_when_dropped(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

fn reset(stream: &TcpStream) {
    reset_when_dropped(stream);
}

/// Passes on one direction.
async fn pass(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    weather: watch::Receiver<Weather>,
    way: fn(&Weather) -> Way,
    bytes: &AtomicU64,
) {
    let (sender, receiver) = mpsc::channel(ON_THEIR_WAY);
    let reading = read(from, sender, weather.clone(), way);
    let writing = write(to, receiver, weather, way, bytes);
    tokio::join!(reading, writing);
}

async fn read(
    mut from: OwnedReadHalf,
    sender: mpsc::Sender<(Instant, Vec<u8>)>,
    weather: watch::Receiver<Weather>,
    way: fn(&Weather) -> Way,
) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let now = *weather.borrow();
        if way(&now) == Way::Loses {
            return;
        }
        let chunk = buffer.get(..read).unwrap_or_default().to_vec();
        if sender.send((Instant::now() + now.delay, chunk)).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut receiver: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut weather: watch::Receiver<Weather>,
    way: fn(&Weather) -> Way,
    bytes: &AtomicU64,
) {
    while let Some((due, chunk)) = receiver.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let Ok(now) = weather.wait_for(|now| way(now) != Way::Held).await.map(|now| *now) else {
            return;
        };
        if way(&now) == Way::Loses || to.write_all(&chunk).await.is_err() {
            return;
        }
        bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if now.bytes_per_second > 0 {
            let share = chunk.len() as f64 / f64::from(now.bytes_per_second);
            tokio::time::sleep(Duration::from_secs_f64(share)).await;
        }
    }
}
