//! What a stage can say besides "done": try again, never again, later.

use std::time::Duration;

use artos_core::{
    Pipeline, ResultExt, RetryPolicy, Runtime, Stage, StageContext, StageError, StageOptions,
    StageResult, Task, TaskError,
};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Charge {
    customer: String,
    cents: String,
}

impl Task for Charge {
    const KIND: &'static str = "billing.charge";
    type Output = u64;
}

/// Charges a customer; what it depends on would be its fields.
struct ChargeCard;

impl Stage for ChargeCard {
    type Input = Charge;
    type Output = u64;

    async fn run(&self, cx: &StageContext, charge: Charge) -> StageResult<u64> {
        // No attempt will make this a number.
        let cents: u64 = charge.cents.parse().fatal()?;
        match (charge.customer.as_str(), cx.attempt()) {
            // A plain error is tried again, with the policy's backoff.
            ("grace", 1) => Err(std::io::Error::other("the card network hung up"))?,
            // The other side said when to come back.
            ("grace", 2) => Err(StageError::retry_after(Duration::from_millis(20), "busy")),
            // A snooze waits without spending an attempt.
            ("late", _) => Err(StageError::snooze(Duration::from_secs(3600))),
            _ => Ok(cents),
        }
    }

    fn options(&self) -> StageOptions {
        let retry = RetryPolicy::exponential(Duration::from_millis(10)).max_attempts(5);
        StageOptions { retry, ..StageOptions::default() }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let runtime = Runtime::builder(MemoryStore::default())
        .register(Pipeline::new("charge", ChargeCard))
        .start()
        .await?;
    let client = runtime.client();
    let charge = |customer: &str, cents: &str| {
        client.submit(Charge { customer: customer.into(), cents: cents.into() })
    };

    let grace = charge("grace", "1200").await?;
    println!("grace paid {} cents", grace.wait().await?);
    assert_eq!(grace.record().await?.attempt, 3);

    let bad = charge("ada", "a lot").await?;
    let error = bad.wait().await.err();
    println!("ada did not pay: {}", error.as_ref().map(ToString::to_string).unwrap_or_default());
    assert!(matches!(error, Some(TaskError::Failed { attempts: 1, .. })));

    let late = charge("late", "5").await?;
    let mut watch = client.watch(late.id());
    while watch.changed().await?.is_some_and(|record| record.snoozes == 0) {}
    let record = late.record().await?;
    println!("late pays after {} (attempt {})", record.run_at, record.attempt);
    assert_eq!(record.attempt, 0);
    Ok(())
}
