//! The first thing that went wrong for good. After it every call fails with it.
//!
//! After a failed write or sync nobody knows what the disk holds, and a second sync that succeeds
//! proves nothing. Only opening the store again finds out.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::OnceLock,
    time::Duration,
};

use artos_core::{
    notify::ChangeHub,
    store::{StoreError, StoreResult},
};
use tokio::sync::watch;

/// Remembers the first cause, and wakes whoever waits for changes: none will come any more.
#[derive(Debug)]
pub(crate) struct Poison {
    cause: OnceLock<Cause>,
    stopped: watch::Sender<bool>,
    hub: ChangeHub,
}

/// Why the store stopped.
#[derive(Debug, Clone)]
enum Cause {
    Failed(String),
    Full(String),
    Corrupt(String),
    Stuck(String),
}

impl Poison {
    /// Makes one that wakes everybody who listens to the hub when the store stops.
    pub(crate) fn new(hub: ChangeHub) -> Self {
        Self { cause: OnceLock::new(), stopped: watch::Sender::new(false), hub }
    }

    /// Returns the cause as an error, if there is one.
    pub(crate) fn check(&self) -> StoreResult<()> {
        self.cause.get().map_or(Ok(()), |cause| Err(cause.error()))
    }

    /// Waits until the store stops, and returns the cause as an error.
    pub(crate) async fn stopped(&self) -> StoreError {
        let mut stopped = self.stopped.subscribe();
        let _ = stopped.wait_for(|stopped| *stopped).await;
        let unknown = || Cause::Failed(String::from("its threads ended"));
        self.cause.get().cloned().unwrap_or_else(unknown).error()
    }

    /// Returns whether a thread of the store may never end.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(self.cause.get(), Some(Cause::Stuck(_)))
    }

    /// Poisons the store because its threads do not get on.
    pub(crate) fn stuck(&self, limit: Duration, doing: &str) {
        self.first(Cause::Stuck(format!("nothing was done for {limit:?}: {doing}")));
    }

    /// Poisons the store after an error of the file system.
    pub(crate) fn io(&self, doing: &str, error: &io::Error) -> StoreError {
        let message = format!("{doing}: {error}");
        self.first(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::Full(message),
            _ => Cause::Failed(message),
        })
    }

    /// Poisons the store after an error of sled.
    pub(crate) fn sled(&self, doing: &str, error: &sled::Error) -> StoreError {
        match error {
            sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let found = "the file `db` ends before what it should hold";
                self.first(Cause::Corrupt(format!("{doing}: {found}")))
            }
            sled::Error::Io(error) => self.io(doing, error),
            sled::Error::Corruption { .. } => {
                self.first(Cause::Corrupt(format!("{doing}: {}", describe(error))))
            }
            _ => self.first(Cause::Failed(format!("{doing}: {error}"))),
        }
    }

    /// Poisons the store after a panic.
    pub(crate) fn panic(&self, doing: &str, payload: &(dyn Any + Send)) -> StoreError {
        self.first(Cause::Failed(format!("{doing}: panic: {}", panic_message(payload))))
    }

    /// Poisons the store because a file is there that must never be.
    pub(crate) fn blob(&self, found: String) -> StoreError {
        self.first(Cause::Failed(found))
    }

    /// Poisons the store after an error that came up while a group was written.
    pub(crate) fn stop(&self, error: &StoreError) {
        if self.check().is_ok() {
            self.first(match error {
                StoreError::Corrupt { message } => Cause::Corrupt(message.clone()),
                StoreError::Full { message } => Cause::Full(message.clone()),
                error => Cause::Failed(error.to_string()),
            });
        }
    }

    fn first(&self, cause: Cause) -> StoreError {
        let first = self.cause.get_or_init(|| {
            tracing::error!(?cause, "the store stops; open it again");
            cause
        });
        if !self.stopped.send_replace(true) {
            // Locks of the store may be held here; whoever wakes runs elsewhere.
            self.hub.publish_all();
        }
        first.error()
    }
}

impl Cause {
    fn error(&self) -> StoreError {
        let stopped = |cause| format!("it stopped and has to be opened again; the cause: {cause}");
        match self {
            Self::Failed(cause) | Self::Stuck(cause) => StoreError::unavailable(stopped(cause)),
            Self::Full(cause) => StoreError::Full { message: stopped(cause) },
            Self::Corrupt(cause) => StoreError::Corrupt { message: stopped(cause) },
        }
    }
}

/// Says what sled found, in words for whoever has to mend it.
pub(crate) fn describe(error: &sled::Error) -> String {
    match error {
        sled::Error::Corruption { at: Some(place), .. } => {
            // sled says `Inline(1234)`.
            let place = place.to_string();
            let offset = place.trim_matches(|other: char| !other.is_ascii_digit());
            format!("the file `db` is damaged at offset {offset}")
        }
        sled::Error::Corruption { at: None, .. } => String::from("sled's files are damaged"),
        error => error.to_string(),
    }
}

/// Returns what a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Does work during which sled may panic, as it does about files damaged in an unusual way.
pub(crate) fn guarded<T>(path: &Path, work: impl FnOnce() -> StoreResult<T>) -> StoreResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = format!("reading {}: {}", path.display(), panic_message(&*panic));
        Err(StoreError::Corrupt { message })
    })
}
