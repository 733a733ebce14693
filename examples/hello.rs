//! The smallest whole program: a task, its one stage, and a runtime.

use artos_core::{Pipeline, Runtime, StageContext, StageResult, Task, stage_fn};
use artos_store_memory::MemoryStore;

#[derive(serde::Serialize, serde::Deserialize)]
struct Hello(String);

impl Task for Hello {
    const KIND: &'static str = "hello";
    type Output = String;
}

async fn greet(_: StageContext, Hello(name): Hello) -> StageResult<String> {
    Ok(format!("Hello, {name}!"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pipeline = Pipeline::new("greet", stage_fn(greet));
    let runtime = Runtime::builder(MemoryStore::default()).register(pipeline).start().await?;
    let task = runtime.client().submit(Hello("world".into())).await?;
    println!("{}", task.wait().await?);
    Ok(())
}
