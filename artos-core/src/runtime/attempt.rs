//! One attempt of one stage: running it behind guards, and deciding what its end means.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt;
use tokio::time::Instant;

use super::running::{Execution, StopReason};
use crate::{
    Random, StageContext, StageOptions,
    model::{Checkpoint, FailureCause, Name, Outcome},
    pipeline::{Ended, ErasedStage},
    retry::{self, Failed},
    stage_error::{Kind, message, shorten},
    submission::PAYLOAD_BYTES_MAX,
};

/// What an attempt started from, so that whoever sees its end can decide what it means.
pub(super) struct CurrentAttempt {
    /// The stage as the store has it: `None` before the first checkpoint.
    pub(super) stored_stage: Option<Name>,
    pub(super) next: Option<Name>,
    pub(super) context: StageContext,
    pub(super) started: Instant,
    /// Whether the task's own deadline comes before the attempt's timeout.
    pub(super) expires: bool,
}

impl CurrentAttempt {
    pub(super) fn deadline(&self) -> Instant {
        self.context.deadline()
    }
}

/// How an attempt ended.
pub(super) enum AttemptEnd {
    Stage(Ended),
    Panicked(String),
    TimedOut,
    /// The stage was asked to stop and did not in time.
    Dropped,
}

/// Runs a stage until it ends, panics, times out, or ignores a cancellation for too long.
pub(super) async fn run(
    stage: &ErasedStage,
    context: &StageContext,
    execution: &Execution,
    payload: Bytes,
    cancel_grace: Duration,
) -> AttemptEnd {
    // The future is dropped after a panic and never polled again, so it cannot be seen broken.
    let mut body = AssertUnwindSafe(stage.run(context, payload)).catch_unwind();
    let ended = match futures::poll!(&mut body) {
        Poll::Ready(ended) => ended,
        // Only a stage that waits needs timers, and room for them. It was polled just now: once
        // more would be for nothing, or, if it yields, before anybody else had the thread.
        Poll::Pending => {
            let mut was_polled = true;
            let body = poll_fn(move |cx| match std::mem::take(&mut was_polled) {
                true => Poll::Pending,
                false => body.poll_unpin(cx),
            });
            let guarded = Box::pin(guarded(body, context, execution, cancel_grace));
            match guarded.await {
                Ok(ended) => ended,
                Err(end) => return end,
            }
        }
    };
    match ended {
        Ok(ended) => AttemptEnd::Stage(ended),
        Err(panic) => AttemptEnd::Panicked(panic_message(panic.as_ref())),
    }
}

/// Waits for a stage, but not for too long.
async fn guarded<T>(
    body: impl Future<Output = T>,
    context: &StageContext,
    execution: &Execution,
    cancel_grace: Duration,
) -> Result<T, AttemptEnd> {
    let ignored_cancellation = async {
        execution.signals.stop_token().cancelled().await;
        tokio::time::sleep(cancel_grace).await;
    };
    tokio::select! {
        biased;
        ended = body => Ok(ended),
        () = tokio::time::sleep_until(context.deadline()) => Err(AttemptEnd::TimedOut),
        () = ignored_cancellation => Err(AttemptEnd::Dropped),
    }
}

/// Decides what the end of an attempt means for the task. `None`: nothing may be written.
///
/// A retry policy and an error's text are the user's code; should they panic, the task fails and
/// says so.
pub(super) fn conclude(
    attempt: &CurrentAttempt,
    options: &StageOptions,
    end: AttemptEnd,
    stop: Option<StopReason>,
    random: &Random,
) -> Option<Outcome> {
    let decide = AssertUnwindSafe(|| decide(attempt, options, end, stop, random));
    std::panic::catch_unwind(decide).unwrap_or_else(|panic| {
        let text = panic_message(panic.as_ref());
        let message = shorten(format!("the retry policy or the error's text panicked: {text}"));
        let failure = retry::failure(attempt.context.record(), FailureCause::Panic, message);
        Some(Outcome::Fail { failure })
    })
}

fn decide(
    attempt: &CurrentAttempt,
    options: &StageOptions,
    end: AttemptEnd,
    stop: Option<StopReason>,
    random: &Random,
) -> Option<Outcome> {
    if stop == Some(StopReason::LeaseLost) {
        return None;
    }
    let record = attempt.context.record();
    let ran_for = || attempt.started.elapsed();
    let failed = match end {
        AttemptEnd::Stage(Ended::Output(output)) if output.len() <= PAYLOAD_BYTES_MAX => {
            return Some(succeeded(attempt, output));
        }
        AttemptEnd::Stage(Ended::Error(error)) => match (error.into_kind(), stop) {
            (Kind::Snooze { delay }, _) => {
                return Some(retry::after_snooze(record, options, delay, ran_for()));
            }
            (Kind::Cancelled | Kind::Retry { .. }, Some(StopReason::Shutdown)) => {
                return Some(retry::after_interrupt(record, options));
            }
            (Kind::Cancelled, _) | (Kind::Retry { .. }, Some(StopReason::CancelRequested)) => {
                return Some(Outcome::Cancel);
            }
            (Kind::Fatal { source }, _) => {
                Failed::new(FailureCause::Fatal, message(source.as_ref()))
            }
            (Kind::Retry { source, after }, _) => {
                Failed { after, ..Failed::new(FailureCause::Error, message(source.as_ref())) }
            }
        },
        AttemptEnd::Dropped if stop == Some(StopReason::CancelRequested) => {
            return Some(Outcome::Cancel);
        }
        AttemptEnd::Dropped => return Some(retry::after_interrupt(record, options)),
        AttemptEnd::Stage(Ended::Undecodable(text)) => {
            return Some(undecodable(attempt, &text));
        }
        AttemptEnd::Stage(Ended::Output(output)) => {
            let (found, most) = (output.len(), PAYLOAD_BYTES_MAX);
            let stage = attempt.context.stage();
            let message =
                format!("the output of stage `{stage}` has {found} bytes, expected at most {most}");
            Failed::new(FailureCause::Unstorable, message)
        }
        AttemptEnd::Stage(Ended::Unstorable(text)) => {
            let stage = attempt.context.stage();
            let message = format!("the output of stage `{stage}` does not encode: {text}");
            Failed::new(FailureCause::Unstorable, message)
        }
        AttemptEnd::Panicked(text) => {
            Failed::new(FailureCause::Panic, shorten(format!("the stage panicked: {text}")))
        }
        AttemptEnd::TimedOut if attempt.expires => {
            let message = "the task's deadline passed while it ran";
            Failed::new(FailureCause::Expired, String::from(message))
        }
        AttemptEnd::TimedOut => {
            let message = format!("the attempt ran longer than {:?}", options.attempt_timeout);
            Failed::new(FailureCause::Timeout, message)
        }
    };
    Some(retry::after_failure(record, options, failed, random.fraction(), ran_for()))
}

/// Decides about a payload that this process cannot read. No code of the stage has run.
fn undecodable(attempt: &CurrentAttempt, text: &str) -> Outcome {
    let context = &attempt.context;
    let what = if attempt.stored_stage.is_some() { "checkpoint" } else { "input" };
    let message = format!(
        "the {what} of kind `{}` does not decode for stage `{}`: {text}",
        context.kind(),
        context.stage()
    );
    retry::unknown(context.record(), FailureCause::Undecodable, shorten(message))
}

fn succeeded(attempt: &CurrentAttempt, output: Bytes) -> Outcome {
    match &attempt.next {
        None => Outcome::Complete { output },
        Some(stage) => Outcome::Advance(Checkpoint {
            from: attempt.stored_stage.clone(),
            stage: stage.clone(),
            payload: output,
            progress: attempt.context.progress_at_next(stage.clone()),
        }),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        String::from(*text)
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        String::from("(the panic carried no text)")
    }
}
