//! A durable [`TaskStore`](artos_core::store::TaskStore) in a folder, without a server.

mod builder;
mod codec;
mod commit;
mod disk;
mod envelope;
mod folder;
mod group;
mod index;
mod keys;
mod listing;
mod lookup;
mod news;
mod payloads;
mod poison;
mod store;
mod tables;

pub use builder::{Durability, SledStoreBuilder};
pub use store::SledStore;
