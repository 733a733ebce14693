//! What the stores stand on, used as sparingly as can be: the ceilings they are measured against.

pub(crate) mod memory;
mod sled;

pub(crate) use sled::{sled, sled_one_by_one};
