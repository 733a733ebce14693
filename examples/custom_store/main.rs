//! Runs tasks on a store of your own. `tests/custom_store.rs` proves that it keeps the contract.

mod store;

use artos_core::{Pipeline, Runtime, StageContext, StageResult, SystemClock, Task, stage_fn};
use store::CustomStore;

#[derive(serde::Serialize, serde::Deserialize)]
struct Add(u64, u64);

impl Task for Add {
    const KIND: &'static str = "add";
    type Output = u64;
}

async fn add(_: StageContext, Add(left, right): Add) -> StageResult<u64> {
    Ok(left + right)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = CustomStore::with_clock(SystemClock);
    let pipeline = Pipeline::new("add", stage_fn(add));
    let runtime = Runtime::builder(store).register(pipeline).start().await?;
    let task = runtime.client().submit(Add(20, 22)).await?;
    let sum = task.wait().await?;
    assert_eq!(sum, 42);
    println!("20 + 22 = {sum}, on a store of our own");
    Ok(())
}
