//! When to kill: at every sort of moment in the life of a document, and at random ones.

use std::time::Duration;

use artos_core::Random;
use document_service::stages::STAGES;

use crate::journal::Event;

/// Most lines about stages between a start and a random kill.
const EVENTS_MAX: f64 = 25.0;
/// Longest time between a line and a random kill: about as long as the longest stage.
const PAUSE_MAX: Duration = Duration::from_millis(15);

/// When to kill a process, counted from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// It accepted so many requests, and others are on their way.
    Accepted(usize),
    /// It started this stage.
    Started(usize),
    /// The store acknowledged the checkpoint that leads to this stage, or the end.
    Acknowledged(usize),
    /// It said so many things about stages, and then some time went by.
    Random { events: usize, pause: Duration },
}

impl Moment {
    /// Returns each sort of moment once.
    pub(crate) fn each() -> Vec<Self> {
        let accepted = [Self::Accepted(5), Self::Accepted(12)];
        let stages = 0..STAGES.len();
        let started = stages.clone().map(Self::Started);
        let acknowledged = stages.map(|stage| Self::Acknowledged(stage + 1));
        let stages = started.zip(acknowledged).flat_map(<[Self; 2]>::from);
        accepted.into_iter().chain(stages).collect()
    }

    pub(crate) fn random(random: &Random) -> Self {
        let [events, pause] =
            [EVENTS_MAX, PAUSE_MAX.as_secs_f64()].map(|max| max * random.fraction());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 25")]
        let events = events as usize + 1;
        Self::Random { events, pause: Duration::from_secs_f64(pause) }
    }

    /// Returns how many lines bring the moment.
    pub(crate) const fn lines(self) -> usize {
        match self {
            Self::Accepted(count) | Self::Random { events: count, .. } => count,
            Self::Started(_) | Self::Acknowledged(_) => 1,
        }
    }

    /// Returns whether a line brings the moment closer.
    pub(crate) fn is_brought_by(self, line: &str) -> bool {
        match (self, Event::parse(line)) {
            (Self::Accepted(_), _) => line.contains(": accepted task_id="),
            (Self::Started(wanted), Some(Event::Started { stage, .. })) => stage == wanted,
            (Self::Acknowledged(wanted), Some(Event::Acknowledged { next, .. })) => next == wanted,
            (Self::Random { .. }, event) => event.is_some(),
            _ => false,
        }
    }

    pub(crate) const fn pause(self) -> Duration {
        match self {
            Self::Random { pause, .. } => pause,
            _ => Duration::ZERO,
        }
    }
}
