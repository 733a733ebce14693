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

use super::{
    engine::Engine,
    executor::{self, ClaimedTask},
    running::Execution,
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
        let left_behind = {
            let mut state = self.state();
            if state.killed {
                work
            } else {
                state.work.extend(work);
                while missing > 0
                    && let Some(waker) = state.wake_one()
                {
                    wakers.push(waker);
                    missing -= 1;
                }
                Vec::new()
            }
        };
        if !left_behind.is_empty() {
            // The runtime was dropped: they come back when their leases lapse.
            return;
        }
        for waker in wakers {
            waker.wake();
        }
        for _ in 0..missing {
            self.start_member(engine);
        }
    }

    fn start_member(&self, engine: &Arc<Engine>) {
        let number = {
            let mut state = self.state();
            state.vacant.pop().unwrap_or_else(|| {
                state.members.push(Member::default());
                state.members.len() - 1
            })
        };
        let member = spawn::beside(run(Arc::clone(engine), number));
        let abort = member.abort_handle();
        let mut state = self.state();
        if state.killed {
            drop(state);
            abort.abort();
        } else if let Some(member) = state.members.get_mut(number) {
            member.abort = Some(abort);
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

    /// Ends everything that runs, at once.
    pub(super) fn kill(&self) {
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
        drop(work);
    }
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
    while let Some(work) = poll_fn(|cx| place.pool.poll_next(number, cx.waker())).await {
        let started = Instant::now();
        let Work { execution, task } = work;
        let has_woken = match task {
            Some(task) => executor::run(Arc::clone(&engine), task, execution).await,
            None => {
                executor::hand_back(Arc::clone(&engine), execution).await;
                false
            }
        };
        // Whoever was woken may wait for this thread, and the next stage may block it.
        if has_woken || started.elapsed() > TURN {
            step_aside().await;
        }
    }
}
