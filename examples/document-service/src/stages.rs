//! The pipeline: the five stages as the runtime runs them.
//!
//! Each stage is thin: it calls the module of its name, reports progress, and says which errors
//! another attempt may cure.

use std::time::Duration;

use artos_core::{
    Pipeline, ResultExt, RetryPolicy, Stage, StageContext, StageError, StageOptions, StageResult,
    Task,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    classify::{Classified, classify},
    document::Document,
    extract::{ExtractError, Extracted, extract_file},
    files::{FileError, Files},
    generate::render,
    post_process::{Identity, finish},
    request::GenerateDocument,
    rules::{Draft, RuleBook, RuleSet, apply},
};

impl Task for GenerateDocument {
    const KIND: &'static str = "document.generate";
    type Output = Document;
}

/// Returns the pipeline that generates documents by `rules` from and into `files`.
pub fn pipeline(files: &Files, rules: &RuleBook) -> Pipeline<GenerateDocument, Document> {
    let (files, rules) = (files.clone(), rules.clone());
    Pipeline::new("extract", Extract { files: files.clone() })
        .then("classify", Classify { rules: rules.clone() })
        .then("apply_rules", ApplyRules { rules })
        .then("generate", Generate { files: files.clone() })
        .then("post_process", PostProcess { files })
}

/// Names the stages as people call them, in order.
pub const STAGES: [(&str, &str); 5] = [
    ("extract", "Content extraction"),
    ("classify", "Classification"),
    ("apply_rules", "Rule processing"),
    ("generate", "Document generation"),
    ("post_process", "Post-processing"),
];

/// Reads the sources.
struct Extract {
    files: Files,
}

impl Stage for Extract {
    type Input = GenerateDocument;
    type Output = Extracted;

    async fn run(&self, cx: &StageContext, request: GenerateDocument) -> StageResult<Extracted> {
        let count = request.file_paths.len();
        let mut sources = Vec::with_capacity(count);
        for (index, path) in request.file_paths.iter().enumerate() {
            cx.progress(percent(index, count), format!("reading {path}"));
            sources.push(extract_file(&self.files, path).await.map_err(curable)?);
        }
        Ok(Extracted { request, sources })
    }

    fn options(&self) -> StageOptions {
        file_options()
    }
}

/// Assigns passages to sections.
struct Classify {
    rules: RuleBook,
}

impl Stage for Classify {
    type Input = Extracted;
    type Output = Classified;

    async fn run(&self, _: &StageContext, extracted: Extracted) -> StageResult<Classified> {
        let rules = rules_of(&self.rules, &extracted.request)?;
        compute(move || Ok(classify(extracted, &rules))).await
    }
}

/// Checks the required sections and reads facts.
struct ApplyRules {
    rules: RuleBook,
}

impl Stage for ApplyRules {
    type Input = Classified;
    type Output = Draft;

    async fn run(&self, _: &StageContext, classified: Classified) -> StageResult<Draft> {
        let rules = rules_of(&self.rules, &classified.request)?;
        // What the sources do not hold, no further attempt will find in them.
        compute(move || apply(classified, &rules).fatal()).await
    }
}

/// A draft and the file it was rendered into.
#[derive(Serialize, Deserialize)]
struct Rendered {
    draft: Draft,
    path: String,
}

/// Renders the Word document.
struct Generate {
    files: Files,
}

impl Stage for Generate {
    type Input = Draft;
    type Output = Rendered;

    async fn run(&self, cx: &StageContext, draft: Draft) -> StageResult<Rendered> {
        let created_at = created_at(cx)?;
        let path = format!("{}/draft.docx", folder(cx));
        cx.progress(10, "writing the Word document");
        let (draft, docx) = compute(move || {
            let docx = render(&draft, created_at).fatal()?;
            Ok((draft, docx))
        })
        .await?;
        // A second attempt writes the same bytes to the same place.
        self.files.write(&path, Bytes::from(docx)).await.map_err(curable_file)?;
        Ok(Rendered { draft, path })
    }

    fn options(&self) -> StageOptions {
        file_options()
    }
}

/// Fills in properties, measures, and puts the file where it can be fetched.
struct PostProcess {
    files: Files,
}

impl Stage for PostProcess {
    type Input = Rendered;
    type Output = Document;

    async fn run(&self, cx: &StageContext, rendered: Rendered) -> StageResult<Document> {
        let docx = self.files.read(&rendered.path).await.map_err(curable_file)?;
        let identity = Identity {
            document_id: cx.task_id().to_string(),
            created_at: created_at(cx)?,
            docx_path: format!("{}/{}.docx", folder(cx), rendered.draft.request.file_stem()),
        };
        cx.progress(30, "filling in properties");
        let finished = compute(move || finish(rendered.draft, &docx, identity).fatal()).await?;
        let path = finished.document.metadata.docx_path.clone();
        self.files.write(&path, Bytes::from(finished.docx)).await.map_err(curable_file)?;
        Ok(finished.document)
    }

    fn options(&self) -> StageOptions {
        file_options()
    }
}

/// Stages that touch files wait out a storage that is away for some minutes.
fn file_options() -> StageOptions {
    let retry = RetryPolicy::exponential(Duration::from_millis(500))
        .cap(Duration::from_secs(60))
        .max_attempts(8);
    StageOptions { retry, attempt_timeout: Duration::from_secs(10 * 60), ..StageOptions::default() }
}

/// Where a task keeps its files. The first part is the organization, as in the sources' paths.
fn folder(cx: &StageContext) -> String {
    format!("{}/generated/{}", cx.tenant().unwrap_or("local"), cx.task_id())
}

/// The time of submission: the same in every attempt, so that the file comes out the same.
fn created_at(cx: &StageContext) -> StageResult<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(cx.submitted_at().as_micros()).fatal()
}

fn rules_of(book: &RuleBook, request: &GenerateDocument) -> StageResult<RuleSet> {
    book.rules(&request.document_type).cloned().fatal()
}

/// Runs a computation on a thread for blocking work, so that heartbeats go on meanwhile.
async fn compute<T: Send + 'static>(
    computation: impl FnOnce() -> StageResult<T> + Send + 'static,
) -> StageResult<T> {
    match tokio::task::spawn_blocking(computation).await {
        Ok(result) => result,
        // Told to the runtime as what it was, a panic of this stage.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(StageError::retry(error)),
    }
}

fn curable(error: ExtractError) -> StageError {
    if error.is_transient() { StageError::retry(error) } else { StageError::fatal(error) }
}

fn curable_file(error: FileError) -> StageError {
    if error.is_transient() { StageError::retry(error) } else { StageError::fatal(error) }
}

/// How much of `count` things is done after `done` of them.
fn percent(done: usize, count: usize) -> u8 {
    u8::try_from(done * 100 / count.max(1)).unwrap_or(100)
}
