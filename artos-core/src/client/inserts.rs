//! The group commit of inserts.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use crate::{
    commit::{Commit, Entry},
    model::NewTask,
    store::{self, Inserted, StoreError, StoreResult, TaskStore},
};

/// How long an insert may take before its submitters are told that the store is unavailable.
const INSERT_PATIENCE: Duration = Duration::from_secs(30);

/// The group commit of inserts.
pub(super) struct Inserts {
    pub(super) store: Arc<dyn TaskStore>,
}

impl Commit for Inserts {
    type Item = NewTask;
    type Reply = Inserted;
    type Waiter = oneshot::Sender<Result<Vec<Inserted>, Arc<StoreError>>>;

    // A submitter hears of the failure at once and decides by itself.
    const PAUSE: Duration = Duration::ZERO;

    // Whoever cares about the order of two submissions awaits the first.
    const SIDE_BY_SIDE: bool = true;

    async fn commit(&self, group: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        store::call(INSERT_PATIENCE, self.store.as_ref().insert(group)).await
    }

    fn bytes(item: &NewTask) -> usize {
        item.input.len() + item.checkpoint.as_ref().map_or(0, |(_, payload)| payload.len())
    }

    fn is_awaited(waiter: &Self::Waiter) -> bool {
        !waiter.is_closed()
    }

    fn accepted(
        entries: impl Iterator<Item = Entry<Self::Waiter>>,
        _: impl Iterator<Item = NewTask>,
        replies: Vec<Inserted>,
    ) {
        let mut replies = replies.into_iter();
        for entry in entries {
            let own = replies.by_ref().take(entry.items).collect();
            let _ = entry.waiter.send(Ok(own));
        }
    }

    fn refused(waiter: Self::Waiter, _: Vec<NewTask>, error: Arc<StoreError>) {
        let _ = waiter.send(Err(error));
    }
}
