//! The tasks of tokio that run claimed tasks, one after another; those without work sleep.
//!
//! Starting a task of tokio costs about as much as running a small stage, so they are kept. Each
//! claimed task wakes one that sleeps, or starts another: a stage that blocks, or waits, never
//! keeps the next from starting.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};
use tokio_util::task::TaskTracker;

use super::{
    engine::Engine,
    executor::{self, ClaimedTask},
    running::{Execution, Running},
};
use crate::spawn::{self, step_aside};

/// Most that sleep; more end.
const SLEEPERS_MAX: usize = 1_024;

/// Longest time to go on with the next task before others have their turn on the thread.
pub(super) const TURN: Duration = Duration::from_micros(50);

/// A claimed task to run, or to hand back if there is none.
pub(super) struct Work {
    pub(super) execution: Arc<Execution>,
    pub(super) task: Option<ClaimedTask>,
}

/// The tasks of tokio that run claimed tasks.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    members: TaskTracker,
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    members: Vec<Member>,
    /// Members that sleep, the last to fall asleep last.
    asleep: Vec<usize>,
    /// Places of members that are gone.
    vacant: Vec<usize>,
    killed: bool,
}

#[derive(Default)]
struct Member {
    /// Wakes it; present exactly while it is among those that sleep.
    waker: Option<Waker>,
    /// Ends it at once.
    abort: Option<AbortHandle>,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs claimed tasks: each has a member that wakes or starts for it.
    pub(super) fn push(&self, engine: &Arc<Engine>, work: Vec<Work>) {
        let mut missing = work.len();
        let mut wakers = Vec::with_capacity(missing);
        {
            let mut state = self.state();
            if state.killed {
                drop(state);
                leave_behind(work.into_iter(), &engine.running);
                return;
            }
            state.work.extend(work);
            while missing > 0
                && let Some(waker) = state.wake_one()
            {
                wakers.push(waker);
                missing -= 1;
            }
        }
        for waker in wakers {
            waker.wake();
        }
        for _ in 0..missing {
            self.start_member(engine);
        }
    }

    fn start_member(&self, engine: &Arc<Engine>) {
        // Held until the handle is in its place: a member that ends at once, and another one that
        // takes its place, have to come after.
        let mut state = self.state();
        if state.killed {
            return;
        }
        let number = state.vacant.pop().unwrap_or_else(|| {
            state.members.push(Member::default());
            state.members.len() - 1
        });
        let member = spawn::beside(self.members.track_future(run(Arc::clone(engine), number)));
        if let Some(place) = state.members.get_mut(number) {
            place.abort = Some(member.abort_handle());
        }
    }

    /// Takes the next work, or falls asleep; ready with nothing if enough others sleep.
    fn poll_next(&self, number: usize, waker: &Waker) -> Poll<Option<Work>> {
        let mut state = self.state();
        if let Some(work) = state.work.pop_front() {
            // Whoever wakes by itself, for a stage that is over, still counts as asleep.
            state.is_awake(number);
            return Poll::Ready(Some(work));
        }
        if state.asleep.len() >= SLEEPERS_MAX {
            state.is_awake(number);
            return Poll::Ready(None);
        }
        state.falls_asleep(number, waker);
        Poll::Pending
    }

    /// Ends everything that runs, at once, or as soon as it yields.
    pub(super) fn kill(&self, running: &Running) {
        let (members, work) = {
            let mut state = self.state();
            state.killed = true;
            state.asleep.clear();
            (std::mem::take(&mut state.members), std::mem::take(&mut state.work))
        };
        for member in members {
            if let Some(abort) = member.abort {
                abort.abort();
            }
        }
        leave_behind(work.into_iter(), running);
        self.members.close();
    }

    /// Waits until nothing of what was killed is left.
    pub(super) async fn ended(&self) {
        self.members.wait().await;
    }
}

/// Takes what nobody will run off the books: it comes back when its lease lapses.
fn leave_behind(work: impl Iterator<Item = Work>, running: &Running) {
    let executions: Vec<_> = work.map(|work| work.execution).collect();
    running.remove(executions.iter().map(AsRef::as_ref));
}

impl State {
    /// Takes one that sleeps, to wake it.
    fn wake_one(&mut self) -> Option<Waker> {
        let number = self.asleep.pop()?;
        self.members.get_mut(number)?.waker.take()
    }

    fn is_awake(&mut self, number: usize) {
        let waker = self.members.get_mut(number).and_then(|member| member.waker.take());
        if waker.is_some() {
            self.asleep.retain(|other| *other != number);
        }
    }

    fn falls_asleep(&mut self, number: usize, waker: &Waker) {
        let Some(member) = self.members.get_mut(number) else {
            return;
        };
        if member.waker.replace(waker.clone()).is_none() {
            self.asleep.push(number);
        }
    }
}

/// A member's place, which becomes vacant whichever way it ends.
struct Place<'a> {
    pool: &'a Pool,
    number: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.is_awake(self.number);
        if let Some(member) = state.members.get_mut(self.number) {
            member.abort = None;
            state.vacant.push(self.number);
        }
    }
}

/// Runs claimed tasks until the runtime is dropped, or there are more members than needed.
async fn run(engine: Arc<Engine>, number: usize) {
    let place = Place { pool: &engine.pool, number };
    // The end of one task is the start of the next, unless there is a pause between them.
    let mut ended = None;
    loop {
        let mut paused = false;
        let next = poll_fn(|cx| {
            let next = place.pool.poll_next(number, cx.waker());
            paused |= next.is_pending();
            next
        });
        let Some(Work { execution, task }) = next.await else { return };
        let started = ended.take().filter(|_| !paused).unwrap_or_else(Instant::now);
        let has_woken = match task {
            Some(task) => executor::run(Arc::clone(&engine), task, execution, started).await,
            None => {
                executor::hand_back(Arc::clone(&engine), execution).await;
                true
            }
        };
        let now = Instant::now();
        // Whoever was woken may wait for this thread, and the next stage may block it.
        if has_woken || now.saturating_duration_since(started) > TURN {
            step_aside().await;
        } else {
            ended = Some(now);
        }
    }
}
