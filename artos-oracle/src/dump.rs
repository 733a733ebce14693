//! Reads everything a store has, as events.

use artos_core::{
    ListOrder, ListQuery, TaskId, TaskState,
    store::{Part, StoreError, StoreResult, TaskStore},
};

use crate::{Digest, Log, Row, What};

/// Tasks for each page of a dump.
const PAGE: usize = 200;

/// Reads every task with all its payloads, and tells them. Nothing else may use the store at that
/// time.
///
/// Returns how many tasks are not terminal.
///
/// # Errors
///
/// The store's error; then the dump has no end.
pub async fn dump(store: &impl TaskStore, log: &Log) -> StoreResult<u64> {
    let told = |what| log.tell(what).map_err(lost);
    told(What::DumpBegins)?;
    let (mut tasks, mut alive) = (0, 0);
    let mut query =
        ListQuery { order: ListOrder::OldestFirst, limit: PAGE, ..ListQuery::default() };
    loop {
        let page = store.list(&query).await?;
        for record in &page.tasks {
            let mut row = Row::of(record);
            row.input = read(store, record.id, Part::Input).await?;
            if record.state == TaskState::Completed {
                row.output = read(store, record.id, Part::Output).await?;
            } else if record.stage.is_some() {
                row.checkpoint = read(store, record.id, Part::Checkpoint).await?;
            }
            tasks += 1;
            alive += u64::from(!record.is_terminal());
            told(What::Row(Box::new(row)))?;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    told(What::DumpEnds { tasks })?;
    Ok(alive)
}

async fn read(store: &impl TaskStore, id: TaskId, part: Part) -> StoreResult<Option<Digest>> {
    let found = store.get(id, part).await?.ok_or_else(|| StoreError::Corrupt {
        message: format!("the listing has task {id}, and reading it finds nothing"),
    })?;
    Ok(found.payload.map(|payload| Digest::of(&payload)))
}

pub(crate) fn lost(error: std::io::Error) -> StoreError {
    StoreError::unavailable(format!("the event log cannot be written: {error}"))
}
