//! How far a task has come.

use std::fmt;

use super::{Name, Timestamp};

/// How far a task has come, as its running stage last reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The stage that runs, or ran last.
    pub stage: Name,
    /// Position of the stage in the pipeline, from 1.
    pub stage_number: u32,
    /// Number of stages in the pipeline.
    pub stage_count: u32,
    /// How much of the stage is done, from 0 to 100.
    pub percent: u8,
    /// What the stage says it is doing; may be empty.
    pub message: String,
    /// When the store took the report in, by the store's clock.
    pub updated_at: Timestamp,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/{}) {}%", self.stage, self.stage_number, self.stage_count, self.percent)?;
        if !self.message.is_empty() {
            write!(f, " {}", self.message)?;
        }
        Ok(())
    }
}
