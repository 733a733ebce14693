//! Shutdown: whoever waits for the last task to end hears of its end.

use std::time::Duration;

use artos_core::model::{Epoch, Name, TaskId};
use shuttle::{future::block_on, sync::Arc, thread};

use crate::{in_many_orders, model::Lease, must_be_noticed};

macro_rules! scenarios {
    ($module:ident, $text:literal) => {
        #[allow(dead_code, reason = "a copy of the core's text")]
        mod $module {
            use super::*;

            mod attempt {
                use tokio::time::Instant;

                pub(super) struct CurrentAttempt(Instant);

                impl CurrentAttempt {
                    pub(super) const fn deadline(&self) -> Instant {
                        self.0
                    }
                }
            }

            mod copy {
                include!(concat!(env!("OUT_DIR"), "/", $text, ".rs"));
            }

            mod slots {
                include!(concat!(env!("OUT_DIR"), "/slots.rs"));
            }

            use copy::{Execution, Running, StopReason};

            fn execution(running: &Running, number: u64) -> Arc<Execution> {
                let lease =
                    Lease { task_id: TaskId::from_uuid(Default::default()), epoch: Epoch(number) };
                let until = tokio::time::Instant::now() + Duration::from_secs(30);
                let kind = Name::from_static("kind");
                let hub = Arc::new(crate::signals::SignalHub);
                let execution = Arc::new(Execution::new(lease, kind, until, 0, &hub));
                running.add(vec![Arc::clone(&execution)]);
                execution
            }

            pub(super) fn the_last_end_is_heard() {
                let running = Arc::new(Running::new([2].into_iter()));
                let executions: Vec<_> = (1..=2).map(|n| execution(&running, n)).collect();
                let ending = executions.into_iter().map(|execution| {
                    let running = Arc::clone(&running);
                    thread::spawn(move || {
                        running.remove([execution.as_ref()].into_iter());
                    })
                });
                let ending: Vec<_> = ending.collect();
                let stopping = thread::spawn({
                    let running = Arc::clone(&running);
                    move || {
                        for execution in running.all() {
                            execution.stop(StopReason::Shutdown);
                            execution.stop(StopReason::LeaseLost);
                            execution.stop(StopReason::CancelRequested);
                            // What is lost outweighs what came before, and what comes after.
                            assert_eq!(execution.stop_reason(), Some(StopReason::LeaseLost));
                        }
                    }
                });
                block_on(running.empty());
                assert_eq!(running.left_over(), []);
                for thread in ending.into_iter().chain([stopping]) {
                    thread.join().unwrap();
                }
            }
        }
    };
}

scenarios!(shipped, "running");
scenarios!(listens_too_late, "running_listens_too_late");

#[test]
fn whoever_waits_for_the_last_task_hears_of_its_end() {
    in_many_orders(shipped::the_last_end_is_heard);
}

#[test]
fn whoever_listens_too_late_is_noticed() {
    must_be_noticed(listens_too_late::the_last_end_is_heard);
}
