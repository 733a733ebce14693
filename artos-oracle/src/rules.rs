//! What the checker knows beforehand: the pipelines of the program under test.

use std::collections::HashMap;

/// What the checker knows beforehand.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pipelines: HashMap<String, Vec<StageRule>>,
    /// Whether an error of the store, other than a refused request, must be its last word.
    pub fail_stop: bool,
    /// Whether events carry the very times by which the store decided.
    pub exact_clock: bool,
    /// Whether a checkpoint may leave out stages.
    pub may_skip: bool,
}

/// One stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRule {
    /// Its name.
    pub name: String,
    /// How many attempts its policy allows.
    pub attempts_max: u32,
}

impl Rules {
    /// Adds the pipeline of a kind: its stages, in order.
    #[must_use]
    pub fn pipeline(mut self, kind: &str, stages: impl IntoIterator<Item = StageRule>) -> Self {
        self.pipelines.insert(String::from(kind), stages.into_iter().collect());
        self
    }

    /// Says that the store stops for good at its first error.
    #[must_use]
    pub const fn fail_stop(mut self) -> Self {
        self.fail_stop = true;
        self
    }

    /// Says that events carry the very times by which the store decided, so that leases and due
    /// times can be judged to the microsecond.
    #[must_use]
    pub const fn exact_clock(mut self) -> Self {
        self.exact_clock = true;
        self
    }

    /// Says that pipelines change while tasks are on their way: a checkpoint may leave out stages.
    #[must_use]
    pub const fn may_skip(mut self) -> Self {
        self.may_skip = true;
        self
    }

    /// Returns the place of a stage in its pipeline; none is the first stage.
    pub(crate) fn place(&self, kind: &str, stage: Option<&str>) -> Option<usize> {
        let stages = self.pipelines.get(kind)?;
        match stage {
            None => Some(0),
            Some(name) => stages.iter().position(|stage| stage.name == name),
        }
    }

    pub(crate) fn stage(&self, kind: &str, place: usize) -> Option<&StageRule> {
        self.pipelines.get(kind)?.get(place)
    }
}
