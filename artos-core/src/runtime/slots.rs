//! How many tasks of each queue a runtime works on.

use tokio::sync::Semaphore;

use crate::spawn::step_aside;

/// The slots of all queues of a runtime, by the number of the queue.
///
/// A task has a slot while its stages run. While its end is recorded it is only settling, and its
/// slot is free for the next task: otherwise slots would stand empty while a disk syncs. As many
/// tasks settle at a time as there are slots; beyond that, they keep their slots until they have
/// settled.
#[derive(Debug)]
pub(super) struct Slots(Vec<OfQueue>);

#[derive(Debug)]
struct OfQueue {
    /// How many there are.
    all: usize,
    running: Semaphore,
    settling: Semaphore,
}

/// What a task holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// A slot: its stages run.
    Slot,
    /// A place among those that settle.
    Settling,
    /// Neither: it gave back what it held.
    Nothing,
}

impl Slots {
    pub(super) fn new(concurrencies: impl Iterator<Item = usize>) -> Self {
        let of_queue = |concurrency: usize| {
            let all = concurrency.min(Semaphore::MAX_PERMITS);
            OfQueue { all, running: Semaphore::new(all), settling: Semaphore::new(all) }
        };
        Self(concurrencies.map(of_queue).collect())
    }

    /// Waits for a free slot of a queue, and takes all that are free, up to a limit.
    pub(super) async fn take(&self, queue: usize, limit: usize) -> FreeSlots<'_> {
        let mut taken = FreeSlots { slots: self, queue, count: 0 };
        if let Some(OfQueue { all, running, .. }) = self.0.get(queue)
            && let Ok(first) = running.acquire().await
        {
            first.forget();
            taken.count = 1;
            // Others that are about to become free do so first: one claim for all of them. Where
            // more than half are free, the queue is not busy, and stepping aside would wake a
            // thread; but a claim for as many as there may be is followed by another one.
            let others = running.available_permits();
            if others <= all / 2 || others >= limit {
                step_aside().await;
            }
            let more = running.available_permits().min(limit.saturating_sub(1));
            if let Ok(wanted) = u32::try_from(more)
                && let Ok(others) = running.try_acquire_many(wanted)
            {
                others.forget();
                taken.count += more;
            }
        }
        taken
    }

    /// Frees the slot of a task that settles, if no more settle than may; answers whether it did.
    pub(super) fn may_settle(&self, queue: usize) -> bool {
        let Some(OfQueue { running, settling, .. }) = self.0.get(queue) else {
            return false;
        };
        let Ok(place) = settling.try_acquire() else {
            return false;
        };
        place.forget();
        running.add_permits(1);
        true
    }

    fn free(&self, queue: usize, running: usize, settling: usize) {
        if let Some(slots) = self.0.get(queue) {
            if running > 0 {
                slots.running.add_permits(running);
            }
            if settling > 0 {
                slots.settling.add_permits(settling);
            }
        }
    }
}

/// Slots that a worker took; those that no task got become free again.
#[derive(Debug)]
pub(super) struct FreeSlots<'a> {
    slots: &'a Slots,
    queue: usize,
    count: usize,
}

impl FreeSlots<'_> {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Gives one to a task; answers whether there was one.
    pub(super) const fn give(&mut self) -> bool {
        let some = self.count > 0;
        self.count = self.count.saturating_sub(1);
        some
    }
}

impl Drop for FreeSlots<'_> {
    fn drop(&mut self) {
        self.slots.free(self.queue, self.count, 0);
    }
}

/// Gathers what tasks held, and frees it together.
pub(super) struct Freed<'a> {
    slots: &'a Slots,
    queue: usize,
    running: usize,
    settling: usize,
}

impl<'a> Freed<'a> {
    pub(super) const fn new(slots: &'a Slots) -> Self {
        Self { slots, queue: 0, running: 0, settling: 0 }
    }

    pub(super) fn add(&mut self, queue: usize, hold: Hold) {
        if queue != self.queue {
            self.free();
            self.queue = queue;
        }
        match hold {
            Hold::Slot => self.running += 1,
            Hold::Settling => self.settling += 1,
            Hold::Nothing => {}
        }
    }

    fn free(&mut self) {
        let (running, settling) =
            (std::mem::take(&mut self.running), std::mem::take(&mut self.settling));
        self.slots.free(self.queue, running, settling);
    }
}

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// How many slots of a queue are free now.
    fn free(slots: &Slots, queue: usize) -> usize {
        slots.0.get(queue).map_or(0, |slots| slots.running.available_permits())
    }

    #[tokio::test]
    async fn what_is_freed_goes_back_to_its_own_queue() {
        let slots = Slots::new([1, 2].into_iter());
        for queue in [0, 1] {
            let mut taken = slots.take(queue, 8).await;
            while taken.give() {}
        }
        assert_eq!((free(&slots, 0), free(&slots, 1)), (0, 0));
        let mut freed = Freed::new(&slots);
        for queue in [1, 0, 1] {
            freed.add(queue, Hold::Slot);
        }
        drop(freed);
        assert_eq!((free(&slots, 0), free(&slots, 1)), (1, 2));
    }

    /// Takes slots of a queue of eight, and says whether that takes no second poll.
    fn takes_at_once(free: usize, limit: usize) -> bool {
        let slots = Slots::new([8].into_iter());
        if let Some(queue) = slots.0.first() {
            queue.running.forget_permits(8 - free);
        }
        slots.take(0, limit).now_or_never().is_some()
    }

    #[test]
    fn a_queue_steps_aside_only_while_it_is_busy() {
        assert!(takes_at_once(8, 100));
        assert!(takes_at_once(6, 100));
        assert!(!takes_at_once(5, 100), "as many run as are left");
        assert!(!takes_at_once(1, 100));
        assert!(!takes_at_once(8, 7), "the next claim follows at once");
        assert!(takes_at_once(8, 8));
    }

    #[tokio::test]
    async fn no_more_are_given_than_were_taken() {
        let slots = Slots::new([2].into_iter());
        let mut taken = slots.take(0, 1).await;
        assert!(taken.give());
        assert!(!taken.give());
        drop(taken);
        assert_eq!(free(&slots, 0), 1);
    }

    #[tokio::test]
    async fn as_many_settle_as_there_are_slots_again_and_again() {
        let slots = Slots::new([2].into_iter());
        for _ in 0..3 {
            let mut taken = slots.take(0, 2).await;
            while taken.give() {}
            assert!(slots.may_settle(0) && slots.may_settle(0));
            assert!(!slots.may_settle(0));
            assert_eq!(free(&slots, 0), 2);
            let mut freed = Freed::new(&slots);
            freed.add(0, Hold::Settling);
            freed.add(0, Hold::Nothing);
            freed.add(0, Hold::Settling);
        }
    }
}
