//! Splitting a batch so that no statement meets a task twice.
//!
//! A statement changes a row at most once. The settlements of one lease count in order, so the second
//! of a task goes into a statement after the first's.

use std::collections::HashMap;

use artos_core::model::TaskId;

/// Returns the positions of a batch in rounds: each is in order of ids, so that two statements at
/// the same time lock rows in the same order, and the positions of one id are in their own order.
pub(crate) fn rounds(ids: impl Iterator<Item = TaskId>) -> Vec<Vec<usize>> {
    let mut seen: HashMap<TaskId, usize> = HashMap::new();
    let mut rounds: Vec<Vec<(TaskId, usize)>> = Vec::new();
    for (position, id) in ids.enumerate() {
        let count = seen.entry(id).or_default();
        let round = *count;
        *count += 1;
        match rounds.get_mut(round) {
            Some(positions) => positions.push((id, position)),
            None => rounds.push(vec![(id, position)]),
        }
    }
    let in_order = |mut round: Vec<(TaskId, usize)>| {
        round.sort_unstable();
        round.into_iter().map(|(_, position)| position).collect()
    };
    rounds.into_iter().map(in_order).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_in_each_round_once_and_rounds_are_sorted() {
        let id = |number| TaskId::from_uuid(uuid::Uuid::from_u128(number));
        let batch = [7, 3, 7, 5, 7, 3].map(id);
        let expected: Vec<Vec<usize>> = vec![vec![1, 3, 0], vec![5, 2], vec![4]];
        assert_eq!(rounds(batch.into_iter()), expected);
        assert!(rounds(std::iter::empty()).is_empty());
    }
}
