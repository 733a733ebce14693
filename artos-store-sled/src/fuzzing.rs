//! What the store reads off a disk, as functions of bytes; behind the feature `fuzzing`, for tests
//! of this crate only.
//!
//! Each either refuses the bytes or reads them, and what was read is the same after it was written
//! and read again. They panic when that is not so.

#![expect(clippy::panic, reason = "a test speaks by panicking")]

use artos_core::{
    Timestamp, machine,
    model::{NewTask, TaskId},
};
use bytes::Bytes;
use uuid::Uuid;

use crate::{
    block::{Packer, Rows},
    codec::{self, Kept, Stored},
    envelope::{self, CONTENT_BYTES_MAX, Sort},
    head::Head,
};

const ID: TaskId = TaskId::from_uuid(Uuid::nil());

/// Says that something was not the same again.
fn differs(what: &str) -> ! {
    panic!("{what} is another one after it was written and read again")
}

/// Writes a task that waits, as it is on a disk: what [`task`] reads.
#[must_use]
pub fn waiting(input: &'static [u8]) -> Vec<u8> {
    let task = NewTask::new(ID, "document.generate", "default", input);
    let record = machine::insert(&task, Timestamp::from_micros(1_000_000_000));
    let input = Kept::Inline(Bytes::from_static(input));
    codec::encode(Vec::new(), 0, &Stored { record, input, result: None, generation: 0 })
        .split_off(1)
}

/// Reads bytes as a task, with its lease, its checkpoint and where its payloads are.
pub fn task(bytes: &[u8]) {
    let Ok(stored) = codec::decode(ID, bytes) else { return };
    let written = codec::encode(Vec::new(), 0, &stored);
    let again = written.get(1..).map(|bytes| codec::decode(ID, bytes));
    if !matches!(again, Some(Ok(again)) if again == stored) {
        differs("the task");
    }
    let result = stored.result.as_ref().and_then(Kept::inline);
    let changes = codec::encode_changing(Vec::new(), &stored.record, result);
    let mut changed = stored.record.clone();
    let result_again = codec::decode_changing(&mut changed, &changes);
    if result_again.as_ref().map(Option::as_ref) != Ok(result) || changed != stored.record {
        differs("what changes about the task");
    }
}

/// Reads bytes as a value of the tree: its envelope, and the rows or the head in it.
///
/// The first byte says how long the key is that follows; the rest is the value.
pub fn value(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first() else { return };
    let (key, value) = rest.split_at_checked(usize::from(*len)).unwrap_or((rest, &[]));
    if let Ok((sort, content)) = envelope::open(key, value)
        && envelope::seal(key, sort, content) != value
    {
        differs("the envelope");
    }
    head(value);
    rows(key, value);
    // A fuzzer does not find checksums; so the same bytes again, under a right one.
    let content = value.get(..CONTENT_BYTES_MAX).unwrap_or(value);
    for sort in [Sort::Head, Sort::Block, Sort::Chunk] {
        let sealed = envelope::seal(key, sort, content);
        match envelope::open(key, &sealed) {
            Ok(found) if found == (sort, content) => {}
            _ => differs("the sealed value"),
        }
    }
    head(&envelope::seal(b"h", Sort::Head, content));
    rows(key, &envelope::seal(key, Sort::Block, content));
}

fn head(value: &[u8]) {
    if Head::open(value).is_ok_and(|head| head.seal() != value) {
        differs("the head");
    }
}

/// Goes through the rows of a block, as long as there are any.
fn rows(key: &[u8], value: &[u8]) {
    let Ok(mut rows) = Rows::open(key, value) else { return };
    let mut last: Vec<u8> = key.to_vec();
    let mut packer = Packer::new(key, CONTENT_BYTES_MAX);
    let mut all = Vec::new();
    let whole = loop {
        match rows.next() {
            Ok(Some((key, value))) => {
                let in_order = all
                    .last()
                    .is_none_or(|(before, _): &(Vec<u8>, Vec<u8>)| before.as_slice() < key);
                if !in_order || key < last.as_slice() {
                    break false;
                }
                last = key.to_vec();
                all.push((key.to_vec(), value.to_vec()));
            }
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    if !whole {
        return;
    }
    let mut before: &[u8] = &[];
    for (key, value) in &all {
        packer.push(key, crate::block::shared_len(before, key), value);
        before = key;
    }
    let mut again = Vec::new();
    for (block, value) in packer.finish() {
        let Ok(mut rows) = Rows::open(&block, &value) else { differs("the block") };
        while let Ok(Some((key, value))) = rows.next() {
            again.push((key.to_vec(), value.to_vec()));
        }
    }
    if again != all {
        differs("the block");
    }
}
