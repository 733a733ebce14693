//! What is submitted together with the end of a task, whichever way a worker ended it.
//!
//! It travels as a follow-up of the settlement, so it exists if and only if the end does.

use std::{panic::AssertUnwindSafe, sync::Arc};

use crate::{
    Submission, Task,
    error::SubmitError,
    follow_ups::FollowUps,
    model::{NewTask, OutcomeKind, TaskId, TaskRecord, TaskState},
    submission::Ids,
};

type Maker =
    Arc<dyn Fn(&TaskRecord, TaskState, &Ids) -> Option<Result<NewTask, SubmitError>> + Send + Sync>;

/// The makers of follow-ups that a runtime was given.
#[derive(Clone, Default)]
pub(super) struct Ends(Vec<Maker>);

impl Ends {
    pub(super) fn add<T, F>(&mut self, follow_up: F)
    where
        T: Task,
        F: Fn(&TaskRecord, TaskState) -> Option<Submission<T>> + Send + Sync + 'static,
    {
        self.0.push(Arc::new(move |record, state, ids| {
            Some(follow_up(record, state)?.into_new_task(ids))
        }));
    }

    /// Makes what follows an outcome; nothing unless the outcome ends the task. It sorts after the
    /// last follow-up that the task has already.
    ///
    /// A maker is the user's code: should it panic, or make what cannot be stored, the task ends
    /// without its follow-up, and the log says so.
    pub(super) fn of(
        &self,
        record: &TaskRecord,
        last: TaskId,
        outcome: OutcomeKind,
        ids: &Ids,
    ) -> Vec<NewTask> {
        let state = match outcome {
            OutcomeKind::Complete => TaskState::Completed,
            OutcomeKind::Fail => TaskState::Failed,
            OutcomeKind::Cancel => TaskState::Cancelled,
            OutcomeKind::Advance
            | OutcomeKind::Retry
            | OutcomeKind::Snooze
            | OutcomeKind::Interrupt => return Vec::new(),
        };
        let make = |maker: &Maker| {
            let made = std::panic::catch_unwind(AssertUnwindSafe(|| maker(record, state, ids)));
            match made {
                Ok(None) => None,
                Ok(Some(Ok(task))) => Some(task),
                Ok(Some(Err(error))) => {
                    tracing::error!(%error, task_id = %record.id, kind = %record.kind,
                        "what follows the end of a task cannot be submitted");
                    None
                }
                Err(_) => {
                    tracing::error!(task_id = %record.id, kind = %record.kind,
                        "what follows the end of a task panicked");
                    None
                }
            }
        };
        let mut follow_ups = FollowUps::after(last);
        for task in self.0.iter().filter_map(make) {
            follow_ups.add(task);
        }
        follow_ups.take()
    }
}
