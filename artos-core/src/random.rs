//! The door through which randomness enters: jitter and ids.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::model::{TaskId, Timestamp, WorkerId, id::COUNTER_BITS};

/// A source of randomness. With a seed, everything drawn from it can be drawn again.
pub struct Random {
    generator: Mutex<fastrand::Rng>,
    /// Milliseconds and a counter of the last task id, so that ids of one source only ever grow.
    last_id: AtomicU64,
}

impl Random {
    /// Starts from the operating system's randomness.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn from_entropy() -> Self {
        Self::from_generator(fastrand::Rng::new())
    }

    /// Starts from a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::from_generator(fastrand::Rng::with_seed(seed))
    }

    const fn from_generator(generator: fastrand::Rng) -> Self {
        Self { generator: Mutex::new(generator), last_id: AtomicU64::new(0) }
    }

    /// Draws a number from 0 up to, but not including, 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.draw(fastrand::Rng::f64)
    }

    /// Makes an id for a worker.
    #[must_use]
    pub fn worker_id(&self) -> WorkerId {
        let bytes = self.draw(|generator| generator.u128(..)).to_be_bytes();
        WorkerId::from_uuid(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Makes an id for a task that is submitted at `now`: a UUID of version 7 (RFC 9562, section
    /// 5.7) whose twelve bits after the milliseconds count, so that ids sort as they were made.
    #[must_use]
    pub fn task_id(&self, now: Timestamp) -> TaskId {
        let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
        let next = |last: u64| (millis << COUNTER_BITS).max(last + 1);
        // More than 4,096 ids in a millisecond run ahead of the clock instead of repeating.
        let last = match self
            .last_id
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)))
        {
            Ok(last) | Err(last) => last,
        };
        let random = self.draw(|generator| generator.u64(..));
        TaskId::from_fields(u128::from(next(last)), u128::from(random))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.generator.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made_even_when_the_clock_stands_still_or_goes_back() {
        let random = Random::from_seed(7);
        let mut ids = Vec::new();
        for micros in [5_000_000_000, 5_000_000_000, 4_000_000_000, 6_000_000_000] {
            ids.extend((0..5_000).map(|_| random.task_id(Timestamp::from_micros(micros))));
        }
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.as_uuid().get_version_num() == 7));
    }

    #[test]
    fn what_follows_a_task_sorts_after_it_even_by_a_clock_that_is_behind() {
        let (ahead, behind) = (Random::from_seed(7), Random::from_seed(8));
        for millis in [0, 1, 1_000, 1_800_000_000_000] {
            let now = Timestamp::from_micros(millis * 1_000);
            for _ in 0..5_000 {
                let task = ahead.task_id(now + std::time::Duration::from_secs(1));
                let own = behind.task_id(now);
                let after = own.sorted_after(task);
                assert!(after > task, "{after} follows {task}");
                // It is as near to it as can be.
                let millis = |id: TaskId| id.as_uuid().as_u128() >> 80;
                assert!(millis(after) - millis(task) <= 1, "{after} follows {task}");
                assert_eq!(after.as_uuid().get_version_num(), 7);
                assert_eq!(after.as_uuid().get_variant(), uuid::Variant::RFC4122);
                // Of two that follow, each has random bits of its own.
                assert_eq!(after.as_uuid().as_bytes()[9..], own.as_uuid().as_bytes()[9..]);
                // What sorts after it anyway stays as it is.
                assert_eq!(task.sorted_after(own), task);
            }
        }
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        let random = Random::from_seed(7);
        let id = random.task_id(Timestamp::from_micros(1_800_000_000_123_456));
        assert_eq!(id.as_uuid().as_u128() >> 80, 1_800_000_000_123);
    }

    #[test]
    fn a_fraction_is_below_one() {
        let random = Random::from_seed(7);
        let all: Vec<_> = (0..1_000).map(|_| random.fraction()).collect();
        assert!(all.iter().all(|one| (0.0..1.0).contains(one)));
        assert!(all.iter().any(|one| *one < 0.1) && all.iter().any(|one| *one > 0.9));
    }

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = |seed| {
            let random = Random::from_seed(seed);
            (random.fraction(), random.worker_id(), random.task_id(Timestamp::default()))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
