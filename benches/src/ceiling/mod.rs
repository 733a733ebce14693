//! The same work written by hand, with as little as can be: what the stores are measured against.

pub(crate) mod memory;
pub(crate) mod sled;
