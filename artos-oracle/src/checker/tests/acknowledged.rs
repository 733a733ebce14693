//! What the order of events alone gives away.

use super::*;

#[test]
fn a_whole_life_is_fine() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).start(1, "one", 1);
    story.settle(1, 1, Retry, None, TaskState::Pending);
    story.claim(1, 2, 2).start(1, "one", 2);
    story.settle(1, 2, Snooze, None, TaskState::Pending);
    story.claim(1, 3, 2).start(1, "one", 2);
    story.advance(1, 3, ("two", "first")).start(1, "two", 1);
    story.advance(1, 3, ("three", "second")).start(1, "three", 1);
    story.complete(1, 3, "output");
    story.is_fine();
    let tally = story.checker.tally();
    assert_eq!((tally.tasks, tally.ended, tally.started), (1, 1, 5));
}

#[test]
fn i2_a_second_completion_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    // The answer got lost and the settlement was sent again.
    story.complete(1, 1, "output").is_fine();
    story.complete(1, 1, "another").breaks(Invariant::EndsOnce);
}

#[test]
fn i2_a_lease_on_a_task_that_had_ended_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).settle(1, 1, Fail, None, TaskState::Failed);
    story.claim(1, 2, 2).breaks(Invariant::EndsOnce);
}

#[test]
fn i2_an_answer_that_does_not_fit_the_outcome_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    story.settle(1, 1, Retry, None, TaskState::Cancelled).breaks(Invariant::EndsOnce);
}

#[test]
fn i4_a_checkpoint_that_goes_back_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).advance(1, 1, ("two", "first"));
    story.settle(1, 1, Retry, None, TaskState::Pending).is_fine();
    story.claim(1, 2, 2).breaks(Invariant::Forward);
}

#[test]
fn i4_a_stage_that_runs_again_after_its_checkpoint_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).start(1, "one", 1);
    story.advance(1, 1, ("two", "first")).start(1, "two", 1).is_fine();
    story.start(1, "one", 1).breaks(Invariant::Forward);
}

#[test]
fn i4_an_advance_over_a_stage_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).advance(1, 1, ("three", "first")).breaks(Invariant::Forward);
}

#[test]
fn i5_an_attempt_that_is_charged_twice_or_not_at_all_is_caught() {
    for wrong in [1, 3] {
        let mut story = Story::new();
        story.submit(1).claim(1, 1, 1).settle(1, 1, Retry, None, TaskState::Pending);
        story.claim(1, 2, wrong).breaks(Invariant::Attempts);
    }
}

#[test]
fn i5_an_attempt_beyond_the_policy_is_caught() {
    let mut story = Story::new();
    story.submit(1);
    for attempt in 1..=3 {
        story.claim(1, u64::from(attempt), attempt).start(1, "one", attempt);
        story.settle(1, u64::from(attempt), Retry, None, TaskState::Pending);
    }
    story.claim(1, 4, 4).is_fine();
    story.start(1, "one", 4).breaks(Invariant::Attempts);
}

#[test]
fn i7_a_second_task_for_a_key_is_caught() {
    let with_key = |number| Submitted { key: Some(String::from("a/key")), ..submitted(number) };
    let mut story = Story::new();
    story.submit_as(with_key(1));
    let call = story.ask(Asks::Insert(Box::new(with_key(2))));
    story.say(call, Answer::Existing { task: id(2), existing: id(1), same_input: true }).is_fine();
    story.submit_as(with_key(3)).breaks(Invariant::OneForKey);
}

#[test]
fn i7_meeting_a_task_with_another_key_is_caught() {
    let mut story = Story::new();
    story.submit(1);
    let call = story.ask(Asks::Insert(Box::new(submitted(2))));
    story.say(call, Answer::Existing { task: id(2), existing: id(1), same_input: true });
    story.breaks(Invariant::OneForKey);
}

#[test]
fn i8_a_task_that_starts_early_is_caught() {
    let late = |delay| Submitted { delay, ..submitted(1) };
    let mut story = Story::new();
    story.submit_as(late(3_000)).claim(1, 1, 1).is_fine();
    let mut story = Story::new();
    story.submit_as(late(3_000_000)).claim(1, 1, 1).breaks(Invariant::NotEarly);
    // The clock was set back before the store took it in, or after that.
    for is_in in [false, true] {
        let mut story = Story::new();
        story.pass(9_000_000);
        let call = story.ask(Asks::Insert(Box::new(submitted(1))));
        if is_in {
            story.say(call, Answer::Created { task: id(1) });
        }
        story.checker.clock_moved();
        story.at -= 8_000_000;
        story.claim(1, 1, 1);
        if is_in {
            story.breaks(Invariant::NotEarly)
        } else {
            story.is_fine()
        };
    }
}

#[test]
fn i10_a_cancelled_task_that_completes_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    // It was running, and its last stage was faster: the race that is documented.
    story.cancel(1, Answer::CancelRequested { task: id(1) }).complete(1, 1, "output").is_fine();
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).cancel(1, Answer::CancelledNow { task: id(1) });
    story.complete(1, 1, "output").breaks(Invariant::Cancels);
}

#[test]
fn i10_a_task_that_was_to_be_cancelled_and_is_leased_again_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).cancel(1, Answer::CancelRequested { task: id(1) });
    story.claim(1, 3, 2).breaks(Invariant::Cancels);
}

#[test]
fn i11_another_payload_than_was_written_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim_at(1, (1, 1), None, "other").breaks(Invariant::Intact);
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).advance(1, 1, ("two", "first"));
    story.settle(1, 1, Retry, None, TaskState::Pending);
    story.claim_at(1, (2, 2), Some("two"), "other").breaks(Invariant::Intact);
}

#[test]
fn i12_an_answer_after_a_failure_is_caught() {
    let mut story = Story::new();
    let call = story.ask(Asks::Insert(Box::new(submitted(1))));
    let under_way = story.ask(Asks::Insert(Box::new(submitted(2))));
    let refusal = Refusal { kind: String::from("unavailable"), message: String::from("EIO") };
    story.tell(What::Ends { call, refusal: Some(refusal) });
    // It was asked before the failure, so it may have been done before as well.
    story.say(under_way, Answer::Created { task: id(2) }).is_fine();
    story.submit(3).breaks(Invariant::Stops);
}

#[test]
fn an_unknown_task_that_is_leased_is_caught() {
    Story::new().claim(1, 1, 1).breaks(Invariant::Kept);
}

#[test]
fn a_task_that_cannot_be_found_to_cancel_is_caught_unless_it_may_have_been_pruned() {
    let mut story = Story::new();
    story.submit(1).cancel(1, Answer::NoSuchTask { task: id(1) }).breaks(Invariant::Kept);
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    story.ask(Asks::Prune { completed: 0, failed: DAY, cancelled: DAY, limit: 10 });
    story.cancel(1, Answer::NoSuchTask { task: id(1) }).is_fine();
}
