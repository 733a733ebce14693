//! A named lane with its own concurrency.

use crate::Name;

/// A queue a runtime works on.
///
/// # Examples
///
/// ```
/// use artos_core::Queue;
///
/// let queue = Queue::new("mail").concurrency(8);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a queue does nothing until a runtime is built with it"]
pub struct Queue {
    pub(crate) name: Name,
    pub(crate) concurrency: usize,
}

impl Queue {
    /// Slots of a queue that names no number.
    pub const DEFAULT_CONCURRENCY: usize = 32;

    /// Names a queue; it runs up to 32 tasks at a time unless told otherwise.
    pub fn new(name: impl Into<Name>) -> Self {
        Self { name: name.into(), concurrency: Self::DEFAULT_CONCURRENCY }
    }

    /// Sets how many tasks of this queue one runtime runs at a time.
    ///
    /// A task whose last stage has returned does not count while its end is recorded, unless as
    /// many others are in the same position.
    pub const fn concurrency(mut self, slots: usize) -> Self {
        self.concurrency = slots;
        self
    }
}
