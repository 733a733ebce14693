//! Leases and waits of a store whose clock is known exactly.

use super::*;

fn beat(story: &mut Story, epoch: u64, alive: bool) -> &mut Story {
    let call = story.ask(Asks::Heartbeat { task: id(1), epoch, lease_for: LEASE });
    story.say(call, Answer::Pulse { task: id(1), epoch, alive })
}

fn rescue(story: &mut Story) -> &mut Story {
    let call = story.ask(Asks::Rescue);
    story.say(call, Answer::Rescued { task: id(1) })
}

#[test]
fn i3_a_heartbeat_that_renews_a_lapsed_lease_is_caught() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE / 2);
    beat(&mut story, 1, true).pass(LEASE / 2);
    beat(&mut story, 1, true).is_fine();
    story.pass(LEASE);
    beat(&mut story, 1, true).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_heartbeat_that_is_refused_in_time_is_caught() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1);
    beat(&mut story, 1, false).breaks(Invariant::Fenced);
}

#[test]
fn a_heartbeat_may_be_refused_where_the_lease_may_be_over() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).ask_settle(1, 1, Retry, None);
    beat(&mut story, 1, false).is_fine();
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).cancel(1, Answer::CancelRequested { task: id(1) });
    beat(&mut story, 1, false).is_fine();
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE);
    beat(&mut story, 1, false).is_fine();
}

#[test]
fn i3_a_settlement_after_the_lease_lapsed_is_caught_unless_it_is_repeated() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE).complete(1, 1, "output");
    story.breaks(Invariant::Fenced);
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).ask_settle(1, 1, Complete, Some(("", "output")));
    story.pass(LEASE).complete(1, 1, "output").is_fine();
}

#[test]
fn a_clock_that_was_set_forward_makes_no_lease_last_longer() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).checker.clock_moved();
    story.pass(LEASE / 2);
    beat(&mut story, 1, true).pass(LEASE / 2);
    beat(&mut story, 1, true).is_fine();
    story.pass(LEASE).complete(1, 1, "output").breaks(Invariant::Fenced);
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).checker.clock_moved();
    story.pass(LEASE);
    beat(&mut story, 1, true).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_rescue_of_a_live_lease_is_caught() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE);
    rescue(&mut story).is_fine();
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE / 2);
    rescue(&mut story).breaks(Invariant::Fenced);
}

#[test]
fn i3_a_lease_beside_another_is_caught() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).claim(1, 2, 2).breaks(Invariant::Fenced);
}

#[test]
fn a_clock_that_was_set_tells_nothing_of_leases_given_before() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).checker.clock_moved();
    rescue(&mut story).claim(1, 3, 2).is_fine();
    let mut story = Story::timed();
    story.submit(1);
    let call = story.ask(Asks::Claim { queue: String::from("queue"), lease_for: LEASE });
    story.checker.clock_moved();
    let (task, payload) = (id(1), digest("input"));
    story.say(call, Answer::Claimed { task, epoch: 1, attempt: 1, stage: None, payload });
    rescue(&mut story).is_fine();
}

#[test]
fn i8_a_retry_before_its_time_is_caught() {
    let retry = |wait: u64| {
        let mut story = Story::timed();
        story.submit(1).claim(1, 1, 1);
        let (task, epoch, delay) = (id(1), 1, 10_000_000);
        let call = story.ask(Asks::Settle {
            task,
            epoch,
            outcome: Retry,
            stage: None,
            payload: None,
            delay,
            is_unknown: false,
        });
        story.say(call, Answer::Settled { task, epoch, state: Some(TaskState::Pending) });
        story.pass(wait).claim(1, 2, 2);
        story
    };
    retry(10_000_000).is_fine();
    retry(9_000_000).breaks(Invariant::NotEarly);
}

#[test]
fn i5_an_attempt_that_a_rescue_gives_back_is_caught() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE);
    rescue(&mut story).claim(1, 3, 1).breaks(Invariant::Attempts);
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).pass(LEASE);
    rescue(&mut story).claim(1, 3, 3).breaks(Invariant::Attempts);
}

#[test]
fn an_attempt_that_ran_nothing_is_given_back() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1);
    let (task, epoch) = (id(1), 1);
    let (outcome, stage, payload, delay) = (Retry, None, None, 0);
    let asks = Asks::Settle { task, epoch, outcome, stage, payload, delay, is_unknown: true };
    let call = story.ask(asks);
    story.say(call, Answer::Settled { task, epoch, state: Some(TaskState::Pending) });
    story.claim(1, 2, 1).is_fine();
    story.settle(1, 2, Retry, None, TaskState::Pending).claim(1, 3, 1);
    story.breaks(Invariant::Attempts);
}

#[test]
fn i2_a_recorded_end_that_is_refused_when_it_is_repeated_is_caught() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    let call = story.ask_settle(1, 1, Complete, Some(("", "output")));
    story.say(call, Answer::Settled { task: id(1), epoch: 1, state: None });
    story.breaks(Invariant::EndsOnce);
}

#[test]
fn i1_a_follow_up_of_a_settlement_that_was_refused_is_caught() {
    let refused = |asks: u32, keep: u64| {
        let mut story = Story::timed();
        story.submit(1).claim(1, 1, 1).pass(LEASE);
        for number in 0..asks {
            let call = story.ask_settle(1, 1, Complete, Some(("", "output")));
            let task = Box::new(submitted(2));
            let asks = Asks::FollowUp { of: id(1), task };
            story.tell(What::Asks(Asked { call, asks }));
            if number == 0 {
                let kept = Asks::Prune { completed: keep, failed: keep, cancelled: keep, limit: 9 };
                story.ask(kept);
                story.say(call, Answer::Settled { task: id(1), epoch: 1, state: None });
            }
        }
        story.claim(2, 1, 1);
        story
    };
    refused(1, LEASE).breaks(Invariant::Kept);
    // The second one was never answered: it may have happened.
    refused(2, LEASE).is_fine();
    // It may have been applied, and its task pruned, before the store sent it again.
    refused(1, 0).is_fine();
}

#[test]
fn a_checkpoint_may_leave_out_a_stage_where_pipelines_change() {
    let mut story = Story::timed();
    story.submit(1).claim(1, 1, 1).advance(1, 1, ("three", "third")).is_fine();
    story.advance(1, 1, ("two", "second")).breaks(Invariant::Forward);
}
