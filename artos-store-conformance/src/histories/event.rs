//! What may happen in a history. Everything is small, so that events meet the same tasks often.

use artos_core::model::{OutcomeKind, TaskState};
use proptest::prelude::any;
use proptest::{
    collection::vec,
    option, prop_oneof,
    sample::{Index, select},
    strategy::{Just, Strategy},
};

/// Number of task ids in a history.
pub(super) const IDS: usize = 10;

/// Number of workers in a history; each claims under its id again and again.
pub(super) const WORKERS: usize = 3;

/// One event of a history. Durations are whole hours.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Insert(Vec<Draft>),
    Claim {
        queue: u8,
        worker: usize,
        limit: usize,
        hours: u8,
    },
    Heartbeat {
        hours: u8,
        beats: Vec<(Which, bool)>,
    },
    Settle(Vec<Ending>),
    /// Sends the last batch of settlements again.
    SettleAgain,
    Cancel(Target),
    Rescue {
        limit: usize,
    },
    Prune {
        hours: [u8; 3],
        limit: usize,
    },
    List(Wish),
    Advance {
        hours: u8,
    },
    SetBack {
        hours: u8,
    },
}

/// A task to insert.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) id: usize,
    pub(super) kind: u8,
    pub(super) queue: u8,
    pub(super) priority: i16,
    pub(super) tenant: Option<u8>,
    pub(super) key: Option<u8>,
    pub(super) labels: [Option<u8>; 2],
    pub(super) start: Start,
    pub(super) expires_after: Option<u8>,
    pub(super) input: u8,
    pub(super) checkpointed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Now,
    AfterHours(u8),
    /// Hours after the history began.
    AtHour(u8),
}

/// Which lease to show: one of those given so far, the last ones more often.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Recent(u8),
    Any(Index),
}

/// Which task to cancel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Id(usize),
    /// A task that was leased.
    Leased(Which),
}

/// A settlement to send.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) lease: Which,
    pub(super) outcome: OutcomeKind,
    /// Hours to wait; also tells the payloads of endings apart.
    pub(super) hours: u8,
    /// The stage an advance goes to.
    pub(super) to: u8,
    /// Whether an advance names the stage the task is at, or another.
    pub(super) right_stage: bool,
    pub(super) follow_ups: Vec<Draft>,
}

/// A listing to ask for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) states: Vec<TaskState>,
    pub(super) kind: Option<u8>,
    pub(super) queue: Option<u8>,
    pub(super) tenant: Option<u8>,
    pub(super) labels: [Option<u8>; 2],
    pub(super) newest_first: bool,
    pub(super) limit: usize,
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    let limit = || prop_oneof![4 => 1..4_usize, 1 => Just(0), 1 => Just(100)];
    let claim = (0..2_u8, 0..WORKERS, limit(), prop_oneof![6 => 2..6_u8, 1 => Just(0)])
        .prop_map(|(queue, worker, limit, hours)| Event::Claim { queue, worker, limit, hours });
    let heartbeat = (0..4_u8, vec((which(), any::<bool>()), 1..4))
        .prop_map(|(hours, beats)| Event::Heartbeat { hours, beats });
    let prune = ([0..4_u8, 0..4_u8, 0..4_u8], limit())
        .prop_map(|(hours, limit)| Event::Prune { hours, limit });
    let target = prop_oneof![
        1 => (0..IDS).prop_map(Target::Id),
        2 => which().prop_map(Target::Leased),
    ];
    prop_oneof![
        6 => vec(draft(), 1..4).prop_map(Event::Insert),
        8 => claim,
        3 => heartbeat,
        8 => vec(ending(), 1..4).prop_map(Event::Settle),
        2 => Just(Event::SettleAgain),
        4 => target.prop_map(Event::Cancel),
        3 => limit().prop_map(|limit| Event::Rescue { limit }),
        2 => prune,
        2 => wish().prop_map(Event::List),
        4 => (1..4_u8).prop_map(|hours| Event::Advance { hours }),
        1 => (1..4_u8).prop_map(|hours| Event::SetBack { hours }),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Which::Recent),
        1 => any::<Index>().prop_map(Which::Any),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let start = prop_oneof![
        4 => Just(Start::Now),
        1 => (0..4_u8).prop_map(Start::AfterHours),
        1 => (0..9_u8).prop_map(Start::AtHour),
    ];
    let names = (
        prop_oneof![4 => Just(0_u8), 1 => Just(1)],
        prop_oneof![4 => Just(0_u8), 1 => Just(1)],
        option::weighted(0.4, 0..2_u8),
        option::weighted(0.5, 0..2_u8),
        [option::weighted(0.5, 0..2_u8), option::weighted(0.5, 0..2_u8)],
    );
    let rest =
        (start, -1..=1_i16, option::weighted(0.2, 0..4_u8), 0..2_u8, proptest::bool::weighted(0.2));
    (0..IDS, names, rest).prop_map(|(id, names, rest)| {
        let (kind, queue, tenant, key, labels) = names;
        let (start, priority, expires_after, input, checkpointed) = rest;
        Draft {
            id,
            kind,
            queue,
            priority,
            tenant,
            key,
            labels,
            start,
            expires_after,
            input,
            checkpointed,
        }
    })
}

fn ending() -> impl Strategy<Value = Ending> {
    (
        which(),
        select(OutcomeKind::ALL.to_vec()),
        0..4_u8,
        0..3_u8,
        proptest::bool::weighted(0.8),
        prop_oneof![3 => vec(draft(), 0..1), 1 => vec(draft(), 1..3)],
    )
        .prop_map(|(lease, outcome, hours, to, right_stage, follow_ups)| Ending {
            lease,
            outcome,
            hours,
            to,
            right_stage,
            follow_ups,
        })
}

fn wish() -> impl Strategy<Value = Wish> {
    let names = (
        option::weighted(0.3, 0..3_u8),
        option::weighted(0.3, 0..3_u8),
        option::weighted(0.3, 0..2_u8),
        [option::weighted(0.4, 0..2_u8), option::weighted(0.4, 0..2_u8)],
    );
    (vec(select(TaskState::ALL.to_vec()), 0..3), names, any::<bool>(), 1..5_usize).prop_map(
        |(states, names, newest_first, limit)| {
            let (kind, queue, tenant, labels) = names;
            Wish { states, kind, queue, tenant, labels, newest_first, limit }
        },
    )
}
