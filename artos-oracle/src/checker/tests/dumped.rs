//! What a dump after a crash gives away.

use super::*;

/// A row of a task under a lease.
fn running(number: u128, epoch: u64, attempt: u32) -> Row {
    Row { state: TaskState::Running, epoch, attempt, ..row(number) }
}

fn completed(number: u128, epoch: u64, output: &str) -> Row {
    let output = Some(digest(output));
    Row { state: TaskState::Completed, output, ..running(number, epoch, 1) }
}

#[test]
fn i1_a_lost_task_is_caught_and_one_without_an_answer_may_be_there_or_not() {
    let mut story = Story::new();
    story.submit(1);
    story.ask(Asks::Insert(Box::new(submitted(2))));
    story.ask(Asks::Insert(Box::new(submitted(3))));
    story.crash_and_dump(&[row(1), row(2)]).is_fine();
    story.crash_and_dump(&[row(1)]).breaks(Invariant::Kept);
}

#[test]
fn i1_a_task_that_nobody_submitted_is_caught() {
    Story::new().crash_and_dump(&[row(1)]).breaks(Invariant::Kept);
}

#[test]
fn i1_a_pruned_task_may_be_missing_and_must_not_come_back() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    story.ask(Asks::Prune { completed: 500, failed: DAY, cancelled: DAY, limit: 10 });
    story.crash_and_dump(&[]).is_fine();
    story.crash_and_dump(&[completed(1, 1, "output")]).breaks(Invariant::Kept);
}

#[test]
fn i1_a_task_that_is_missing_before_its_retention_is_over_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    story.ask(Asks::Prune { completed: DAY, failed: 0, cancelled: 0, limit: 10 });
    story.crash_and_dump(&[]).breaks(Invariant::Kept);
}

#[test]
fn i1_a_follow_up_task_is_there_if_and_only_if_its_stage_succeeded() {
    for (is_applied, is_there) in [(true, true), (false, false), (true, false), (false, true)] {
        let mut story = Story::new();
        story.submit(1).claim(1, 1, 1);
        let call = story.ask_settle(1, 1, Complete, Some(("", "output")));
        let follow_up = Asks::FollowUp { of: id(1), task: Box::new(submitted(2)) };
        story.tell(What::Asks(Asked { call, asks: follow_up }));
        let parent = if is_applied { completed(1, 1, "output") } else { running(1, 1, 1) };
        let rows = if is_there { vec![parent, row(2)] } else { vec![parent] };
        story.crash_and_dump(&rows);
        if is_applied == is_there { story.is_fine() } else { story.breaks(Invariant::Kept) }
    }
}

#[test]
fn a_follow_up_task_of_a_lease_that_others_followed_may_be_there_or_not() {
    for is_there in [true, false] {
        let mut story = Story::new();
        story.submit(1).claim(1, 1, 1);
        let call = story.ask_settle(1, 1, Advance, Some(("two", "first")));
        let follow_up = Asks::FollowUp { of: id(1), task: Box::new(submitted(2)) };
        story.tell(What::Asks(Asked { call, asks: follow_up }));
        let stage = Some(String::from("two"));
        let parent = Row { stage, checkpoint: Some(digest("first")), ..running(1, 3, 1) };
        let rows = if is_there { vec![parent, row(2)] } else { vec![parent] };
        story.crash_and_dump(&rows).is_fine();
    }
}

#[test]
fn i2_another_output_or_another_end_is_caught() {
    let told = || {
        let mut story = Story::new();
        story.submit(1).claim(1, 1, 1);
        story.ask_settle(1, 1, Complete, Some(("", "another")));
        story.ask_settle(1, 1, Fail, None);
        story.complete(1, 1, "output");
        story
    };
    told().crash_and_dump(&[completed(1, 1, "output")]).is_fine();
    told().crash_and_dump(&[completed(1, 1, "another")]).breaks(Invariant::EndsOnce);
    let failed = Row { state: TaskState::Failed, ..running(1, 1, 1) };
    told().crash_and_dump(&[failed]).breaks(Invariant::EndsOnce);
}

#[test]
fn i2_an_end_that_nobody_asked_for_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    let cancelled = Row { state: TaskState::Cancelled, ..running(1, 1, 1) };
    story.crash_and_dump(&[cancelled]).breaks(Invariant::EndsOnce);
}

#[test]
fn i4_an_end_a_checkpoint_or_an_epoch_that_went_back_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    story.crash_and_dump(&[running(1, 1, 1)]).breaks(Invariant::Forward);
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).advance(1, 1, ("two", "first"));
    story.crash_and_dump(&[running(1, 1, 1)]).breaks(Invariant::Forward);
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1);
    story.crash_and_dump(&[row(1)]).breaks(Invariant::Forward);
}

#[test]
fn a_settlement_without_an_answer_may_have_happened() {
    let told = || {
        let mut story = Story::new();
        story.submit(1).claim(1, 1, 1);
        story.ask_settle(1, 1, Advance, Some(("two", "first")));
        story
    };
    told().crash_and_dump(&[running(1, 1, 1)]).is_fine();
    let stage = Some(String::from("two"));
    let moved = Row { stage, checkpoint: Some(digest("first")), ..running(1, 1, 1) };
    told().crash_and_dump(std::slice::from_ref(&moved)).is_fine();
    let torn = Row { checkpoint: Some(digest("half")), ..moved.clone() };
    told().crash_and_dump(&[torn]).breaks(Invariant::Intact);
    let empty = Row { checkpoint: None, ..moved };
    told().crash_and_dump(&[empty]).breaks(Invariant::Intact);
}

#[test]
fn i5_attempts_that_a_crash_cannot_explain_are_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).settle(1, 1, Retry, None, TaskState::Pending);
    let waits = |attempt| Row { state: TaskState::Pending, ..running(1, 1, attempt) };
    story.crash_and_dump(&[waits(1)]).is_fine();
    story.crash_and_dump(&[waits(0)]).breaks(Invariant::Attempts);
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).crash_and_dump(&[running(1, 2, 3)]);
    story.breaks(Invariant::Attempts);
}

#[test]
fn i6_a_task_that_never_ends_is_caught() {
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    story.crash_and_dump(&[completed(1, 1, "output")]).checker.everything_ended();
    story.is_fine();
    story.submit(2).crash_and_dump(&[completed(1, 1, "output"), row(2)]).checker.everything_ended();
    story.breaks(Invariant::Ends);
}

#[test]
fn i7_two_tasks_with_one_key_are_caught() {
    let with_key = |number| Submitted { key: Some(String::from("a/key")), ..submitted(number) };
    let mut story = Story::new();
    story.submit_as(with_key(1));
    story.ask(Asks::Insert(Box::new(with_key(2))));
    let rows = [1, 2].map(|number| Row { key: Some(String::from("a/key")), ..row(number) });
    story.crash_and_dump(&rows).breaks(Invariant::OneForKey);
}

#[test]
fn i10_a_wish_to_cancel_that_was_forgotten_is_caught() {
    let told = || {
        let mut story = Story::new();
        story.submit(1).claim(1, 1, 1).cancel(1, Answer::CancelRequested { task: id(1) });
        story
    };
    let noted = Row { cancel_requested: true, ..running(1, 1, 1) };
    told().crash_and_dump(&[noted]).is_fine();
    told().crash_and_dump(&[running(1, 1, 1)]).breaks(Invariant::Cancels);
}

#[test]
fn i11_another_input_or_other_options_are_caught() {
    let mut story = Story::new();
    story.submit(1).crash_and_dump(&[Row { input: Some(digest("inpux")), ..row(1) }]);
    story.breaks(Invariant::Intact);
    let mut story = Story::new();
    story.submit(1).crash_and_dump(&[Row { options: digest("other"), ..row(1) }]);
    story.breaks(Invariant::Intact);
    let mut story = Story::new();
    story.submit(1).claim(1, 1, 1).complete(1, 1, "output");
    story.crash_and_dump(&[Row { output: None, ..completed(1, 1, "output") }]);
    story.breaks(Invariant::Intact);
}

#[test]
fn a_dump_that_is_shorter_than_it_says_is_caught() {
    let mut story = Story::new();
    story.tell(What::DumpBegins).tell(What::DumpEnds { tasks: 1 }).breaks(Invariant::Kept);
}

#[test]
fn i9_is_found_by_whoever_opens() {
    let mut story = Story::new();
    story.checker.find(Invariant::Opens, "the store did not open");
    story.breaks(Invariant::Opens);
    assert_eq!(story.checker.findings()[0].to_string(), "I9 opens: the store did not open");
}
