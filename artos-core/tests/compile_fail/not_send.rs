//! A stage that holds something across an await that cannot move between threads.

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

async fn local(_: StageContext, source: Source) -> StageResult<Pages> {
    let shared = std::rc::Rc::new(source.0);
    std::future::ready(()).await;
    Ok(Pages(vec![shared.to_string()]))
}

fn main() {
    Pipeline::new("local", stage_fn(local));
}
