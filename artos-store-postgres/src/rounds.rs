//! Splitting a batch so that no statement meets a task twice.
//!
//! A statement changes a row at most once. The settlements of one lease count in order, so the
//! second of a task goes into a statement after the first's; and whatever comes after it in the
//! batch goes there, too, so that follow-up tasks are inserted in the batch's order.

use std::{collections::HashSet, ops::Range};

use artos_core::model::TaskId;

/// Cuts a batch into rounds, one after the other, in each of which an id comes at most once.
pub(crate) fn rounds(ids: impl Iterator<Item = TaskId>) -> Vec<Range<usize>> {
    let mut seen = HashSet::new();
    let mut rounds: Vec<Range<usize>> = Vec::new();
    for (position, id) in ids.enumerate() {
        let first = seen.insert(id);
        match rounds.last_mut().filter(|_| first) {
            Some(round) => round.end = position + 1,
            None => {
                seen.clear();
                seen.insert(id);
                rounds.push(position..position + 1);
            }
        }
    }
    rounds
}

/// Returns the positions of a round in the order of their ids, so that two statements at the same
/// time lock rows in the same order.
pub(crate) fn in_order_of_ids(
    round: Range<usize>,
    id: impl Fn(usize) -> Option<TaskId>,
) -> Vec<usize> {
    let mut positions: Vec<usize> = round.collect();
    positions.sort_unstable_by_key(|position| id(*position));
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_in_each_round_once() {
        let id = |number| TaskId::from_uuid(uuid::Uuid::from_u128(number));
        let batch = [7, 3, 7, 5, 7, 3].map(id);
        assert_eq!(rounds(batch.into_iter()), [0..2, 2..4, 4..6]);
        assert!(rounds(std::iter::empty()).is_empty());
        let at = |position: usize| batch.get(position).copied();
        assert_eq!(in_order_of_ids(0..2, at), [1, 0]);
        assert_eq!(in_order_of_ids(4..6, at), [5, 4]);
    }
}
