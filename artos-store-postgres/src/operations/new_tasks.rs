//! New tasks as the arrays that a statement takes.

use std::{borrow::Cow, mem::take};

use artos_core::model::{Labels, Name, NewTask, StartAt};
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::{micros, sparse, text};
use crate::digest::key_digest;

/// New tasks, column by column.
#[derive(Default)]
pub(crate) struct NewTasks<'a> {
    ids: Vec<Uuid>,
    kinds: Vec<&'a str>,
    queues: Vec<&'a str>,
    priorities: Vec<i16>,
    tenants: Vec<Option<&'a str>>,
    labels: Vec<Option<String>>,
    keys: Vec<Option<&'a str>>,
    digests: Vec<Option<Uuid>>,
    retries: Vec<Option<Uuid>>,
    delays: Vec<Option<i64>>,
    starts: Vec<Option<i64>>,
    lifetimes: Vec<Option<i64>>,
    stages: Vec<Option<&'a str>>,
    inputs: Vec<&'a [u8]>,
    checkpoints: Vec<Option<&'a [u8]>>,
}

impl<'a> NewTasks<'a> {
    pub(crate) fn push(&mut self, task: &'a NewTask) {
        let (delay, start) = match task.start_at {
            StartAt::Now => (None, None),
            StartAt::After(delay) => (Some(micros(delay)), None),
            StartAt::At(time) => (None, Some(time.as_micros())),
        };
        self.ids.push(*task.id.as_uuid());
        self.kinds.push(&task.kind);
        self.queues.push(&task.queue);
        self.priorities.push(task.priority);
        self.tenants.push(text(task.tenant.as_ref()));
        self.labels.push(labels(&task.labels));
        self.keys.push(text(task.idempotency_key.as_ref()));
        self.digests.push(key_digest(task));
        self.retries.push(task.retry_of.map(|id| *id.as_uuid()));
        self.delays.push(delay);
        self.starts.push(start);
        self.lifetimes.push(task.expires_after.map(micros));
        self.stages.push(task.checkpoint.as_ref().map(|(stage, _)| stage.as_str()));
        self.inputs.push(&task.input);
        self.checkpoints.push(task.checkpoint.as_ref().map(|(_, payload)| payload.as_ref()));
    }

    /// Binds the arrays to the first fifteen parameters of a statement.
    pub(crate) fn bind<'q>(
        mut self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments>
    where
        'a: 'q,
    {
        let (keys, digests) = (take(&mut self.keys), take(&mut self.digests));
        self.bind_keyless(query).bind(sparse(keys)).bind(sparse(digests))
    }

    /// Binds all but the idempotency keys, to the first thirteen parameters.
    pub(crate) fn bind_keyless<'q>(
        self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments>
    where
        'a: 'q,
    {
        query
            .bind(self.ids)
            .bind(self.kinds)
            .bind(self.queues)
            .bind(self.priorities)
            .bind(sparse(self.tenants))
            .bind(sparse(self.labels))
            .bind(sparse(self.retries))
            .bind(sparse(self.delays))
            .bind(sparse(self.starts))
            .bind(sparse(self.lifetimes))
            .bind(sparse(self.stages))
            .bind(self.inputs)
            .bind(sparse(self.checkpoints))
    }
}

impl<'a> FromIterator<&'a NewTask> for NewTasks<'a> {
    fn from_iter<I: IntoIterator<Item = &'a NewTask>>(tasks: I) -> Self {
        let mut arrays = Self::default();
        tasks.into_iter().for_each(|task| arrays.push(task));
        arrays
    }
}

/// Returns labels as JSON; no labels are no JSON at all.
fn labels(labels: &Labels) -> Option<String> {
    if labels.is_empty() {
        return None;
    }
    let pairs = labels.iter().map(|(key, value)| (key.as_str(), Cow::from(value.as_str()).into()));
    let pairs = pairs.map(|(key, value): (&str, serde_json::Value)| (String::from(key), value));
    Some(serde_json::Value::Object(pairs.collect()).to_string())
}

/// Returns the labels of a filter as JSON objects of one pair each.
pub(crate) fn label_objects(labels: &[(Name, Name)]) -> Option<Vec<String>> {
    if labels.is_empty() {
        return None;
    }
    let object = |(key, value): &(Name, Name)| {
        serde_json::json!({ key.as_str(): value.as_str() }).to_string()
    };
    Some(labels.iter().map(object).collect())
}
