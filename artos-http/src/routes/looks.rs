//! The looks at organizations' tasks: one for each organization that somebody follows, however many
//! streams it has open here.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_core::{Name, TaskId, notify::Changes, store::StoreResult};
use tokio::{
    sync::{Mutex, broadcast},
    time::Instant,
};

use super::{
    look::{Batch, Source, State},
    mark::Mark,
};
use crate::{app::Mount, spawn};

/// Shortest time between two looks: in a busy store there are hints all the time.
const LOOK_APART: Duration = Duration::from_millis(500);

/// How long to go without a hint before looking anyway, because hints may get lost.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How many batches a slow reader may be behind before it is told of a gap instead.
const BATCHES_KEPT: usize = 16;

/// Which organizations are looked after.
#[derive(Default)]
pub(crate) struct Looks(StdMutex<HashMap<Option<Name>, Arc<Look>>>);

/// The looks at one organization's tasks.
struct Look {
    state: Mutex<State>,
    batches: broadcast::Sender<Arc<Batch>>,
}

/// What somebody gets who begins to follow.
pub(super) struct Joined {
    /// How everything is, or what happened meanwhile.
    pub(super) first: Batch,
    pub(super) later: broadcast::Receiver<Arc<Batch>>,
    /// Tasks in the first batch, with their revisions, that a later one may tell again.
    pub(super) told: HashMap<TaskId, u64>,
}

impl Looks {
    /// Returns the look at an organization's tasks; a new one if there is none.
    fn of(&self, organization: &Option<Name>) -> Arc<Look> {
        let new = || {
            let batches = broadcast::Sender::new(BATCHES_KEPT);
            Arc::new(Look { state: Mutex::default(), batches })
        };
        Arc::clone(self.all().entry(organization.clone()).or_insert_with(new))
    }

    /// Returns whether a look is the one that goes on.
    fn has(&self, organization: &Option<Name>, look: &Arc<Look>) -> bool {
        self.all().get(organization).is_some_and(|current| Arc::ptr_eq(current, look))
    }

    /// Forgets a look that nobody goes on with.
    fn end(&self, organization: &Option<Name>, look: &Arc<Look>) {
        if let Entry::Occupied(entry) = self.all().entry(organization.clone())
            && Arc::ptr_eq(entry.get(), look)
        {
            entry.remove();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Option<Name>, Arc<Look>>> {
        // Every change of the map is one step, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to follow an organization's tasks.
pub(super) async fn join(
    mount: &Mount,
    organization: Option<&Name>,
    since: Option<Mark>,
) -> StoreResult<Joined> {
    let organization = organization.cloned();
    let source = Source {
        client: mount.app.client.clone(),
        kind: mount.endpoint.kind.clone(),
        organization: organization.clone(),
    };
    loop {
        let look = mount.looks.of(&organization);
        let mut state = look.state.lock().await;
        // Whoever goes on with it may have ended while this one waited.
        if !mount.looks.has(&organization, &look) {
            continue;
        }
        if !state.has_looked() {
            // Subscribed before the first look, so that no change falls in between.
            let changes = mount.app.client.changes();
            if let Err(error) = state.look(&source).await {
                mount.looks.end(&organization, &look);
                return Err(error);
            }
            let (mount, look, source) = (mount.clone(), Arc::clone(&look), source.clone());
            spawn::beside(Following { mount, look, source, changes }.run());
        } else if state.looked.is_none_or(|looked| looked.elapsed() >= LOOK_APART) {
            let batch = state.look(&source).await?;
            look.publish(batch);
        }
        let (first, ahead) = match since {
            Some(since) => state.since(&source, since).await?,
            None => (state.snapshot(), Vec::new()),
        };
        // Still under the lock: the next batch is the first that is not told already.
        let later = look.batches.subscribe();
        return Ok(Joined { first, later, told: ahead.into_iter().collect() });
    }
}

impl Look {
    fn publish(&self, batch: Batch) {
        if batch.is_gap || !batch.news.is_empty() {
            // That nobody listens any more is found out before the next look.
            let _ = self.batches.send(Arc::new(batch));
        }
    }
}

/// What looks as long as somebody follows.
struct Following {
    mount: Mount,
    look: Arc<Look>,
    source: Source,
    changes: Changes,
}

/// However it ends, also by a panic, the look is forgotten: its streams end with it, and the first
/// of them that comes back begins another one.
impl Drop for Following {
    fn drop(&mut self) {
        self.end();
    }
}

impl Following {
    async fn run(mut self) {
        let drain = self.mount.app.drain.clone();
        tokio::select! {
            biased;
            () = drain.started() => {}
            () = self.look_until_end() => {}
        }
    }

    fn end(&self) {
        self.mount.looks.end(&self.source.organization, &self.look);
    }

    async fn look_until_end(&mut self) {
        let mut pause = LOOK_EVERY;
        loop {
            // Either leads to a look.
            let _ = tokio::time::timeout(pause, self.changes.changed()).await;
            let heard = Instant::now();
            let looked = self.look.state.lock().await.looked;
            tokio::time::sleep_until(looked.map_or(heard, |looked| looked + LOOK_APART)).await;
            let mut state = self.look.state.lock().await;
            if self.look.batches.receiver_count() == 0 {
                // Under the lock: nobody can begin to follow in between.
                return self.end();
            }
            // Somebody who came just now may have looked already.
            if state.looked.is_none_or(|looked| looked < heard) {
                match state.look(&self.source).await {
                    Ok(batch) => self.look.publish(batch),
                    // The next look finds what this one missed.
                    Err(error) if error.is_transient() => {}
                    Err(_) => return,
                }
            }
            pause = if state.is_behind { Duration::ZERO } else { LOOK_EVERY };
        }
    }
}
