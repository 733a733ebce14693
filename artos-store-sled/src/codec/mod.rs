//! A task's record as bytes and back.
//!
//! What is written has a number that a person chose; nothing depends on the order of declarations.

mod bytes;
mod numbers;
mod present;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use bytes::{Malformed, Reader, Writer};
pub(crate) use record::{Kept, Stored, decode, decode_changing, encode, encode_changing};
