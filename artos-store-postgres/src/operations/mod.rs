//! What the store does over one connection, one file each.

mod cancel;
mod claim;
mod get;
mod heartbeat;
mod insert;
mod list;
mod new_tasks;
mod prune;
mod rescue;
mod settle;

pub(crate) use cancel::Cancel;
pub(crate) use claim::ClaimDue;
pub(crate) use get::Get;
pub(crate) use heartbeat::Heartbeat;
pub(crate) use insert::Insert;
pub(crate) use list::List;
pub(crate) use prune::Prune;
pub(crate) use rescue::Rescue;
pub(crate) use settle::Settle;

use std::time::Duration;

use artos_core::{Timestamp, model::Name};

/// Returns a duration in the microseconds of the database. What is longer than time itself is as
/// good as the end of it; the statements end there.
fn micros(duration: Duration) -> i64 {
    let longest = Timestamp::MAX.as_micros();
    i64::try_from(duration.as_micros()).unwrap_or(longest).min(longest)
}

/// Returns a limit as SQL takes it.
fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Returns a position in a batch as SQL carries it.
fn position(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// Leaves out a column of which every value is null: Postgres fills an array that is shorter than
/// others up with nulls, and need not read them one by one.
fn sparse<T>(column: Vec<Option<T>>) -> Vec<Option<T>> {
    if column.iter().all(Option::is_none) { Vec::new() } else { column }
}

/// Returns the item of a batch that an answer is about.
fn item<T>(items: &mut [T], position: i64) -> Result<&mut T, sqlx::Error> {
    let index = usize::try_from(position).ok();
    let item = index.and_then(|index| items.get_mut(index));
    item.ok_or_else(|| crate::fault::nonsense(format!("an answer to item {position}")))
}

/// Returns a message for people as the database can keep it: it has no zero bytes.
fn message(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn text(name: Option<&Name>) -> Option<&str> {
    name.map(Name::as_str)
}
