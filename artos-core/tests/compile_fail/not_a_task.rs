//! A pipeline whose first stage does not take a task.

#![allow(unused, reason = "only the mistake should show")]

use artos_core::{Pipeline, Runtime, Stage, StageContext, StageError, StageResult, Task, stage_fn};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Source(String);
#[derive(Serialize, Deserialize)]
struct Pages(Vec<String>);
#[derive(Serialize, Deserialize)]
struct Report(usize);

impl Task for Source {
    const KIND: &'static str = "report";
    type Output = Report;
}

async fn extract(_: StageContext, source: Source) -> StageResult<Pages> {
    Ok(Pages(vec![source.0]))
}

async fn render(_: StageContext, pages: Pages) -> StageResult<Report> {
    Ok(Report(pages.0.len()))
}

fn main() {
    Runtime::builder(MemoryStore::default()).register(Pipeline::new("render", stage_fn(render)));
}
