//! Whatever a record holds comes back as it was, and no bytes make the decoder panic.

use artos_core::{
    Name, Timestamp,
    model::{
        Epoch, Failure, FailureCause, Labels, LeaseHolder, OutcomeKind, Progress, TaskId,
        TaskRecord, TaskState, WorkerId,
    },
};
use bytes::Bytes;
use proptest::{
    collection::btree_map,
    option,
    prelude::*,
    sample::{Index, select},
};
use uuid::Uuid;

use super::{Kept, Stored, decode, decode_changing, encode, encode_changing};

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        any::<String>().prop_map(Name::from),
        "[a-z]{250,300}".prop_map(Name::from),
        Just(Name::from("")),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn progress() -> impl Strategy<Value = Progress> {
    let parts = (name(), any::<u32>(), any::<u32>(), any::<u8>(), any::<String>(), time());
    parts.prop_map(|(stage, stage_number, stage_count, percent, message, updated_at)| Progress {
        stage,
        stage_number,
        stage_count,
        percent,
        message,
        updated_at,
    })
}

fn failure() -> impl Strategy<Value = Failure> {
    let cause = select(FailureCause::ALL.to_vec());
    let parts = (cause, option::of(name()), any::<u32>(), any::<String>(), time());
    parts.prop_map(|(cause, stage, attempt, message, at)| Failure {
        cause,
        stage,
        attempt,
        message,
        at,
    })
}

fn kept() -> impl Strategy<Value = Kept> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(|bytes| Kept::Inline(Bytes::from(bytes))),
        any::<(u32, u32)>().prop_map(|(generation, len)| Kept::Chunked { generation, len }),
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    btree_map(name(), name(), 0..4)
}

prop_compose! {
    fn submitted()(
        id in uuid(),
        (kind, queue, tenant) in (name(), name(), option::of(name())),
        priority in any::<i16>(),
        labels in labels(),
        idempotency_key in option::of(name()),
        retry_of in option::of(uuid()),
        expires_at in option::of(time()),
        created_at in time(),
    ) -> TaskRecord {
        TaskRecord {
            id: TaskId::from_uuid(id),
            kind,
            queue,
            priority,
            tenant,
            labels,
            idempotency_key,
            retry_of: retry_of.map(TaskId::from_uuid),
            created_at,
            expires_at,
            state: TaskState::Pending,
            stage: None,
            stage_entered_at: created_at,
            attempt: 0,
            snoozes: 0,
            interrupts: 0,
            run_at: created_at,
            epoch: Epoch::default(),
            lease: None,
            settled_by: None,
            cancel_requested: false,
            progress: None,
            failure: None,
            revision: 1,
            started_at: None,
            updated_at: created_at,
            finished_at: None,
        }
    }
}

prop_compose! {
    fn record()(
        submitted in submitted(),
        state in select(TaskState::ALL.to_vec()),
        stage in option::of(name()),
        (attempt, snoozes, interrupts) in any::<(u32, u32, u32)>(),
        (epoch, revision) in any::<(u64, u64)>(),
        (stage_entered_at, run_at, updated_at) in (time(), time(), time()),
        (started_at, finished_at) in (option::of(time()), option::of(time())),
        lease in option::of((uuid(), time())),
        settled_by in option::of(select(OutcomeKind::ALL.to_vec())),
        cancel_requested in any::<bool>(),
        progress in option::of(progress()),
        failure in option::of(failure()),
    ) -> TaskRecord {
        TaskRecord {
            state,
            stage,
            attempt,
            snoozes,
            interrupts,
            epoch: Epoch(epoch),
            revision,
            stage_entered_at,
            run_at,
            updated_at,
            started_at,
            finished_at,
            lease: lease.map(|(worker, expires_at)| LeaseHolder {
                worker: WorkerId::from_uuid(worker),
                expires_at,
            }),
            settled_by,
            cancel_requested,
            progress,
            failure,
            ..submitted
        }
    }
}

prop_compose! {
    fn stored()(
        record in record(),
        input in kept(),
        result in option::of(kept()),
        generation in any::<u32>(),
    ) -> Stored {
        Stored { record, input, result, generation }
    }
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(stored in stored()) {
        let bytes = encode(Vec::new(), 0, &stored);
        prop_assert_eq!(decode(stored.record.id, &bytes[1..]), Ok(stored));
    }

    #[test]
    fn a_record_that_is_cut_short_is_malformed(stored in stored(), at in any::<Index>()) {
        let bytes = encode(Vec::new(), 0, &stored);
        let cut = bytes.get(..at.index(bytes.len())).unwrap();
        prop_assert!(decode(stored.record.id, cut).is_err());
    }

    #[test]
    fn a_record_that_goes_on_is_malformed(stored in stored(), more in any::<u8>()) {
        let mut bytes = encode(Vec::new(), 0, &stored);
        bytes.push(more);
        prop_assert!(decode(stored.record.id, &bytes[1..]).is_err());
    }

    #[test]
    fn what_changes_comes_back_as_it_was_with_its_result_or_without(
        stored in stored(),
        result in option::of(any::<Vec<u8>>().prop_map(Bytes::from)),
    ) {
        let bytes = encode_changing(Vec::new(), &stored.record, result.as_ref());
        let mut record = TaskRecord { attempt: 7, ..stored.record.clone() };
        prop_assert_eq!(decode_changing(&mut record, &bytes), Ok(result));
        prop_assert_eq!(record, stored.record);
    }

    #[test]
    fn changes_that_are_cut_short_or_go_on_are_malformed_and_change_nothing(
        record in record(),
        result in any::<Vec<u8>>().prop_map(Bytes::from),
        at in any::<Index>(),
        more in any::<u8>(),
    ) {
        let whole = encode_changing(Vec::new(), &record, Some(&result));
        let without = encode_changing(Vec::new(), &record, None).len();
        let mut long = whole.clone();
        long.push(more);
        let cut = at.index(whole.len());
        let before = TaskRecord { attempt: 7, ..record };
        for bytes in [whole.get(..cut).unwrap(), &long] {
            let mut record = before.clone();
            // Changes without a result are whole, too.
            if bytes.len() != without {
                prop_assert!(decode_changing(&mut record, bytes).is_err());
                prop_assert_eq!(&record, &before);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in any::<Vec<u8>>()) {
        let _ = decode(TaskId::from_uuid(Uuid::nil()), &bytes);
    }
}
