//! Watching a task's progress, and cancelling it half-way.

use std::time::Duration;

use artos_core::{
    Pipeline, Runtime, StageContext, StageError, StageResult, Task, TaskError, stage_fn,
};
use artos_store_memory::MemoryStore;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Encode {
    frames: u32,
}

impl Task for Encode {
    const KIND: &'static str = "video.encode";
    type Output = u32;
}

async fn encode(cx: StageContext, video: Encode) -> StageResult<u32> {
    for frame in 1..=video.frames {
        // Stands for the work on one frame, given up when the task is cancelled.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
            () = cx.cancelled() => return Err(StageError::cancelled()),
        }
        let percent = u8::try_from(frame * 100 / video.frames).unwrap_or(100);
        cx.progress(percent, format!("frame {frame} of {}", video.frames));
    }
    Ok(video.frames)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let runtime = Runtime::builder(MemoryStore::default())
        .register(Pipeline::new("encode", stage_fn(encode)))
        .start()
        .await?;
    let task = runtime.client().submit(Encode { frames: 1_000 }).await?;
    let mut progress = task.progress();
    for _ in 0..3 {
        if let Some(progress) = progress.next().await {
            println!("{progress}");
        }
    }
    task.cancel().await?;
    let error = task.wait().await.err();
    println!("{}", error.as_ref().map(ToString::to_string).unwrap_or_default());
    assert!(matches!(error, Some(TaskError::Cancelled { .. })));
    Ok(())
}
