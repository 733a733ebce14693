//! A durable [`TaskStore`](artos_core::store::TaskStore) in a folder: no server, one process at a
//! time.
//!
//! It is made for one service on one machine that must not lose what it acknowledged. What an
//! acknowledged change outlives is chosen by [`Durability`]; the default is a power cut.
//!
//! # Examples
//!
//! ```
//! use artos_core::store::TaskStore;
//! use artos_store_sled::SledStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tasks");
//! let store = SledStore::open(&path)?;
//! assert!(store.list(&Default::default()).await?.tasks.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! All writes go through one thread. It takes the operations that have gathered, runs them one
//! after the other on a group of pending changes, writes the group as one batch, has sled flush it
//! and syncs sled's file itself. Only then does it answer. Reads go straight to sled, off tokio's
//! own threads, and are answered once what they saw is durable.
//!
//! The first error of sled or of the file system stops the store: nobody knows then what the disk
//! holds. Every later call fails with the first cause, and opening the store again finds out what
//! is there.
//!
//! # The folder
//!
//! | file | |
//! |---|---|
//! | `artos-store` | says `artos-store-sled format 1`; read before anything is touched |
//! | `artos-store.lock` | held while the store is open; names the process |
//! | `artos-store.new` | the first file while it is written |
//! | `db`, `conf`, `snap.*` | sled's |
//! | `blobs/` | sled's, and always empty: what is there survives no power cut |
//!
//! # The keys
//!
//! There is one tree, so that one batch covers everything. Numbers are big-endian, so keys sort as
//! what they stand for. No key is longer than 96 bytes, and no value than 4,096.
//!
//! | key | value | there is one for |
//! |---|---|---|
//! | `f` | format (4) | the store |
//! | `t` id | record | each task |
//! | `p` id generation (4) index (4) | chunk | each piece of what is too large |
//! | `v` id | lease | each task that is not terminal |
//! | `r` queue rank (2) run_at (8) id | empty | each pending task |
//! | `e` state (1) finished_at (8) id | empty | each terminal task |
//! | `x` id | empty | each failed or cancelled task |
//! | `n` tenant id | empty | each task of a tenant |
//! | `k` SHA-256 (32) | owner | each idempotency key |
//!
//! A payload of more than 1,024 bytes is cut into pieces of 4,085, and so is a record that does not
//! fit a value.
//!
//! An id is the 16 bytes of its UUID, a time is microseconds since 1970 in 8 bytes. A name in a key
//! is its length (1) and its text if that has at most 48 bytes, else `FF` and its SHA-256 (32). A
//! rank is the priority with its sign bit flipped and all bits inverted, so that the highest
//! priority comes first. The digest of an idempotency key covers whether there is a tenant (1), and
//! then tenant, kind and key, each after its length (8). State numbers are those of a record.
//!
//! A task without tenant and key costs four new keys in its life (`t`, `v`, `r`, `e`), of which two
//! remain; the rest of what is written replaces values.
//!
//! # The values
//!
//! A value that is not empty is in an envelope: `A7`, the envelope's version 1 (1), the sort of
//! value (1), the length of the content (4), a checksum (4), and the content. The checksum is the
//! CRC-32C of the key, the seven bytes before it, and the content.
//!
//! | sort | content |
//! |---|---|
//! | 1 format | the format (4) |
//! | 2 record | below |
//! | 3 spilled record | generation (4) and length (4) of the chunks that hold the record |
//! | 4 chunk | at most 4,085 bytes |
//! | 5 lease | empty, or when the lease lapses (8) |
//! | 6 owner | an id (16) |
//!
//! A record is, in this order, with a text as its length (1, or `FF` and 4) and its UTF-8:
//!
//! 1. state (1): 0 pending, 1 running, 2 completed, 3 failed, 4 cancelled;
//! 2. which of the starred parts are there (2), the lowest bit first: tenant, labels, idempotency
//!    key, retry_of, expires_at, stage, lease, settled_by, cancel_requested, progress, failure,
//!    started_at, finished_at, result;
//! 3. generation of the last chunks (4), kind, queue, priority (2), epoch (8), revision (8),
//!    attempt (4), snoozes (4), interrupts (4), created_at (8), stage_entered_at (8), run_at (8),
//!    updated_at (8);
//! 4. tenant*; labels*: their number (4), then key and value of each; idempotency key*; retry_of*
//!    (16); expires_at* (8); stage*; lease*: worker (16), expires_at (8); settled_by* (1): 0
//!    advance, 1 complete, 2 retry, 3 snooze, 4 fail, 5 cancel, 6 interrupt;
//! 5. progress*: stage, stage_number (4), stage_count (4), percent (1), message, updated_at (8);
//! 6. failure*: cause (1): 0 error, 1 fatal, 2 panic, 3 timeout, 4 lease lost, 5 undecodable, 6
//!    unstorable, 7 unknown kind, 8 unknown stage, 9 never finished, 10 expired; whether there is a
//!    stage (1), stage, attempt (4), message, at (8);
//! 7. started_at* (8); finished_at* (8);
//! 8. the input, and the result*, which is a completed task's output or else the checkpoint's
//!    payload: 0 (1) and bytes like a text, or 1 (1), generation (4) and length (4) of its chunks.
//!
//! Chunks are never overwritten: what replaces them has the next generation. So a reader needs no
//! lock: it finds every chunk that a record names, or else a newer record.

mod block;
mod builder;
mod changes;
mod codec;
mod commit;
mod disk;
mod envelope;
mod folder;
mod group;
mod head;
mod index;
mod keys;
mod leftovers;
mod listing;
mod live;
mod lookup;
mod mark;
mod marker;
mod merge;
mod news;
pub mod offline;
mod operations;
mod payloads;
mod poison;
mod scan;
mod store;
mod sync;

pub use builder::{Durability, SledStoreBuilder};
pub use store::SledStore;
