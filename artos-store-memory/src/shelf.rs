//! Tasks in the order of their ids, counted by state.
//!
//! A shelf is a row of boards of some hundred tasks each. A board knows how many of its tasks are
//! in each state, so a listing of a rare state passes over boards at a glance, and a task that
//! changes its state moves nothing.

use std::{collections::BTreeMap, ops::Bound};

use artos_core::model::{ListOrder, StateCounts, TaskId, TaskState};

/// Most tasks on a board. More make inserts in the middle dear, fewer make searches long.
const BOARD_MAX: usize = 256;

/// Room for this many tasks is kept on a board.
const ROOM_MIN: usize = 8;

/// Tasks in the order of their ids, each with a value.
#[derive(Debug, Clone)]
pub(crate) struct Shelf<V> {
    /// By an id that is at most the board's first, and more than the last of the board before.
    boards: BTreeMap<TaskId, Board<V>>,
    counts: Counts,
}

#[derive(Debug, Clone)]
struct Board<V> {
    ids: Vec<TaskId>,
    values: Vec<V>,
    counts: Counts,
}

/// How many tasks are in each state.
#[derive(Debug, Clone, Copy, Default)]
struct Counts([usize; TaskState::ALL.len()]);

impl Counts {
    const fn place(state: TaskState) -> usize {
        match state {
            TaskState::Pending => 0,
            TaskState::Running => 1,
            TaskState::Completed => 2,
            TaskState::Failed => 3,
            TaskState::Cancelled => 4,
        }
    }

    fn of(&self, state: TaskState) -> usize {
        self.0.get(Self::place(state)).copied().unwrap_or(0)
    }

    fn of_mut(&mut self, state: TaskState) -> &mut usize {
        let [pending, running, completed, failed, cancelled] = &mut self.0;
        match state {
            TaskState::Pending => pending,
            TaskState::Running => running,
            TaskState::Completed => completed,
            TaskState::Failed => failed,
            TaskState::Cancelled => cancelled,
        }
    }

    fn moves(&mut self, from: TaskState, to: TaskState) {
        *self.of_mut(from) -= 1;
        *self.of_mut(to) += 1;
    }
}

/// What a shelf has to know of a value when a board is split.
pub(crate) trait HasState {
    fn state(&self) -> TaskState;
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self { boards: BTreeMap::new(), counts: Counts::default() }
    }
}

impl<V: HasState> Shelf<V> {
    pub(crate) fn len(&self) -> usize {
        self.counts.0.iter().sum()
    }

    pub(crate) fn counts(&self) -> StateCounts {
        let count = |state| u64::try_from(self.counts.of(state)).unwrap_or(u64::MAX);
        StateCounts {
            pending: count(TaskState::Pending),
            running: count(TaskState::Running),
            completed: count(TaskState::Completed),
            failed: count(TaskState::Failed),
            cancelled: count(TaskState::Cancelled),
        }
    }

    pub(crate) fn get(&self, id: TaskId) -> Option<&V> {
        let (_, board) = self.boards.range(..=id).next_back()?;
        board.values.get(board.ids.binary_search(&id).ok()?)
    }

    /// Lets `change` work on a value that may change its state by it.
    pub(crate) fn change<T>(&mut self, id: TaskId, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        let (_, board) = self.boards.range_mut(..=id).next_back()?;
        let value = board.values.get_mut(board.ids.binary_search(&id).ok()?)?;
        let before = value.state();
        let answer = change(value);
        let after = value.state();
        if before != after {
            board.counts.moves(before, after);
            self.counts.moves(before, after);
        }
        Some(answer)
    }

    /// Adds a task that is not there yet.
    pub(crate) fn insert(&mut self, id: TaskId, value: V) {
        let state = value.state();
        *self.counts.of_mut(state) += 1;
        let Some((_, board)) = self.boards.range_mut(..=id).next_back() else {
            self.insert_first(id, value);
            return;
        };
        let at = board.ids.binary_search(&id).unwrap_or_else(|at| at);
        if board.ids.len() < BOARD_MAX {
            board.insert(at, id, value);
            return;
        }
        if at == BOARD_MAX {
            // Ids mostly grow: a full board is left full.
            self.boards.insert(id, Board::with(id, value));
            return;
        }
        let mut upper = board.split();
        if let Some(first) = upper.ids.first().copied() {
            if id < first {
                board.insert(at, id, value);
            } else {
                upper.insert(at - board.ids.len(), id, value);
            }
            self.boards.insert(first, upper);
        }
    }

    /// Adds a task before all others.
    fn insert_first(&mut self, id: TaskId, value: V) {
        let first = self.boards.first_entry();
        match first {
            Some(entry) if entry.get().ids.len() < BOARD_MAX => {
                let mut board = entry.remove();
                board.insert(0, id, value);
                self.boards.insert(id, board);
            }
            _ => {
                self.boards.insert(id, Board::with(id, value));
            }
        }
    }

    pub(crate) fn remove(&mut self, id: TaskId) -> Option<V> {
        let (key, board) = self.boards.range_mut(..=id).next_back()?;
        let key = *key;
        let at = board.ids.binary_search(&id).ok()?;
        let value = board.remove(at);
        *self.counts.of_mut(value.state()) -= 1;
        if board.ids.is_empty() {
            self.boards.remove(&key);
        }
        Some(value)
    }

    /// Returns the tasks after `after` in order, with the values of those in one of the states, or
    /// of all if none is given. Of a board without such tasks only the last is named.
    pub(crate) fn walk<'a>(
        &'a self,
        order: ListOrder,
        after: Option<TaskId>,
        states: &'a [TaskState],
    ) -> Box<dyn Iterator<Item = (TaskId, Option<&'a V>)> + 'a> {
        let visit = move |board: &'a Board<V>| Visit { board, next: 0, order, after, states };
        match order {
            ListOrder::OldestFirst => {
                let first = after.and_then(|id| Some(*self.boards.range(..=id).next_back()?.0));
                let from = first.map_or(Bound::Unbounded, Bound::Included);
                let boards = self.boards.range((from, Bound::Unbounded)).map(|(_, board)| board);
                Box::new(boards.flat_map(visit))
            }
            ListOrder::NewestFirst => {
                let to = after.map_or(Bound::Unbounded, Bound::Included);
                let boards = self.boards.range((Bound::Unbounded, to)).map(|(_, board)| board);
                Box::new(boards.rev().flat_map(visit))
            }
        }
    }
}

impl<V: HasState> Board<V> {
    fn with(id: TaskId, value: V) -> Self {
        let mut board = Self { ids: Vec::new(), values: Vec::new(), counts: Counts::default() };
        board.insert(0, id, value);
        board
    }

    fn insert(&mut self, at: usize, id: TaskId, value: V) {
        *self.counts.of_mut(value.state()) += 1;
        self.ids.insert(at, id);
        self.values.insert(at, value);
    }

    fn remove(&mut self, at: usize) -> V {
        self.ids.remove(at);
        let value = self.values.remove(at);
        *self.counts.of_mut(value.state()) -= 1;
        let len = self.ids.len();
        if self.ids.capacity() > ROOM_MIN && len < self.ids.capacity() / 4 {
            // Of many tasks a few may stay for long, each on a board of its own.
            self.ids.shrink_to(len * 2);
            self.values.shrink_to(len * 2);
        }
        value
    }

    /// Takes the upper half away, as a board of its own.
    fn split(&mut self) -> Self {
        let half = self.ids.len() / 2;
        let mut upper = Self {
            ids: self.ids.split_off(half),
            values: self.values.split_off(half),
            counts: Counts::default(),
        };
        for value in &upper.values {
            *upper.counts.of_mut(value.state()) += 1;
            *self.counts.of_mut(value.state()) -= 1;
        }
        upper
    }
}

/// The tasks of one board in order.
struct Visit<'a, V> {
    board: &'a Board<V>,
    next: usize,
    order: ListOrder,
    after: Option<TaskId>,
    states: &'a [TaskState],
}

impl<V: HasState> Visit<'_, V> {
    fn is_wanted(&self, state: TaskState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    fn has_wanted(&self) -> bool {
        let counts = &self.board.counts;
        TaskState::ALL.into_iter().any(|state| counts.of(state) > 0 && self.is_wanted(state))
    }
}

impl<'a, V: HasState> Iterator for Visit<'a, V> {
    type Item = (TaskId, Option<&'a V>);

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.board.ids.len();
        if self.next == 0 && !self.has_wanted() {
            self.next = count.saturating_sub(1);
        }
        loop {
            let at = match self.order {
                ListOrder::OldestFirst => self.next,
                ListOrder::NewestFirst => count.checked_sub(self.next + 1)?,
            };
            let id = *self.board.ids.get(at)?;
            self.next += 1;
            let is_after = self.after.is_none_or(|after| match self.order {
                ListOrder::OldestFirst => id > after,
                ListOrder::NewestFirst => id < after,
            });
            if is_after {
                let value = self.board.values.get(at).filter(|one| self.is_wanted(one.state()));
                return Some((id, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u128) -> TaskId {
        TaskId::from_uuid(uuid::Uuid::from_u128(number))
    }

    /// How much room the boards have.
    fn room(shelf: &Shelf<TaskState>) -> usize {
        shelf.boards.values().map(|board| board.ids.capacity() + board.values.capacity()).sum()
    }

    #[test]
    fn a_few_tasks_that_stay_do_not_keep_the_room_of_all() {
        let mut shelf = Shelf::default();
        let all = 1..=100 * 256;
        for number in all.clone() {
            shelf.insert(id(number), TaskState::Pending);
        }
        for number in all.filter(|number| number % 256 != 0) {
            assert_eq!(shelf.remove(id(number)), Some(TaskState::Pending));
        }
        assert_eq!(shelf.len(), 100);
        assert!(room(&shelf) <= 100 * 2 * ROOM_MIN, "room for {}", room(&shelf));
    }

    #[test]
    fn ids_that_descend_fill_the_boards() {
        let mut shelf = Shelf::default();
        for number in (1..=100 * 256).rev() {
            shelf.insert(id(number), TaskState::Pending);
        }
        assert_eq!(shelf.boards.len(), 100);
        assert_eq!(shelf.walk(ListOrder::OldestFirst, None, &[]).count(), 100 * 256);
    }
}
