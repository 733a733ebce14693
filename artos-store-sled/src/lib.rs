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
//! after the other on a group of pending changes, and writes the group as one batch. A second
//! thread has sled flush what was written, syncs sled's file itself, and only then answers;
//! meanwhile the first one applies the next group, and no more than one. Reads go straight to
//! sled, off tokio's own threads, and are answered once what they saw is durable; the records of
//! tasks that run, or were read lately, are in memory.
//!
//! Who is due next, and the records of all tasks that run, are also in memory, about 50 bytes for
//! each task that waits. They are read off the tree when the store is opened, which takes about a
//! second for a million tasks that are not terminal, and no time for those that are.
//!
//! Only one process at a time has a store open. So when it is opened, whoever held a lease is gone:
//! all leases have lapsed, and the first rescue takes their tasks back, with the lost attempt
//! charged.
//!
//! The first error of sled or of the file system stops the store: nobody knows then what the disk
//! holds. Every later call fails with the first cause, and opening the store again finds out what
//! is there. The same happens when its threads get nowhere for a while; see
//! [`SledStoreBuilder::stall_limit`].
//!
//! A log whose end is damaged looks as if its end had never been written. So the store notes in a
//! file of its own how far it has acknowledged, and refuses to open when sled comes back with less;
//! see [`SledStoreBuilder::accept_rollback`].
//!
//! It also refuses a log that is damaged further in front, before sled repairs it. One sort of
//! damage is none: sled overwrites parts of its log that it has given up, and a power cut may leave
//! one of them half old, half new. If it may be that, a copy of sled's files is opened: if the
//! store is whole in it, the copy takes the place of the tree, and if not, it is removed. That
//! takes as long as copying and reading the whole store, and as much room as sled's files and
//! 8 MiB. What proves it is a sum over all values, which each group of changes writes anew.
//!
//! # Features
//!
//! `failpoints`, off by default, is for tests of this crate: it makes the module `failpoints`
//! public, with named points in the code at which a test may kill the process.
//!
//! `fuzzing`, off by default, is for tests of this crate, too: it makes the module `fuzzing`
//! public, with what the store reads off a disk as functions of bytes.
//!
//! # The folder
//!
//! | file | |
//! |---|---|
//! | `artos-store` | says `artos-store-sled format 2`, and where the tree is; read first |
//! | `artos-store.lock` | held while the store is open; names the process |
//! | `artos-store.mark` | how many groups of changes were acknowledged |
//! | `artos-store.new`, `artos-store.mark.new` | these files while they are written |
//! | `artos-store.room` | made and removed at once, to see that there is room |
//! | `db`, `conf`, `snap.*` | sled's |
//! | `blobs/` | sled's, and always empty: what is there survives no power cut |
//! | `tree.1`, `tree.2` ... | where sled's files are instead, once it was compacted or proven |
//!
//! Only one tree counts: that of the folder named in a second line of the first file, `tree tree.1`
//! for example, or else that of the store's folder itself. Others are what an interrupted
//! [compaction](offline::compact()) or proof left; they are removed when the store is opened.
//!
//! The mark has two slots of 512 bytes that are written in turns: `artosmk1`, the store's id (16),
//! the number of groups (8), and the CRC-32C of all that (4). It is written for every group, and
//! synced ten times a second while there are any.
//!
//! Stores as each format left them are in `tests/golden/`, with what has to be read out of them.
//! Every later version opens them; once released, they are never made anew.
//!
//! # The tree
//!
//! There is one tree, so that one batch covers everything. sled spends about as long on a key as on
//! kilobytes of value; so rows that stand next to each other are packed into blocks of at most
//! 4,096 bytes, and a block is a value of the tree. Only two sorts of values are not blocks: the
//! head, and the pieces of large payloads.
//!
//! | key | value | there is one for |
//! |---|---|---|
//! | `h` | head | the store |
//! | `p` id generation (4) index (4) | chunk | each piece of what is too large for a row |
//! | any other | block | rows that stand next to each other |
//!
//! A row is in the last block whose key is not after its own. The first block of a table has the
//! first byte of the table's keys as its key, any other one the key that its first row had when the
//! block was made.
//!
//! | row's key | value | there is one for |
//! |---|---|---|
//! | `t` id | task | each task |
//! | `v` id | empty | each task that is not terminal |
//! | `c` id | changes | each task that runs |
//! | `e` state (1) finished_at (8) id | empty | each terminal task, for pruning |
//! | `s` state (1) id | empty | each terminal task, for listing |
//! | `nk` kind id | empty | each task |
//! | `nt` tenant id | empty | each task of a tenant |
//! | `l` label value id | empty | each label of each task |
//! | `k` SHA-256 (32) | id | each idempotency key |
//!
//! Numbers are big-endian, so keys sort as what they stand for. An id is the 16 bytes of its UUID,
//! a time is microseconds since 1970 in 8 bytes, state numbers are those of a record. Names are
//! their lengths (1 each) and texts if they have at most 48 bytes together, else `FF` and a SHA-256
//! (32) of each one's length (8) and text. The digest of an idempotency key covers whether there is
//! a tenant (1), and then tenant, kind and key in the same way. No key has more than 96 bytes.
//!
//! What a running task has become since it was claimed is in its row of `c`, which is a fraction of
//! its row of `t`, and close to those of the tasks that run beside it. A checkpoint's payload that
//! came since then is there, too, unless it is in chunks. If that does not fit a row, there is
//! none, and the row of `t` is as new.
//!
//! # The values
//!
//! A value of the tree is in an envelope: `A7`, the envelope's version 1 (1), the sort of value
//! (1), the length of the content (4), a checksum (4), and the content. The checksum is the CRC-32C
//! of the key, the seven bytes before it, and the content.
//!
//! | sort | content |
//! |---|---|
//! | 1 head | format (4), the store's id (16), groups so far (8), tasks by state (40), sum (16) |
//! | 2 block | its rows |
//! | 3 chunk | at most 4,085 bytes |
//!
//! The sum tells a tree that is whole from any other: a group of changes adds to it what it writes,
//! and takes away what it replaces or removes. Each value but the head counts with the SipHash-1-3
//! of 128 bits, keyed with the store's id, of its key and the 11 bytes in front of its content; the
//! 16 bytes of each hash are a little-endian number, and these are added up, modulo 2^128.
//!
//! A row in a block is how many bytes its key shares with the key before it (1), how many follow
//! (1), the length of its value (2), these bytes of its key, and its value. In front of the first
//! row stands the key of the block.
//!
//! A row of `t` is `00` and a task, or, if that does not fit a row, `01` and the generation (4) and
//! the length (4) of the chunks that hold it. A payload of more than 1,024 bytes is in chunks, too.
//! Chunks are never overwritten: what replaces them has the next generation. So a reader needs no
//! lock: it finds every chunk that a task names, or else a newer task.
//!
//! A task is its changes and then what lasts, with a text as its length (1, or `FF` and 4) and its
//! UTF-8. The changes are, in this order:
//!
//! 1. state (1): 0 pending, 1 running, 2 completed, 3 failed, 4 cancelled;
//! 2. which of the starred parts are there (2), the lowest bit first: stage, lease, settled_by,
//!    cancel_requested, progress, failure, started_at, finished_at;
//! 3. epoch (8), revision (8), attempt (4), snoozes (4), interrupts (4), stage_entered_at (8),
//!    run_at (8), updated_at (8);
//! 4. stage*; lease*: worker (16), expires_at (8); settled_by* (1): 0 advance, 1 complete, 2 retry,
//!    3 snooze, 4 fail, 5 cancel, 6 interrupt;
//! 5. progress*: stage, stage_number (4), stage_count (4), percent (1), message, updated_at (8);
//! 6. failure*: cause (1): 0 error, 1 fatal, 2 panic, 3 timeout, 4 lease lost, 5 undecodable, 6
//!    unstorable, 7 unknown kind, 8 unknown stage, 9 never finished, 10 expired; whether there is a
//!    stage (1), stage, attempt (4), message, at (8);
//! 7. started_at* (8); finished_at* (8).
//!
//! In a row of `c`, the payload may follow, as a text does. In a row of `t`, what lasts follows:
//!
//! 1. which of the starred parts are there (2), the lowest bit first: tenant, labels, idempotency
//!    key, retry_of, expires_at, result;
//! 2. generation of the last chunks (4), kind, queue, priority (2), created_at (8);
//! 3. tenant*; labels*: their number (4), then key and value of each; idempotency key*; retry_of*
//!    (16); expires_at* (8);
//! 4. the input, and the result*, which is a completed task's output or else the checkpoint's
//!    payload: 0 (1) and bytes like a text, or 1 (1), generation (4) and length (4) of its chunks.

mod block;
mod builder;
mod changes;
mod codec;
mod commit;
mod disk;
mod envelope;
#[cfg(feature = "failpoints")]
pub mod failpoints;
#[cfg(not(feature = "failpoints"))]
mod failpoints;
mod folder;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group;
mod head;
mod index;
mod keys;
mod leftovers;
mod listing;
mod live;
mod log;
mod lookup;
mod mark;
mod marker;
mod merge;
mod news;
pub mod offline;
mod opening;
mod operations;
mod payloads;
mod poison;
mod proof;
mod reading;
mod recent;
mod scan;
mod sled_file;
mod store;
mod sum;
mod sync;
#[cfg(test)]
#[path = "../tests/tasks/mod.rs"]
mod tasks;
mod watchdog;

pub use builder::{Durability, SledStoreBuilder};
pub use store::SledStore;
