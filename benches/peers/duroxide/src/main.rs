//! duroxide: orchestrations that are replayed from their history in SQLite, an activity for each
//! stage.

use std::{sync::Arc, time::Duration};

use duroxide::{
    ActivityContext, Client, OrchestrationContext, OrchestrationRegistry,
    providers::{Provider, sqlite::SqliteProvider},
    runtime::{ObservabilityConfig, Runtime, RuntimeOptions, registry::ActivityRegistry},
};
use peer::{About, Noop, Peer, Result, Work};

/// The default; with more, they wait for each other's locks.
const AT_A_TIME: usize = 2;

struct Duroxide {
    store: Arc<dyn Provider>,
    client: Client,
    stages: usize,
    runtime: Option<Arc<Runtime>>,
}

impl Peer for Duroxide {
    const PIPELINES: bool = true;

    async fn open(work: &Work) -> Result<Self> {
        let file = format!("{}/duroxide.db", work.place);
        // It opens only files that are there.
        std::fs::File::create(&file)?;
        let store = SqliteProvider::new(&format!("sqlite:{file}"), None).await?;
        let store: Arc<dyn Provider> = Arc::new(store);
        let client = Client::new(Arc::clone(&store));
        Ok(Self { store, client, stages: work.stages(), runtime: None })
    }

    fn about(&self) -> About {
        About {
            name: "duroxide",
            version: peer::version(include_str!("../Cargo.lock"), "duroxide"),
            durability: "WAL, synchronous=normal: outlives the process, not a power cut",
            settings: format!(
                "{AT_A_TIME} orchestrations and activities at a time, \
                 dispatcher_min_poll_interval 10 ms"
            ),
        }
    }

    async fn submit_all(&mut self, tasks: Vec<Noop>) -> Result<()> {
        for task in tasks {
            self.submit(task).await?;
        }
        Ok(())
    }

    async fn submit(&mut self, task: Noop) -> Result<()> {
        let (instance, input) = (task.number.to_string(), serde_json::to_string(&task)?);
        Ok(self.client.start_orchestration(instance, "noop", input).await?)
    }

    async fn start(&mut self) -> Result<()> {
        let activities = ActivityRegistry::builder()
            .register("pass", |_: ActivityContext, task: String| async move { Ok(task) })
            .register("last", |_: ActivityContext, task: String| async move {
                let read =
                    serde_json::from_str::<Noop>(&task).map_err(|error| error.to_string())?;
                peer::run(&read);
                Ok(task)
            })
            .build();
        let stages = self.stages;
        let noop = move |context: OrchestrationContext, mut task: String| async move {
            for _ in 1..stages {
                task = context.schedule_activity("pass", task).await?;
            }
            context.schedule_activity("last", task).await
        };
        let options = RuntimeOptions {
            orchestration_concurrency: AT_A_TIME,
            worker_concurrency: AT_A_TIME,
            dispatcher_min_poll_interval: Duration::from_millis(10),
            // Its warnings of locked databases are many.
            observability: ObservabilityConfig {
                log_level: String::from("error"),
                ..ObservabilityConfig::default()
            },
            ..RuntimeOptions::default()
        };
        let orchestrations = OrchestrationRegistry::builder().register("noop", noop).build();
        let store = Arc::clone(&self.store);
        let runtime = Runtime::start_with_options(store, activities, orchestrations, options);
        self.runtime = Some(runtime.await);
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        Ok(self.client.get_system_metrics().await?.completed_instances)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Duroxide>().await
}
