//! Leases that no longer count.

use super::*;

#[test]
fn i3_a_lease_that_is_given_twice_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).claim(1, 1, 1).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_settlement_that_is_asked_for_after_the_next_lease_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).claim(1, 3, 2).is_fine();
    story.complete(1, 1, "output").breaks(Invariant::Fenced);
}

#[test]
fn a_settlement_whose_event_comes_late_is_fine() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    let call = story.ask_settle(1, 1, Retry, None);
    // Applied, and its answer is told only after the next claim's.
    story.claim(1, 2, 2);
    let settled = Answer::Settled { task: id(1), epoch: 1, state: Some(TaskState::Pending) };
    story.say(call, settled).complete(1, 2, "output").is_fine();
}

#[test]
fn a_lease_that_a_frozen_worker_hears_of_after_the_end_is_fine() {
    let mut story = Story::new();
    story.submit(1);
    let call = story.ask(Asks::Claim { queue: String::from("queue"), lease_for: LEASE });
    let rescue = story.ask(Asks::Rescue);
    story.say(rescue, Answer::Rescued { task: id(1) });
    story.claim(1, 3, 2).complete(1, 3, "output");
    let claimed = |epoch| Answer::Claimed {
        task: id(1),
        epoch,
        attempt: 1,
        stage: None,
        payload: digest("input"),
    };
    story.say(call, claimed(1)).is_fine();
    // Nothing that was asked then could lease it again.
    story.say(call, claimed(4));
    assert!(!story.checker.findings().is_empty());
}

#[test]
fn i3_a_settlement_after_a_rescue_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    let call = story.ask(Asks::Rescue);
    story.say(call, Answer::Rescued { task: id(1) }).is_fine();
    story.settle(1, 1, Fail, None, TaskState::Failed).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_heartbeat_of_an_old_lease_is_caught_and_one_that_is_refused_is_fine() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).claim(1, 3, 2);
    let call = story.ask(Asks::Heartbeat { task: id(1), epoch: 1, lease_for: LEASE });
    story.say(call, Answer::Pulse { task: id(1), epoch: 1, alive: false }).is_fine();
    let call = story.ask(Asks::Heartbeat { task: id(1), epoch: 1, lease_for: LEASE });
    story.say(call, Answer::Pulse { task: id(1), epoch: 1, alive: true });
    story.breaks(Invariant::Fenced);
}

#[test]
fn i3_a_lease_nobody_was_given_is_caught() {
    let mut story = Story::new();
    story.submit(1).complete(1, 1, "output").breaks(Invariant::Fenced);
}

#[test]
fn i3_a_lease_that_ends_in_two_ways_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).settle(1, 1, Retry, None, TaskState::Pending);
    story.settle(1, 1, Snooze, None, TaskState::Pending).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_body_without_a_lease_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).start(1, "one", 1).is_fine();
    story.start(1, "one", 1).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_lease_of_a_process_that_is_gone_runs_nothing() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    story.checker.crash();
    story.start(1, "one", 1).breaks(Invariant::Fenced);
}

#[test]
fn an_answer_that_a_frozen_worker_tells_after_its_task_was_pruned_is_fine() {
    let with_key = |number| Submitted { key: Some(String::from("a/key")), ..submitted(number) };
    let mut story = Story::new();
    story.submit_as(with_key(1)).claim(1, 1, 1);
    let call = story.ask_settle(1, 1, Complete, Some(("", "output")));
    // Applied and pruned; the key is free again, and only then its worker wakes.
    story.ask(Asks::Prune { completed: 0, failed: DAY, cancelled: DAY, limit: 10 });
    story.submit_as(with_key(2)).is_fine();
    let settled = Answer::Settled { task: id(1), epoch: 1, state: Some(TaskState::Completed) };
    story.say(call, settled).is_fine();
    // Nothing that is asked for after that is accepted.
    story.complete(1, 1, "output").breaks(Invariant::Kept);
}
