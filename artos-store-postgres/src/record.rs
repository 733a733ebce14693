//! A row of `tasks` as a record.
//!
//! Columns are read by position: looking each up by name would take longer than reading it.

use std::collections::BTreeMap;

use artos_core::{
    Name, Timestamp,
    model::{
        Epoch, Failure, FailureCause, Labels, LeaseHolder, OutcomeKind, Progress, TaskId,
        TaskRecord, TaskState, WorkerId,
    },
};
use bytes::Bytes;
use sqlx::{Decode, Postgres, Row as _, Type, postgres::PgRow};
use uuid::Uuid;

use crate::{fault::nonsense, numbers::Numbered};

/// The columns a record is made of, in the order in which [`Columns::record`] reads them.
pub(crate) const COLUMNS: [&str; 37] = [
    "id",
    "kind",
    "queue",
    "priority",
    "tenant",
    "labels::text",
    "idempotency_key",
    "retry_of",
    "created_at",
    "expires_at",
    "state",
    "stage",
    "stage_entered_at",
    "attempt",
    "snoozes",
    "interrupts",
    "run_at",
    "epoch",
    "lease_worker",
    "lease_until",
    "settled_by",
    "cancel_requested",
    "progress_stage",
    "progress_number",
    "progress_count",
    "progress_percent",
    "progress_message",
    "progress_at",
    "failure_cause",
    "failure_stage",
    "failure_attempt",
    "failure_message",
    "failure_at",
    "revision",
    "started_at",
    "updated_at",
    "finished_at",
];

type Read<T> = Result<T, sqlx::Error>;

/// Reads a row from left to right.
pub(crate) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn new(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next column.
    pub(crate) fn next<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Read<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index)
    }

    /// Returns whether the next column is null, without reading it.
    pub(crate) fn next_is_null(&self) -> Read<bool> {
        use sqlx::ValueRef as _;
        Ok(self.row.try_get_raw(self.next)?.is_null())
    }

    fn name(&mut self) -> Read<Name> {
        Ok(Name::from(self.next::<&str>()?))
    }

    fn optional_name(&mut self) -> Read<Option<Name>> {
        Ok(self.next::<Option<&str>>()?.map(Name::from))
    }

    fn time(&mut self) -> Read<Timestamp> {
        Ok(Timestamp::from_micros(self.next()?))
    }

    pub(crate) fn optional_time(&mut self) -> Read<Option<Timestamp>> {
        Ok(self.next::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    pub(crate) fn id(&mut self) -> Read<TaskId> {
        Ok(TaskId::from_uuid(self.next()?))
    }

    pub(crate) fn payload(&mut self) -> Read<Option<Bytes>> {
        Ok(self.next::<Option<&[u8]>>()?.map(Bytes::copy_from_slice))
    }

    pub(crate) fn numbered<T: Numbered>(&mut self) -> Read<T> {
        let number = self.next()?;
        T::of(number).ok_or_else(|| nonsense(format!("{} {number}", T::WHAT)))
    }

    fn optional_numbered<T: Numbered>(&mut self) -> Read<Option<T>> {
        let Some(number) = self.next::<Option<i16>>()? else {
            return Ok(None);
        };
        let known = T::of(number).ok_or_else(|| nonsense(format!("{} {number}", T::WHAT)))?;
        Ok(Some(known))
    }

    /// Reads a count that a record keeps as an unsigned number.
    fn count<T: TryFrom<i64>>(&mut self) -> Read<T> {
        narrow(self.next()?)
    }

    fn small_count(&mut self) -> Read<u32> {
        narrow(i64::from(self.next::<i32>()?))
    }

    fn labels(&mut self) -> Read<Labels> {
        let Some(text) = self.next::<Option<&str>>()? else {
            return Ok(Labels::new());
        };
        let labels: BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|error| nonsense(format!("labels: {error}")))?;
        let named = labels.into_iter().map(|(key, value)| (Name::from(key), Name::from(value)));
        Ok(named.collect())
    }

    fn lease(&mut self) -> Read<Option<LeaseHolder>> {
        let worker = self.next::<Option<Uuid>>()?.map(WorkerId::from_uuid);
        let until = self.optional_time()?;
        Ok(worker.zip(until).map(|(worker, expires_at)| LeaseHolder { worker, expires_at }))
    }

    fn progress(&mut self) -> Read<Option<Progress>> {
        if self.next_is_null()? {
            self.next += 6;
            return Ok(None);
        }
        Ok(Some(Progress {
            stage: self.name()?,
            stage_number: self.count()?,
            stage_count: self.count()?,
            percent: narrow(i64::from(self.next::<i16>()?))?,
            message: self.next()?,
            updated_at: self.time()?,
        }))
    }

    fn failure(&mut self) -> Read<Option<Failure>> {
        let Some(cause) = self.optional_numbered::<FailureCause>()? else {
            self.next += 4;
            return Ok(None);
        };
        Ok(Some(Failure {
            cause,
            stage: self.optional_name()?,
            attempt: self.count()?,
            message: self.next()?,
            at: self.time()?,
        }))
    }

    /// Reads the columns of [`COLUMNS`].
    pub(crate) fn record(&mut self) -> Read<TaskRecord> {
        Ok(TaskRecord {
            id: self.id()?,
            kind: self.name()?,
            queue: self.name()?,
            priority: self.next()?,
            tenant: self.optional_name()?,
            labels: self.labels()?,
            idempotency_key: self.optional_name()?,
            retry_of: self.next::<Option<Uuid>>()?.map(TaskId::from_uuid),
            created_at: self.time()?,
            expires_at: self.optional_time()?,
            state: self.numbered::<TaskState>()?,
            stage: self.optional_name()?,
            stage_entered_at: self.time()?,
            attempt: self.small_count()?,
            snoozes: self.small_count()?,
            interrupts: self.small_count()?,
            run_at: self.time()?,
            epoch: Epoch(self.count()?),
            lease: self.lease()?,
            settled_by: self.optional_numbered::<OutcomeKind>()?,
            cancel_requested: self.next()?,
            progress: self.progress()?,
            failure: self.failure()?,
            revision: self.count()?,
            started_at: self.optional_time()?,
            updated_at: self.time()?,
            finished_at: self.optional_time()?,
        })
    }
}

fn narrow<T: TryFrom<i64>>(number: i64) -> Read<T> {
    T::try_from(number).map_err(|_| nonsense(format!("the number {number}")))
}
