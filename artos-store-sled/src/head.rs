//! The head of the store: what every group of changes writes anew.
//!
//! Its sequence number tells how far the tree has come, so that a tree that went back is found out.

use artos_core::{
    model::{StateCounts, TaskState},
    store::StoreResult,
};
use uuid::Uuid;

use crate::{
    codec::{Malformed, Reader, Writer},
    envelope::{self, Sort, corrupt},
    folder::FORMAT,
    keys,
    sum::Sum,
};

/// Format, store, sequence, counts, sum.
const CONTENT_BYTES: usize = 4 + 16 + 8 + 5 * 8 + 16;

/// The head as it is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) format: u32,
    /// Tells this store from any other.
    pub(crate) store: Uuid,
    /// How many groups of changes were written.
    pub(crate) sequence: u64,
    pub(crate) counts: Counts,
    /// What all values of the tree come to; see [`Sum`].
    pub(crate) sum: u128,
}

impl Head {
    /// Bytes of the value of the head's key.
    pub(crate) const VALUE_BYTES: usize = envelope::HEADER_BYTES + CONTENT_BYTES;

    /// Makes the head of a store that nothing was written to.
    pub(crate) fn new(store: Uuid) -> Self {
        Self { format: FORMAT, store, sequence: 0, counts: Counts::default(), sum: 0 }
    }

    /// Returns the sum of a tree with this head, to go on with.
    pub(crate) fn sum(&self) -> Sum {
        Sum::new(self.store, self.sum)
    }

    /// Returns whether a value looks like one of the head's key; a quick test before `open`.
    pub(crate) fn may_be(value: &[u8]) -> bool {
        value.starts_with(&envelope::start(Sort::Head))
    }

    /// Writes the value of the head's key.
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(CONTENT_BYTES);
        w.u32(self.format);
        w.uuid(&self.store);
        w.u64(self.sequence);
        let StateCounts { pending, running, completed, failed, cancelled } = self.counts.0;
        for count in [pending, running, completed, failed, cancelled] {
            w.u64(count);
        }
        w.u128(self.sum);
        envelope::seal(keys::HEAD, Sort::Head, &w.finish())
    }

    /// Reads the value of the head's key.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](artos_core::store::StoreError::Corrupt) if it makes no sense.
    pub(crate) fn open(value: &[u8]) -> StoreResult<Self> {
        let content = envelope::open_as(keys::HEAD, value, Sort::Head)?;
        Self::parse(&mut Reader::new(content)).map_err(|odd| corrupt(keys::HEAD, odd.0))
    }

    fn parse(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let format = r.u32()?;
        let head = Self {
            format,
            store: r.uuid()?,
            sequence: r.u64()?,
            counts: Counts(StateCounts {
                pending: r.u64()?,
                running: r.u64()?,
                completed: r.u64()?,
                failed: r.u64()?,
                cancelled: r.u64()?,
            }),
            sum: r.u128()?,
        };
        r.end()?;
        Ok(head)
    }
}

/// How many tasks are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts(pub(crate) StateCounts);

impl Counts {
    /// Counts a task in another state than before; `None` is outside the store.
    pub(crate) fn move_one(&mut self, from: Option<TaskState>, to: Option<TaskState>) {
        if let Some(count) = from.map(|state| self.of(state)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = to.map(|state| self.of(state)) {
            *count += 1;
        }
    }

    const fn of(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Pending => &mut self.0.pending,
            TaskState::Running => &mut self.0.running,
            TaskState::Completed => &mut self.0.completed,
            TaskState::Failed => &mut self.0.failed,
            TaskState::Cancelled => &mut self.0.cancelled,
        }
    }
}
