//! The door through which locks and counters enter what is shared between threads.
//!
//! `artos-shuttle` compiles the files that use it with other ones, whose every use is a point where
//! another thread may go on, and so tries the orders in which threads can meet.

pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
