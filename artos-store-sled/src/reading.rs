//! Reading on threads that nobody has to wait for.
//!
//! After an error of the disk, sled lets those wait for ever that read what it has yet to write.
//! tokio's own threads for blocking work would then keep the process from ending.

use std::panic::{AssertUnwindSafe, catch_unwind};

use artos_core::store::StoreResult;

use crate::poison::Poison;

/// Reads on a thread apart, and fails if the store stops meanwhile.
pub(crate) async fn apart<T: Send + 'static>(
    poison: &Poison,
    read: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> StoreResult<T> {
    poison.check()?;
    let reading = blocking::unblock(move || catch_unwind(AssertUnwindSafe(read)));
    tokio::select! {
        biased;
        found = reading => found.unwrap_or_else(|panic| Err(poison.panic("reading", &*panic))),
        error = poison.stopped() => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::mpsc};

    use artos_core::{notify::ChangeHub, store::StoreError};
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_read_that_never_ends_holds_nobody_up_once_the_store_stops() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let poison = Poison::new(ChangeHub::default());
        let (begin, begun) = oneshot::channel();
        let (_never, forever) = mpsc::channel::<()>();
        let found = runtime.block_on(async {
            let read = apart(&poison, move || {
                begin.send(()).unwrap();
                let _ = forever.recv();
                Ok(())
            });
            let stop = async {
                begun.await.unwrap();
                poison.io("syncing", &io::Error::other("the disk is gone"));
            };
            tokio::join!(read, stop).0
        });
        let Err(StoreError::Unavailable { .. }) = &found else { panic!("{found:?}") };
        assert!(found.unwrap_err().to_string().contains("the disk is gone"));
        // It waits for tokio's own threads, and the read still hangs.
        drop(runtime);
    }

    #[test]
    fn a_panic_while_reading_stops_the_store() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let poison = Poison::new(ChangeHub::default());
        let found = runtime.block_on(apart::<()>(&poison, || panic!("a page is missing")));
        assert!(found.unwrap_err().to_string().contains("a page is missing"));
        assert!(poison.check().is_err());
    }
}
