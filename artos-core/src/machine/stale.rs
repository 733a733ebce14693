//! Why a worker's write was refused, in words that help at 3 a.m.

use crate::model::{Checkpoint, Epoch, Lease, TaskId, TaskRecord, TaskState};

/// A write came under a lease that no longer counts. It is an answer, not an accident: somebody
/// else has the task, or had it, and the record is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// Another lease was given since.
    #[error("task {task_id} is at epoch {found}, this worker holds epoch {held}")]
    Epoch {
        /// The task.
        task_id: TaskId,
        /// The epoch of the record.
        found: Epoch,
        /// The epoch of the write.
        held: Epoch,
    },
    /// The lease lapsed; nobody has rescued the task yet.
    #[error("the lease of epoch {held} on task {task_id} lapsed before this write")]
    Lapsed {
        /// The task.
        task_id: TaskId,
        /// The epoch of the write.
        held: Epoch,
    },
    /// The lease ended when this worker, or a cancel, settled the task.
    #[error("task {task_id} is {state}: epoch {held} no longer runs it")]
    Settled {
        /// The task.
        task_id: TaskId,
        /// The state of the record.
        state: TaskState,
        /// The epoch of the write.
        held: Epoch,
    },
    /// The checkpoint does not continue the stage the task is at.
    #[error("task {task_id} is at stage {found}, this checkpoint leaves stage {from} for {to}")]
    Checkpoint {
        /// The task.
        task_id: TaskId,
        /// The stage of the record.
        found: String,
        /// The stage the write says has finished.
        from: String,
        /// The stage the write wants to move to.
        to: String,
    },
}

impl Stale {
    pub(super) const fn lease(record: &TaskRecord, lease: Lease) -> Self {
        let (task_id, held) = (lease.task_id, lease.epoch);
        if record.epoch.0 != held.0 {
            Self::Epoch { task_id, found: record.epoch, held }
        } else if matches!(record.state, TaskState::Running) {
            Self::Lapsed { task_id, held }
        } else {
            Self::Settled { task_id, state: record.state, held }
        }
    }

    pub(super) fn checkpoint(record: &TaskRecord, lease: Lease, checkpoint: &Checkpoint) -> Self {
        let name = |stage: &Option<crate::model::Name>| {
            stage.as_ref().map_or_else(|| String::from("the first"), ToString::to_string)
        };
        Self::Checkpoint {
            task_id: lease.task_id,
            found: name(&record.stage),
            from: name(&checkpoint.from),
            to: checkpoint.stage.to_string(),
        }
    }
}
