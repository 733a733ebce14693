//! What a simulated store is: one that can be copied at any moment.

use std::sync::Arc;

use artos_core::store::TaskStore;
use artos_store_memory::MemoryStore;

/// A store whose tasks can be copied, so that a crash can take it back to what was durable.
pub trait Base: TaskStore {
    /// Makes a store with the same tasks, which goes its own way from then on.
    fn fork(&self) -> Arc<dyn Base>;

    /// Returns whether answers wait until what they say is durable. Only a broken store's do not.
    fn waits_for_durability(&self) -> bool;
}

impl Base for MemoryStore {
    fn fork(&self) -> Arc<dyn Base> {
        Arc::new(Self::fork(self))
    }

    fn waits_for_durability(&self) -> bool {
        true
    }
}
