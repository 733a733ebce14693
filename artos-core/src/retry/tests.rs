//! The bounds, one by one, and the arithmetic at its ends.

use proptest::prelude::*;

use super::*;
use crate::{
    Random, RetryPolicy, machine,
    model::{NewTask, Timestamp},
};

const MINUTE: Duration = Duration::from_secs(60);
const STAGE: Name = Name::from_static("render");

fn record(attempt: u32) -> TaskRecord {
    let random = Random::from_seed(1);
    let now = Timestamp::from_micros(1_000_000_000);
    let task = NewTask {
        expires_after: Some(10 * MINUTE),
        ..NewTask::new(random.task_id(now), "k", "default", "")
    };
    let mut record = machine::insert(&task, now);
    record.attempt = attempt;
    record
}

fn options(attempts: u32) -> StageOptions {
    let retry = RetryPolicy::fixed(MINUTE).max_attempts(attempts);
    StageOptions { retry, snoozes_max: 3, interrupts_max: 3, ..StageOptions::default() }
}

fn failed(cause: FailureCause) -> Failed {
    Failed { cause, message: String::from("boom"), after: None }
}

fn cause_of(outcome: &Outcome) -> Option<FailureCause> {
    match outcome {
        Outcome::Fail { failure } => Some(failure.cause),
        _ => None,
    }
}

#[test]
fn the_last_attempt_fails_the_task_and_an_earlier_one_waits() {
    let after = |attempt| {
        after_failure(
            &record(attempt),
            &options(3),
            failed(FailureCause::Error),
            0.5,
            Duration::ZERO,
        )
    };
    assert!(matches!(after(2), Outcome::Retry { delay, .. } if delay == MINUTE));
    assert_eq!(cause_of(&after(3)), Some(FailureCause::Error));
}

#[test]
fn causes_no_attempt_can_cure_fail_at_once() {
    for cause in FailureCause::ALL {
        let outcome = after_failure(&record(1), &options(3), failed(cause), 0.5, Duration::ZERO);
        assert_eq!(cause_of(&outcome).is_some(), cause.is_final(), "{cause}");
    }
}

#[test]
fn a_delay_the_stage_asked_for_wins_over_the_policy() {
    let failed = Failed { after: Some(2 * MINUTE), ..failed(FailureCause::Error) };
    let outcome = after_failure(&record(1), &options(3), failed, 0.5, Duration::ZERO);
    assert!(matches!(outcome, Outcome::Retry { delay, .. } if delay == 2 * MINUTE));
}

#[test]
fn a_retry_that_could_only_run_after_the_deadline_fails_with_the_error_itself() {
    let outcome =
        after_failure(&record(1), &options(3), failed(FailureCause::Error), 0.5, 9 * MINUTE);
    assert_eq!(cause_of(&outcome), Some(FailureCause::Error));
}

#[test]
fn an_attempt_beyond_the_limit_never_starts() {
    assert_eq!(before_attempt(&record(3), &STAGE, &options(3)), None);
    let outcome = before_attempt(&record(4), &STAGE, &options(3));
    assert_eq!(outcome.as_ref().and_then(cause_of), Some(FailureCause::LeaseLost));
    let lapsed = Failure {
        stage: None,
        attempt: 4,
        ..failure(&record(4), FailureCause::LeaseLost, String::from("the lease lapsed"))
    };
    let vanished = TaskRecord { stage: None, failure: Some(lapsed), ..record(4) };
    let Some(Outcome::Fail { failure }) = before_attempt(&vanished, &STAGE, &options(3)) else {
        panic!("it starts");
    };
    assert_eq!(
        failure.to_string(),
        "stage render, attempt 3: the lease lapsed; its process died, stood still or lost its \
         store, in the last of 3 attempts"
    );
}

#[test]
fn an_expired_task_never_starts() {
    let mut record = record(1);
    record.updated_at = record.updated_at + 10 * MINUTE;
    let outcome = before_attempt(&record, &STAGE, &options(3));
    assert_eq!(outcome.as_ref().and_then(cause_of), Some(FailureCause::Expired));
}

#[test]
fn snoozes_and_interrupts_have_bounds_of_their_own() {
    let mut record = record(1);
    (record.snoozes, record.interrupts) = (2, 2);
    assert!(matches!(
        after_snooze(&record, &options(1), MINUTE, Duration::ZERO),
        Outcome::Snooze { delay: MINUTE }
    ));
    assert_eq!(after_interrupt(&record, &options(1)), Outcome::Interrupt);
    (record.snoozes, record.interrupts) = (3, 3);
    let snoozed = after_snooze(&record, &options(1), MINUTE, Duration::ZERO);
    assert_eq!(cause_of(&snoozed), Some(FailureCause::NeverFinished));
    let interrupted = after_interrupt(&record, &options(1));
    assert_eq!(cause_of(&interrupted), Some(FailureCause::NeverFinished));
}

#[test]
fn an_unknown_stage_waits_for_a_deploy_but_not_for_ever() {
    let mut record = TaskRecord { expires_at: None, ..record(1) };
    let decide = |record: &TaskRecord| {
        unknown(record, FailureCause::UnknownStage, String::from("no such stage"))
    };
    // However old the task is, its wait starts when it first meets somebody who does not know it.
    record.updated_at = record.created_at + 10 * UNKNOWN_AGE_MAX;
    assert!(matches!(decide(&record), Outcome::Retry { .. }));
    let met = record.updated_at;
    let failure = failure(&record, FailureCause::UnknownStage, String::new());
    record.failure = Some(Failure { at: met, ..failure });
    record.updated_at = met + (UNKNOWN_AGE_MAX - MINUTE);
    assert!(matches!(decide(&record), Outcome::Retry { .. }));
    record.updated_at = met + UNKNOWN_AGE_MAX;
    assert_eq!(cause_of(&decide(&record)), Some(FailureCause::UnknownStage));
}

#[test]
fn an_unknown_stage_is_looked_at_every_half_minute_for_a_day() {
    let record = TaskRecord { expires_at: None, ..record(1) };
    let outcome = unknown(&record, FailureCause::UnknownStage, String::new());
    assert!(matches!(outcome, Outcome::Retry { delay, .. } if delay == MINUTE / 2));
    assert_eq!(UNKNOWN_AGE_MAX, MINUTE * 60 * 24);
}

#[test]
fn a_backoff_is_capped_at_an_hour_or_where_it_starts() {
    let delay = |policy: RetryPolicy| policy.without_jitter().delay(40, 1.0);
    assert_eq!(delay(RetryPolicy::exponential(MINUTE)), MINUTE * 60);
    let long = RetryPolicy::exponential(MINUTE * 90);
    assert_eq!(long.check(), Ok(()));
    assert_eq!(delay(long), MINUTE * 90);
}

#[test]
fn a_backoff_grows_by_its_factor_and_jitter_takes_a_share_of_it() {
    let policy = RetryPolicy::exponential(MINUTE / 4);
    let exact = policy.clone().without_jitter();
    assert_eq!([1, 2, 3].map(|n| exact.delay(n, 0.0)), [1, 2, 4].map(|n| MINUTE / 4 * n));
    assert_eq!(
        [0.0, 0.5, 1.0].map(|draw| policy.delay(3, draw)),
        [0, 1, 2].map(|n| MINUTE / 2 * n)
    );
    assert_eq!(exact.factor(3.0).delay(3, 0.0), MINUTE / 4 * 9);
}

#[test]
fn a_custom_backoff_is_asked_for_each_attempt() {
    let policy = RetryPolicy::custom(|attempt| MINUTE * attempt);
    assert_eq!([1, 2, 7].map(|attempt| policy.delay(attempt, 0.5)), [1, 2, 7].map(|n| MINUTE * n));
}

#[test]
fn a_policy_that_makes_no_sense_says_what_is_wrong() {
    let second = Duration::from_secs(1);
    let check = |policy: RetryPolicy| policy.check().map_err(|error| error.to_string());
    assert_eq!(check(RetryPolicy::default()), Ok(()));
    assert_eq!(
        check(RetryPolicy::never().max_attempts(0)),
        Err(String::from("max_attempts is 0: expected at least 1"))
    );
    for factor in [0.5, f64::NAN, f64::INFINITY, -1.0] {
        let policy = RetryPolicy::exponential(second).factor(factor);
        assert!(check(policy).is_err_and(|text| text.starts_with("factor is ")), "{factor}");
    }
    let capped = RetryPolicy::exponential(second * 10).cap(second);
    assert!(check(capped).is_err_and(|text| text.contains("longer than its cap")));
}

proptest! {
    #[test]
    fn a_delay_never_exceeds_the_cap_and_never_panics(
        attempt: u32, base_ms in 0u64.., factor in 1.0f64..1e300, cap_ms in 0u64..,
        fraction: f64,
    ) {
        let cap = Duration::from_millis(cap_ms);
        let base = Duration::from_millis(base_ms);
        let policy = RetryPolicy::exponential(base).factor(factor).cap(cap);
        prop_assert!(policy.delay(attempt, fraction) <= cap);
        prop_assert!(policy.without_jitter().delay(attempt, fraction) <= cap);
    }
}
