//! A case: one promise of the contract, and how to check it.

use std::{fmt, pin::Pin, time::Duration};

use crate::{harness::HarnessFactory, histories, world::World};

/// Far longer than any case takes; a store that hangs should fail, not block.
const CASE_TIMEOUT: Duration = Duration::from_secs(300);

macro_rules! named_cases {
    ({} $($topic:ident { $($case:ident,)* })*) => {
        vec![$($(Case {
            topic: stringify!($topic),
            name: stringify!($case),
            run: Run::OneStore(|world| Box::pin(crate::cases::$topic::$case(world))),
        },)*)*]
    };
}

/// One promise of the contract, and how to check it.
#[derive(Clone, Copy)]
pub struct Case {
    topic: &'static str,
    name: &'static str,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    /// The case plays on one store.
    OneStore(for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>),
    /// The case opens stores itself.
    ManyStores(fn(&HarnessFactory)),
}

impl Case {
    /// Returns the part of the contract the case belongs to.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        self.topic
    }

    /// Returns the promise, as a sentence in snake case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case. It blocks the thread, so it must not be called from async code.
    ///
    /// # Panics
    ///
    /// Panics if the store does not keep the promise.
    pub fn run(&self, factory: &HarnessFactory) {
        match self.run {
            Run::ManyStores(run) => run(factory),
            Run::OneStore(run) => runtime().block_on(async {
                let world = World::open(factory).await;
                let ran = tokio::time::timeout(CASE_TIMEOUT, run(&world)).await;
                assert!(ran.is_ok(), "the case did not end within {CASE_TIMEOUT:?}");
            }),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.topic, self.name)
    }
}

/// Returns all cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = crate::__with_cases! { [named_cases] {} };
    cases.push(Case {
        topic: "histories",
        name: "random_histories_agree_with_the_machine",
        run: Run::ManyStores(histories::random_histories_agree_with_the_machine),
    });
    cases
}

/// Runs the case of this topic and name; see [`Case::run`].
///
/// # Panics
///
/// Panics if the store does not keep the promise, or if there is no such case.
pub fn run_case(topic: &str, name: &str, factory: &HarnessFactory) {
    let case = cases().into_iter().find(|case| case.topic == topic && case.name == name);
    match case {
        Some(case) => case.run(factory),
        None => panic!("there is no case {topic}::{name}"),
    }
}

/// Makes a runtime with real threads, for the cases that need them.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts")
}
