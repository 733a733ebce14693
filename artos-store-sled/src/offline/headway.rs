//! How far a piece of work has come.

/// How far a piece of work has come; told now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headway {
    /// What is being done, such as `checking tasks`.
    pub doing: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is, if that is known.
    pub total: Option<u64>,
}

/// Things between two reports.
const EVERY: u64 = 1_024;

/// Counts what is done, and tells about it now and then.
pub(super) struct Meter<'a> {
    tell: &'a mut dyn FnMut(Headway),
    headway: Headway,
}

impl<'a> Meter<'a> {
    pub(super) fn new(tell: &'a mut dyn FnMut(Headway)) -> Self {
        Self { tell, headway: Headway { doing: "", done: 0, total: None } }
    }

    /// Begins something.
    pub(super) fn begin(&mut self, doing: &'static str, total: Option<u64>) {
        self.headway = Headway { doing, done: 0, total };
        (self.tell)(self.headway);
    }

    /// Counts one thing that is done.
    pub(super) fn step(&mut self) {
        self.headway.done += 1;
        if self.headway.done.is_multiple_of(EVERY) {
            (self.tell)(self.headway);
        }
    }
}
