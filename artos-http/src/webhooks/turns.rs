//! Whose turn it is: no receiver, and no organization, takes all the slots for deliveries.
//!
//! A receiver may hold an attempt for twenty seconds. What is beyond its share waits in the store,
//! where it costs nothing, and comes back later and later.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many attempts run at the same time in one process.
pub(crate) const SLOTS: usize = 256;

/// How many of them at the same receiver.
const RECEIVER_MAX: usize = 8;

/// How many of them for the same organization.
const ORGANIZATION_MAX: usize = 64;

/// Shortest and longest pause before an attempt that had no turn asks again.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Counts the attempts that are under way in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<String, usize>>>);

/// One attempt under way; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    keys: [String; 2],
}

impl Turns {
    /// Begins an attempt; `None` if the receiver or the organization has its share under way.
    pub(crate) fn begin(&self, organization: Option<&str>, receiver: &str) -> Option<Turn> {
        let organization = organization.unwrap_or_default();
        let keys = [format!("o/{organization}"), format!("r/{receiver}")];
        let mut counts = self.counts();
        let is_below = |(key, max): (&String, usize)| counts.get(key).is_none_or(|now| *now < max);
        if !keys.iter().zip([ORGANIZATION_MAX, RECEIVER_MAX]).all(is_below) {
            return None;
        }
        for key in &keys {
            *counts.entry(key.clone()).or_default() += 1;
        }
        drop(counts);
        Some(Turn { turns: self.clone(), keys })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // Counts are right between any two statements, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how long to wait for a turn after having waited for so long.
pub(crate) fn pause(waited: Duration) -> Duration {
    (waited / 4).clamp(PAUSE_MIN, PAUSE_MAX)
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.turns.counts();
        for key in &self.keys {
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_and_an_organization_have_shares_and_get_them_back() {
        let turns = Turns::default();
        let mut held: Vec<_> = (0..RECEIVER_MAX).map(|_| turns.begin(Some("a"), "one")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(turns.begin(Some("a"), "one").is_none());
        assert!(turns.begin(Some("b"), "one").is_none());
        held.extend(
            (RECEIVER_MAX..ORGANIZATION_MAX).map(|at| turns.begin(Some("a"), &at.to_string())),
        );
        assert!(held.iter().all(Option::is_some));
        assert!(turns.begin(Some("a"), "other").is_none());
        assert!(turns.begin(Some("b"), "other").is_some());
        held.clear();
        assert!(turns.counts().is_empty());
    }

    #[test]
    fn who_waits_long_asks_less_often() {
        assert_eq!(pause(Duration::ZERO), PAUSE_MIN);
        assert_eq!(pause(Duration::from_secs(40)), Duration::from_secs(10));
        assert_eq!(pause(Duration::from_secs(4_000)), PAUSE_MAX);
    }
}
