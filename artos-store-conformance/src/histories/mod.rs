//! Random histories: the store and a plain model live through the same events and must agree.

mod event;
mod model;
mod replay;
mod view;

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};

use crate::{case::runtime, harness::HarnessFactory};

/// How many histories are tried if `ARTOS_CONFORMANCE_CASES` does not say.
const CASES: u32 = 256;

/// Events in one history, at most.
const EVENTS_MAX: usize = 60;

pub(crate) fn random_histories_agree_with_the_machine(factory: &HarnessFactory) {
    let runtime = runtime();
    let cases = match std::env::var("ARTOS_CONFORMANCE_CASES") {
        Ok(text) => text.parse().unwrap_or_else(|_| {
            panic!("ARTOS_CONFORMANCE_CASES is `{text}`: expected a number of histories")
        }),
        Err(_) => CASES,
    };
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_096,
        ..Config::default()
    });
    let history = vec(event::any_event(), 1..=EVENTS_MAX);
    let outcome = runner.run(&history, |events| {
        runtime.block_on(replay::replay(factory, &events)).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("the shortest history that fails:\n{reason}"),
        Err(error @ TestError::Abort(_)) => panic!("{error}"),
    }
}
