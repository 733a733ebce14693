//! What is submitted before a cancel, because a cancel may end a task without a worker that could
//! submit anything together with the end.

use std::{fmt, sync::Arc};

use crate::{
    Submission, Task,
    model::{NewTask, TaskRecord},
    submission::Ids,
};

type Maker = Arc<dyn Fn(&TaskRecord, &Ids) -> Option<NewTask> + Send + Sync>;

/// The makers of what is submitted before a cancel.
#[derive(Clone, Default)]
pub(crate) struct BeforeCancel(Vec<Maker>);

impl BeforeCancel {
    pub(crate) fn add<T, F>(&mut self, announce: F)
    where
        T: Task,
        F: Fn(&TaskRecord) -> Option<Submission<T>> + Send + Sync + 'static,
    {
        self.0.push(Arc::new(move |record, ids| {
            let task = announce(record)?.into_new_task(ids);
            let refused = |error| {
                tracing::error!(%error, task_id = %record.id, kind = %record.kind,
                    "what precedes a cancel cannot be submitted");
            };
            task.map_err(refused).ok()
        }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes what precedes the cancel of a task; nothing if the task is over.
    pub(crate) fn of(&self, record: &TaskRecord, ids: &Ids) -> Vec<NewTask> {
        if record.is_terminal() {
            return Vec::new();
        }
        self.0.iter().filter_map(|maker| maker(record, ids)).collect()
    }
}

impl fmt::Debug for BeforeCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BeforeCancel({})", self.0.len())
    }
}
