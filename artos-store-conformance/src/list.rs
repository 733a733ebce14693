//! The one list of all cases: the tests of [`store_tests!`](crate::store_tests) and
//! [`cases`](crate::cases) are both made from it.
//!
//! A case that is missing here is dead code, which the compiler reports.

/// Calls a macro with the list of all cases: topics, and in each the names of its cases.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases {
    ([$($with:tt)+] { $($arguments:tt)* }) => {
        $($with)+! {
            { $($arguments)* }
            contracts {
                an_acceptance_is_whole_or_not_at_all,
                a_stale_worker_cannot_complete_renew_or_report,
                an_expired_worker_cannot_complete_renew_or_report,
                a_reused_worker_cannot_complete_renew_or_report,
                a_retry_is_finished_by_a_fresh_worker,
                a_restart_under_the_same_name_mixes_nothing_up,
                a_clock_that_jumps_an_hour_ahead_ends_leases_and_waits,
                a_clock_that_jumps_a_day_ahead_ends_leases_and_waits,
                a_clock_that_jumps_an_hour_back_ends_no_lease_and_loses_nothing,
                a_clock_that_jumps_a_day_back_ends_no_lease_and_loses_nothing,
            }
            runtimes {
                a_poison_task_fails_after_exactly_its_attempts,
                a_rolling_restart_charges_nothing_and_loses_nothing,
            }
            insert {
                an_inserted_task_carries_what_was_submitted,
                an_inserted_task_is_pending_and_has_no_past,
                inserting_the_same_task_twice_inserts_it_once,
                inserting_the_same_id_with_other_input_says_so,
                inserting_a_running_task_again_leaves_it_running,
                inserting_a_terminal_task_again_leaves_it_terminal,
                a_batch_of_inserts_is_answered_in_order,
                the_same_task_twice_in_one_batch_is_inserted_once,
                an_empty_batch_inserts_nothing,
                a_large_batch_is_inserted_whole,
                a_task_may_start_after_a_delay,
                a_task_may_start_at_a_time,
                a_start_time_in_the_past_means_now,
                an_endless_delay_ends_at_the_end_of_time,
                an_expiry_is_counted_from_the_insertion,
                an_inserted_task_has_one_time_for_everything,
                a_task_may_start_at_a_later_stage,
                extreme_priorities_are_kept,
            }
            idempotency {
                a_key_that_exists_names_the_task_that_carries_it,
                a_key_that_exists_with_other_input_says_so,
                input_is_compared_byte_by_byte,
                a_key_counts_per_tenant,
                no_tenant_differs_from_a_tenant_with_an_empty_name,
                a_key_counts_per_kind,
                a_key_does_not_count_per_queue,
                parts_of_a_key_do_not_run_into_each_other,
                tasks_without_a_key_never_collide,
                an_empty_key_is_a_key,
                keys_differ_by_case,
                a_key_counts_within_one_batch,
                a_terminal_task_keeps_its_key,
                a_pruned_task_frees_its_key,
                a_refused_task_takes_no_key,
                the_id_of_a_task_counts_before_its_key,
                a_follow_up_respects_keys,
                a_follow_up_takes_its_key,
            }
            claim {
                a_claim_leases_the_task,
                a_claimed_record_is_the_stored_record,
                a_claim_hands_out_the_input_at_first,
                a_claim_hands_out_the_last_checkpoint,
                a_claim_takes_no_more_than_its_limit,
                a_claim_of_nothing_takes_nothing,
                a_claim_without_limit_takes_all,
                an_unknown_queue_is_empty,
                a_claim_takes_only_from_its_queue,
                higher_priority_is_claimed_first,
                the_order_holds_from_claim_to_claim,
                among_equal_priorities_the_earlier_run_at_is_claimed_first,
                among_equal_times_the_smaller_id_is_claimed_first,
                priority_counts_before_run_at,
                a_task_that_is_not_due_is_not_claimed,
                a_task_is_claimed_once_it_is_due,
                an_urgent_task_that_is_not_due_blocks_nobody,
                many_tasks_for_later_block_nobody,
                a_running_task_is_not_claimed_again,
                a_task_between_stages_is_not_claimed,
                a_terminal_task_is_never_claimed,
                a_lapsed_task_is_not_claimed_before_its_rescue,
                every_claim_raises_the_epoch_and_charges_an_attempt,
                a_claim_keeps_the_time_of_the_first_start,
                a_claim_forgets_how_the_last_lease_ended,
                next_due_in_is_zero_when_more_is_due,
                next_due_in_tells_when_the_next_task_is_due,
                next_due_in_is_absent_when_nothing_waits,
                next_due_in_knows_of_retries,
                two_workers_never_get_the_same_task,
                an_endless_lease_ends_at_the_end_of_time,
                an_empty_lease_lapses_at_once,
            }
            fences {
                a_lease_of_an_epoch_that_never_was_is_refused,
                a_lease_on_a_task_that_was_never_claimed_is_refused,
                a_lease_on_an_unknown_task_is_refused,
                a_pruned_task_that_is_inserted_again_refuses_its_old_lease,
                the_live_lease_still_counts_after_a_refusal,
                a_heartbeat_is_refused_after_another_claim,
                a_heartbeat_is_refused_after_the_lease_lapsed,
                a_heartbeat_is_refused_after_a_rescue,
                a_heartbeat_is_refused_after_another_outcome,
                a_heartbeat_is_refused_after_a_cancellation,
                a_heartbeat_is_refused_after_the_task_was_pruned,
                a_heartbeat_is_refused_after_the_same_worker_claimed_again,
                progress_is_refused_after_another_claim,
                progress_is_refused_after_the_lease_lapsed,
                progress_is_refused_after_a_rescue,
                progress_is_refused_after_another_outcome,
                progress_is_refused_after_a_cancellation,
                progress_is_refused_after_the_task_was_pruned,
                progress_is_refused_after_the_same_worker_claimed_again,
                an_advance_is_refused_after_another_claim,
                an_advance_is_refused_after_the_lease_lapsed,
                an_advance_is_refused_after_a_rescue,
                an_advance_is_refused_after_another_outcome,
                an_advance_is_refused_after_a_cancellation,
                an_advance_is_refused_after_the_task_was_pruned,
                an_advance_is_refused_after_the_same_worker_claimed_again,
                a_complete_is_refused_after_another_claim,
                a_complete_is_refused_after_the_lease_lapsed,
                a_complete_is_refused_after_a_rescue,
                a_complete_is_refused_after_another_outcome,
                a_complete_is_refused_after_a_cancellation,
                a_complete_is_refused_after_the_task_was_pruned,
                a_complete_is_refused_after_the_same_worker_claimed_again,
                a_retry_is_refused_after_another_claim,
                a_retry_is_refused_after_the_lease_lapsed,
                a_retry_is_refused_after_a_rescue,
                a_retry_is_refused_after_another_outcome,
                a_retry_is_refused_after_a_cancellation,
                a_retry_is_refused_after_the_task_was_pruned,
                a_retry_is_refused_after_the_same_worker_claimed_again,
                a_snooze_is_refused_after_another_claim,
                a_snooze_is_refused_after_the_lease_lapsed,
                a_snooze_is_refused_after_a_rescue,
                a_snooze_is_refused_after_another_outcome,
                a_snooze_is_refused_after_a_cancellation,
                a_snooze_is_refused_after_the_task_was_pruned,
                a_snooze_is_refused_after_the_same_worker_claimed_again,
                a_fail_is_refused_after_another_claim,
                a_fail_is_refused_after_the_lease_lapsed,
                a_fail_is_refused_after_a_rescue,
                a_fail_is_refused_after_another_outcome,
                a_fail_is_refused_after_a_cancellation,
                a_fail_is_refused_after_the_task_was_pruned,
                a_fail_is_refused_after_the_same_worker_claimed_again,
                a_cancel_is_refused_after_another_claim,
                a_cancel_is_refused_after_the_lease_lapsed,
                a_cancel_is_refused_after_a_rescue,
                a_cancel_is_refused_after_another_outcome,
                a_cancel_is_refused_after_a_cancellation,
                a_cancel_is_refused_after_the_task_was_pruned,
                a_cancel_is_refused_after_the_same_worker_claimed_again,
                an_interrupt_is_refused_after_another_claim,
                an_interrupt_is_refused_after_the_lease_lapsed,
                an_interrupt_is_refused_after_a_rescue,
                an_interrupt_is_refused_after_another_outcome,
                an_interrupt_is_refused_after_a_cancellation,
                an_interrupt_is_refused_after_the_task_was_pruned,
                an_interrupt_is_refused_after_the_same_worker_claimed_again,
            }
            settle {
                advancing_moves_to_the_next_stage_under_the_same_lease,
                advancing_starts_counting_anew,
                advancing_keeps_the_output_as_checkpoint,
                advancing_keeps_the_input,
                advancing_reports_progress_at_the_stores_time,
                a_checkpoint_that_leaves_another_stage_is_refused,
                a_checkpoint_is_never_rolled_back,
                completing_ends_the_task_with_its_output,
                completing_drops_the_checkpoint_and_keeps_the_input,
                completing_clears_the_failure_of_an_earlier_attempt,
                failing_ends_the_task_with_its_failure,
                failing_keeps_the_checkpoint_and_the_input,
                cancelling_as_an_outcome_ends_the_task_and_keeps_the_checkpoint,
                settling_records_which_outcome_it_was,
                a_settlement_sent_again_after_the_lease_would_have_lapsed_still_counts,
                a_settlement_sent_again_after_the_next_claim_is_refused,
                a_second_output_never_replaces_the_first,
                a_second_checkpoint_for_a_stage_never_replaces_the_first,
                the_same_settlement_twice_in_one_batch_is_applied_once,
                one_batch_may_advance_and_complete_the_same_task,
                in_one_batch_the_first_of_two_outcomes_counts,
                a_stale_item_does_not_disturb_the_others,
                a_batch_of_settlements_is_answered_in_order,
                an_empty_batch_settles_nothing,
                a_large_batch_is_settled_whole,
                an_advance_sent_again_is_answered_as_before,
                a_complete_sent_again_is_answered_as_before,
                a_retry_sent_again_is_answered_as_before,
                a_snooze_sent_again_is_answered_as_before,
                a_fail_sent_again_is_answered_as_before,
                a_cancel_sent_again_is_answered_as_before,
                an_interrupt_sent_again_is_answered_as_before,
            }
            follow_ups {
                every_outcome_may_carry_follow_ups,
                a_follow_up_is_a_task_like_any_other,
                a_follow_up_may_start_later,
                many_follow_ups_are_inserted_in_order,
                a_refused_settlement_inserts_no_follow_ups,
                a_refused_checkpoint_inserts_no_follow_ups,
                a_settlement_sent_again_inserts_its_follow_ups_once,
                a_settlement_sent_again_does_not_bring_back_pruned_follow_ups,
                a_follow_up_that_exists_does_not_stop_the_outcome,
                a_follow_up_with_the_id_of_its_own_task_changes_nothing,
                follow_ups_of_one_batch_share_one_key,
                a_stale_item_of_a_batch_inserts_no_follow_ups,
                a_cancelled_checkpoint_still_inserts_its_follow_ups,
                a_follow_up_inserted_before_is_found_by_a_later_insert,
            }
            waiting {
                a_retry_because_nobody_knows_the_task_charges_no_attempt,
                a_retry_waits_for_its_delay,
                a_retry_without_delay_is_due_at_once,
                a_retry_keeps_its_attempt_charged,
                a_retry_records_its_failure_at_the_stores_time,
                every_cause_of_failure_is_kept,
                a_retry_replaces_the_failure_before,
                a_retry_keeps_the_stage_and_its_checkpoint,
                an_endless_backoff_ends_at_the_end_of_time,
                a_snooze_waits_and_gives_its_attempt_back,
                snoozes_are_counted,
                a_snooze_keeps_the_failure_before,
                an_interrupt_hands_the_task_back_at_once_and_uncharged,
                an_interrupt_keeps_the_checkpoint,
                a_task_that_waits_keeps_its_place_among_equals,
            }
            cancel {
                a_pending_task_is_cancelled_at_once,
                a_task_for_later_is_cancelled_at_once,
                a_task_that_waits_for_its_next_attempt_is_cancelled_at_once,
                a_running_task_is_asked_to_stop,
                the_next_heartbeat_tells_of_the_wish_to_cancel,
                asking_twice_changes_nothing,
                a_terminal_task_stays_as_it_is,
                an_unknown_task_cannot_be_cancelled,
                a_wish_does_not_undo_a_completion,
                a_wish_does_not_undo_a_failure,
                a_wish_turns_a_retry_into_a_cancellation,
                a_wish_turns_a_snooze_into_a_cancellation,
                a_wish_turns_an_interrupt_into_a_cancellation,
                a_wish_is_granted_by_the_outcome_cancel,
                a_wish_ends_the_task_at_its_next_checkpoint,
                a_task_cancelled_at_a_checkpoint_keeps_its_output,
                an_advance_that_ended_in_a_cancellation_is_answered_the_same_again,
                a_wish_outlives_the_lease,
                a_wish_after_the_lapse_is_kept_for_the_rescue,
                a_rescued_task_is_cancelled_at_once,
                a_cancelled_task_is_not_rescued,
            }
            heartbeat {
                a_late_report_of_a_stage_that_ended_does_not_turn_progress_back,
                a_heartbeat_extends_the_lease,
                a_task_with_heartbeats_runs_on,
                a_heartbeat_counts_from_its_own_time,
                a_heartbeat_without_news_is_invisible,
                a_heartbeat_takes_in_progress_at_the_stores_time,
                a_heartbeat_without_progress_keeps_the_last_report,
                progress_survives_the_end_of_the_attempt,
                a_batch_of_heartbeats_is_answered_in_order,
                an_empty_batch_of_heartbeats_is_fine,
                a_heartbeat_after_the_lapse_does_not_revive_the_lease,
                an_endless_heartbeat_ends_at_the_end_of_time,
                a_heartbeat_goes_on_after_an_advance,
            }
            rescue {
                a_lapsed_task_is_pending_again_at_once,
                a_live_lease_is_not_rescued,
                a_rescue_raises_the_epoch_and_keeps_the_attempt_charged,
                a_rescue_records_why,
                a_rescue_keeps_the_checkpoint,
                a_rescue_takes_no_more_than_its_limit,
                a_rescue_takes_only_what_lapsed,
                next_in_tells_when_the_next_lease_lapses,
                next_in_is_zero_when_more_lapsed,
                next_in_is_absent_when_nothing_runs,
                next_in_follows_heartbeats,
                a_task_is_rescued_as_often_as_it_is_lost,
                waiting_and_terminal_tasks_are_not_rescued,
                a_rescue_of_many_finds_them_all,
                the_winner_after_a_rescue_settles,
            }
            prune {
                a_task_past_its_retention_is_pruned,
                a_task_within_its_retention_is_kept,
                completed_tasks_have_a_retention_of_their_own,
                failed_tasks_have_a_retention_of_their_own,
                cancelled_tasks_have_a_retention_of_their_own,
                retention_counts_from_the_end_of_the_task,
                no_retention_prunes_at_once,
                an_endless_retention_keeps_for_ever,
                a_prune_tells_when_the_next_task_may_go,
                a_prune_takes_no_more_than_its_limit,
                a_live_task_is_never_pruned,
                a_pruned_task_leaves_nothing_behind,
                a_pruned_id_may_be_inserted_again,
                a_prune_frees_no_keys_but_its_own,
                many_tasks_are_pruned_in_one_call,
            }
            list {
                an_empty_store_lists_nothing,
                a_listed_record_is_the_stored_record,
                the_newest_come_first_if_not_asked_otherwise,
                the_oldest_come_first_if_asked,
                the_order_is_that_of_ids_not_of_insertion,
                pages_follow_each_other_without_gap_or_repetition,
                a_full_page_has_as_many_tasks_as_asked_for,
                a_cursor_survives_being_written_as_text,
                a_cursor_survives_inserts,
                a_cursor_survives_the_pruning_of_its_task,
                a_cursor_survives_changes_of_state,
                a_cursor_past_the_end_lists_nothing,
                a_listing_by_state_finds_just_that_state,
                a_listing_by_several_states_finds_any_of_them,
                a_listing_by_kind_finds_any_of_the_kinds,
                a_listing_by_queue_finds_just_that_queue,
                a_listing_by_tenant_finds_just_that_tenant,
                a_listing_by_labels_wants_all_of_them,
                filters_add_up,
                pages_of_a_filtered_listing_join_up,
                counts_come_only_if_asked_for,
                counts_count_every_state,
                counts_respect_the_filter,
                counts_do_not_depend_on_the_page,
                a_limit_of_zero_counts_without_listing,
                a_long_listing_is_complete,
            }
            get {
                an_unknown_task_is_not_found,
                every_part_comes_with_the_same_record,
                the_record_comes_without_a_payload,
                a_new_task_has_only_its_input,
                a_checkpointed_task_has_no_output,
                a_task_without_output_has_none_in_any_other_state,
                reading_changes_nothing,
            }
            changes {
                an_insert_wakes_its_queue,
                an_insert_for_later_wakes_its_queue,
                a_batch_wakes_every_queue_it_fills,
                a_retry_wakes_its_queue,
                a_snooze_wakes_its_queue,
                an_interrupt_wakes_its_queue,
                a_rescue_wakes_its_queue,
                a_follow_up_wakes_its_queue,
                every_visible_change_wakes_those_who_wait_for_the_task,
                cancelling_a_pending_task_wakes_those_who_wait_for_it,
                a_rescue_wakes_those_who_wait_for_the_task,
                a_wish_to_cancel_wakes_the_workers,
                a_lease_wakes_those_who_watch_leases,
                whatever_changes_wakes_those_who_wait_for_anything,
                a_hint_before_the_wait_is_not_lost,
                the_change_is_visible_when_its_hint_comes,
                a_task_can_be_claimed_when_its_hint_comes,
                many_may_wait_for_the_same,
                whoever_stops_waiting_disturbs_nobody,
            }
            payloads {
                an_empty_payload_is_kept,
                a_payload_of_any_bytes_is_kept,
                a_payload_of_16_mib_is_kept,
                payloads_of_every_order_of_size_are_kept,
                many_large_payloads_do_not_mix,
            }
            odd_names {
                names_in_any_script_are_kept,
                names_with_marks_of_other_languages_are_kept,
                an_empty_name_is_a_name,
                a_long_name_is_kept_whole,
                names_that_look_alike_stay_apart,
                a_name_with_a_zero_byte_is_kept_or_refused_as_invalid,
                any_message_is_kept,
                many_labels_are_kept,
            }
            records {
                the_revision_grows_with_every_visible_change,
                the_epoch_never_falls,
                times_are_in_the_order_of_a_life,
                a_lease_is_there_exactly_while_the_task_runs,
                the_end_has_a_time_exactly_when_it_came,
                a_terminal_task_never_changes,
                tasks_do_not_disturb_each_other,
            }
            concurrency {
                many_claimers_never_share_a_task,
                many_inserts_of_one_key_insert_one_task,
                many_inserts_of_one_task_insert_it_once,
                of_many_outcomes_for_one_lease_one_counts,
                a_cancel_and_an_outcome_at_once_end_the_task,
                many_cancels_cancel_once,
                many_rescuers_rescue_each_task_once,
                many_pruners_prune_each_task_once,
                inserters_and_workers_together_lose_nothing,
                a_listing_amid_changes_repeats_nothing_and_skips_nothing,
                a_dropped_insert_inserts_all_or_nothing_of_a_task,
                a_dropped_claim_loses_no_task,
                a_dropped_settle_applies_all_or_nothing_of_an_item,
                other_dropped_futures_leave_the_store_consistent,
                many_calls_from_one_thread_interleave,
            }
        }
    };
}

/// Makes one test for each case of the contract, in one module for each topic.
///
/// Takes an async function, or a closure that returns a future, that opens a new and empty store
/// and returns its [`Harness`](crate::Harness). Call it at the top level of a test file; what the
/// expression names must be in scope there.
#[macro_export]
macro_rules! store_tests {
    ($open:expr) => {
        $crate::__with_cases! { [$crate::__tests] { $open } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ({ $open:expr } $($topic:ident { $($case:ident,)* })*) => {
        $crate::__topics! { { $open } $($topic { $($case,)* })* }

        mod histories {
            #[allow(unused_imports, reason = "the expression may be a closure without imports")]
            use super::*;

            #[test]
            fn random_histories_agree_with_the_machine() {
                $crate::run_case(
                    "histories",
                    "random_histories_agree_with_the_machine",
                    &$crate::HarnessFactory::new($open),
                );
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __topics {
    ({ $open:expr }) => {};
    ({ $open:expr } $topic:ident { $($case:ident,)* } $($rest:tt)*) => {
        mod $topic {
            #[allow(unused_imports, reason = "the expression may be a closure without imports")]
            use super::*;

            $(
                #[test]
                fn $case() {
                    $crate::run_case(
                        stringify!($topic),
                        stringify!($case),
                        &$crate::HarnessFactory::new($open),
                    );
                }
            )*
        }

        $crate::__topics! { { $open } $($rest)* }
    };
}
