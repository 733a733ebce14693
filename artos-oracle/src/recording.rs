//! A store that tells what it is asked and what it answers, and is otherwise the one inside it.
//!
//! A question is told before the inner store hears it, an answer before the caller does.

use std::{sync::Arc, time::Duration};

use artos_core::{
    Cancelled, FailureCause, ListQuery, Page, Retention, TaskId,
    model::{NewTask, Outcome, Settlement},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use async_trait::async_trait;

use crate::{Answer, Asked, Asks, Digest, Log, Refusal, Submitted, What, dump::lost};

/// A store that tells what it is asked and what it answers.
#[derive(Debug)]
pub struct RecordingStore<S> {
    inner: S,
    log: Arc<Log>,
}

impl<S: TaskStore> RecordingStore<S> {
    /// Wraps a store.
    pub const fn new(inner: S, log: Arc<Log>) -> Self {
        Self { inner, log }
    }

    /// Returns the store inside.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Tells what is asked, and returns the number of the call.
    fn ask(&self, asks: impl IntoIterator<Item = Asks>) -> StoreResult<u64> {
        let call = self.log.call();
        let asks = asks.into_iter().map(|asks| What::Asks(Asked { call, asks }));
        self.log.tell_all(asks).map_err(lost)?;
        Ok(call)
    }

    /// Tells what was answered, and hands it on.
    fn answer<T>(
        &self,
        call: u64,
        result: StoreResult<T>,
        answers: impl FnOnce(&T) -> Vec<Answer>,
    ) -> StoreResult<T> {
        let (answers, refusal) = match &result {
            Ok(value) => (answers(value), None),
            Err(error) => (Vec::new(), Some(Refusal::of(error))),
        };
        let says = answers.into_iter().map(|answer| What::Says { call, answer });
        self.log.tell_all(says.chain([What::Ends { call, refusal }])).map_err(lost)?;
        result
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: TaskStore> TaskStore for RecordingStore<S> {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        let call =
            self.ask(tasks.iter().map(|task| Asks::Insert(Box::new(Submitted::of(task)))))?;
        let result = self.inner.insert(tasks).await;
        self.answer(call, result, |answers| {
            let answers = tasks.iter().zip(answers);
            answers.map(|(task, inserted)| insertion(task.id, inserted)).collect()
        })
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.inner.get(id, part).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.inner.list(query).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        let call = self.ask([Asks::Claim {
            queue: request.queue.to_string(),
            lease_for: micros(request.lease_for),
        }])?;
        let result = self.inner.claim(request).await;
        self.answer(call, result, |claims| {
            let claimed = claims.tasks.iter().map(|claimed| Answer::Claimed {
                task: claimed.record.id,
                epoch: claimed.record.epoch.0,
                attempt: claimed.record.attempt,
                stage: claimed.record.stage.as_ref().map(ToString::to_string),
                payload: Digest::of(&claimed.payload),
            });
            claimed.collect()
        })
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        let asks = beats.iter().map(|beat| Asks::Heartbeat {
            task: beat.lease.task_id,
            epoch: beat.lease.epoch.0,
            lease_for: micros(lease_for),
        });
        let call = self.ask(asks)?;
        let result = self.inner.heartbeat(lease_for, beats).await;
        self.answer(call, result, |pulses| {
            let pulse = |(beat, pulse): (&Beat, &Pulse)| Answer::Pulse {
                task: beat.lease.task_id,
                epoch: beat.lease.epoch.0,
                alive: *pulse != Pulse::Lost,
            };
            beats.iter().zip(pulses).map(pulse).collect()
        })
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        let call = self.ask(settlements.iter().flat_map(settlement))?;
        let result = self.inner.settle(settlements).await;
        self.answer(call, result, |answers| {
            let settled = |(settlement, settled): (&Settlement, &Settled)| Answer::Settled {
                task: settlement.lease.task_id,
                epoch: settlement.lease.epoch.0,
                state: match settled {
                    Settled::Applied(state) => Some(*state),
                    Settled::Stale => None,
                },
            };
            settlements.iter().zip(answers).map(settled).collect()
        })
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        let call = self.ask([Asks::Cancel { task: id }])?;
        let result = self.inner.cancel(id).await;
        self.answer(call, result, |answer| {
            vec![match answer {
                Cancelled::Now => Answer::CancelledNow { task: id },
                Cancelled::Requested => Answer::CancelRequested { task: id },
                Cancelled::AlreadyTerminal(state) => {
                    Answer::AlreadyTerminal { task: id, state: *state }
                }
                Cancelled::Unknown => Answer::NoSuchTask { task: id },
            }]
        })
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        let call = self.ask([Asks::Rescue])?;
        let result = self.inner.rescue(limit).await;
        self.answer(call, result, |rescued| {
            rescued.tasks.iter().map(|id| Answer::Rescued { task: *id }).collect()
        })
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        let asks = Asks::Prune {
            completed: micros(retention.completed),
            failed: micros(retention.failed),
            cancelled: micros(retention.cancelled),
            limit: limit as u64,
        };
        let call = self.ask([asks])?;
        let result = self.inner.prune(retention, limit).await;
        self.answer(call, result, |pruned| vec![Answer::Pruned { tasks: pruned.count as u64 }])
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.inner.changes(topic)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn insertion(task: TaskId, inserted: &Inserted) -> Answer {
    match inserted {
        Inserted::Created => Answer::Created { task },
        Inserted::Existing { id, same_input } => {
            Answer::Existing { task, existing: *id, same_input: *same_input }
        }
    }
}

/// Tells a settlement, and then its follow-up tasks.
fn settlement(settlement: &Settlement) -> Vec<Asks> {
    let of = settlement.lease.task_id;
    let outcome = &settlement.outcome;
    let mut asks = vec![Asks::Settle {
        task: of,
        epoch: settlement.lease.epoch.0,
        outcome: outcome.kind(),
        stage: match outcome {
            Outcome::Advance(checkpoint) => Some(checkpoint.stage.to_string()),
            _ => None,
        },
        payload: outcome.payload().map(|bytes| Digest::of(bytes)),
        delay: match outcome {
            Outcome::Retry { delay, .. } | Outcome::Snooze { delay } => micros(*delay),
            _ => 0,
        },
        is_unknown: match outcome {
            Outcome::Retry { failure, .. } => matches!(
                failure.cause,
                FailureCause::UnknownKind | FailureCause::UnknownStage | FailureCause::Undecodable
            ),
            _ => false,
        },
    }];
    let follow_ups = settlement.follow_ups.iter();
    asks.extend(follow_ups.map(|task| Asks::FollowUp { of, task: Box::new(Submitted::of(task)) }));
    asks
}
