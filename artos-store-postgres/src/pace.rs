//! How often connections are made while that fails.
//!
//! A server that hangs up at once, or a network on the way to it, answers every attempt within a
//! millisecond. If each waiting call tried again by itself, a few processes would make thousands of
//! connections a second, each a process of the server's, and keep it from coming back. So all
//! calls of a store take turns, further and further apart; the first success lets everybody go.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_core::Random;
use tokio::{sync::Notify, time::Instant};

/// The first pause between two attempts of a store; it doubles.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// The turns of a store's calls.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// `None` as long as connections can be made.
    trouble: Mutex<Option<Trouble>>,
    over: Notify,
}

#[derive(Debug)]
struct Trouble {
    pause: Duration,
    /// When the next attempt is due.
    next: Instant,
}

impl Pace {
    /// Waits until this call may make a connection: at once, unless it failed the last time.
    pub(crate) async fn turn(&self, random: &Random) {
        loop {
            // Made first, so that no end of the trouble is missed.
            let over = self.over.notified();
            let Some(next) = self.take_turn(random) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = over => {}
            }
        }
    }

    /// Takes the turn that is due; otherwise returns when the next one is.
    fn take_turn(&self, random: &Random) -> Option<Instant> {
        let mut trouble = self.trouble();
        let trouble = trouble.as_mut()?;
        let now = Instant::now();
        if now < trouble.next {
            return Some(trouble.next);
        }
        trouble.pause = (trouble.pause * 2).min(PAUSE_MAX);
        trouble.next = now + drawn(trouble.pause, random);
        None
    }

    /// Notes that no connection could be made.
    pub(crate) fn failed(&self, random: &Random) {
        self.trouble().get_or_insert_with(|| Trouble {
            pause: PAUSE,
            next: Instant::now() + drawn(PAUSE, random),
        });
    }

    /// Notes that a connection was made.
    pub(crate) fn succeeded(&self) {
        if self.trouble().take().is_some() {
            self.over.notify_waiters();
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processes that lost their server together need not come back together.
fn drawn(pause: Duration, random: &Random) -> Duration {
    pause.mul_f64(0.5 + random.fraction() / 2.0)
}

#[cfg(test)]
mod tests {
    //! However many calls wait, attempts are few, and the end of a trouble is noticed by all.

    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use futures::future::join_all;

    use super::*;

    /// Lets calls fail until so much time has passed; how many attempts they made, and when each
    /// had its connection.
    async fn attempts(calls: u32, outage: Duration) -> (u32, Vec<Duration>) {
        let (pace, tries) = (Pace::default(), AtomicU32::new(0));
        let begun = Instant::now();
        let call = async |random: Random| {
            loop {
                pace.turn(&random).await;
                if begun.elapsed() >= outage {
                    pace.succeeded();
                    return begun.elapsed();
                }
                tries.fetch_add(1, SeqCst);
                // As soon as a server that hangs up.
                tokio::time::sleep(Duration::from_millis(1)).await;
                pace.failed(&random);
            }
        };
        let ends = join_all((0..calls).map(|seed| call(Random::from_seed(seed.into())))).await;
        (tries.into_inner(), ends)
    }

    #[tokio::test(start_paused = true)]
    async fn many_calls_make_few_attempts_and_all_go_on_together() {
        let outage = Duration::from_secs(60);
        let (tries, ends) = attempts(100, outage).await;
        // Each tries once before anybody knows; then they share what is left.
        assert!((350..=600).contains(&tries), "{tries}");
        assert!(ends.iter().all(|end| *end <= outage + PAUSE_MAX), "{ends:?}");
        assert_eq!(ends.iter().min(), ends.iter().max());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_trouble_is_over_soon() {
        let (_, ends) = attempts(1, Duration::from_millis(50)).await;
        assert!(ends.iter().all(|end| *end < Duration::from_millis(200)), "{ends:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_as_long_as_nothing_failed() {
        let (tries, ends) = attempts(10, Duration::ZERO).await;
        assert_eq!((tries, ends), (0, vec![Duration::ZERO; 10]));
    }
}
