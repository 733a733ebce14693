//! How a hint reaches whoever waits: at once in this process, and through the database elsewhere.
//!
//! A hint is sent after its change was committed, over a connection of the pool, together with all
//! others that gathered meanwhile. So no commit of a change waits for the lock that `NOTIFY` takes,
//! and a busy process sends a few notifications, not one for each task. A process that dies in
//! between takes its last hints with it; whoever waits then finds out by looking.

mod listener;
mod news;
mod notifier;
mod wire;

pub(crate) use listener::listen;
pub(crate) use news::News;
pub(crate) use notifier::{Notifier, Outbox};
pub(crate) use wire::{channel, topic_of, within};
