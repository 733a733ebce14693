//! The service put together: a store, a runtime with the pipeline, and the HTTP API in front.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use artos_core::{Client, Queue, Runtime, Submission, TaskRecord, store::TaskStore};
use artos_http::{Auth, Caller, Drain, FieldError, Keys, Limits, Problem, Resource, Webhooks};
use axum::{
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
};
use ipnet::IpNet;
use object_store::local::LocalFileSystem;

use crate::{
    cli::OrganizationToken,
    document::Document,
    files::Files,
    request::{GenerateDocument, authorize_paths, validate},
    rules::RuleBook,
    stages,
};

/// Where the documents are mounted.
pub const BASE: &str = "/api/v1/documents";

/// What the service is made of.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Where tasks are kept.
    pub store: Arc<dyn TaskStore>,
    /// Directory of source files and documents.
    pub files: &'a Path,
    /// Who may call; empty for everybody.
    pub tokens: &'a [OrganizationToken],
    /// Networks that are not public and may get webhooks all the same.
    pub webhook_networks: &'a [IpNet],
    /// How often an organization may call; `None` for any number of times.
    pub limits: Option<Limits>,
    /// Origins whose web pages may call.
    pub cors_origins: &'a [String],
    /// How many documents to generate at a time.
    pub concurrency: usize,
    /// How long a document stays with a process that gives no sign of life.
    pub lease: Duration,
}

/// A service that generates documents; not yet listening.
#[derive(Debug)]
pub struct Service {
    /// Runs the pipeline.
    pub runtime: Runtime,
    /// Answers requests.
    pub app: axum::Router,
    /// Ends long-polls and turns new work away when the service shuts down.
    pub drain: Drain,
}

/// Puts a service together and starts its runtime.
///
/// # Errors
///
/// If the directory cannot be used, the embedded rules are broken, or the settings make no sense.
pub async fn start(settings: Settings<'_>) -> anyhow::Result<Service> {
    let rules = RuleBook::embedded()?;
    let files = open_files(settings.files)?;
    let pipeline = stages::pipeline(&files, &rules);
    let queue = Queue::new("default").concurrency(settings.concurrency);
    let client = Client::new(Arc::clone(&settings.store));
    let mut webhooks = Webhooks::builder(client.clone())
        .events::<GenerateDocument>("document", |request| request.webhook.clone());
    for network in settings.webhook_networks {
        webhooks = webhooks.allow(*network);
    }
    let webhooks = webhooks.build()?;
    let runtime = webhooks
        .install(Runtime::builder(settings.store))
        .lease_duration(settings.lease)
        .queue(queue)
        .register(pipeline)
        .start()
        .await?;
    let drain = Drain::new();
    let auth = if settings.tokens.is_empty() {
        Auth::open()
    } else {
        Auth::tokens(settings.tokens.iter().map(|one| (one.organization.clone(), &one.token)))
            .with_keys(Keys::new(client))
    };
    let organizations = settings.tokens.iter().map(|one| one.organization.clone()).collect();
    let mut router = artos_http::router(runtime.client(), auth)
        .monitor(runtime.monitor())
        .drain(drain.clone())
        .webhooks(webhooks)
        .resource(resource(files, rules, organizations))
        .cors_origins(settings.cors_origins)
        .compress()
        .docs_ui();
    if let Some(limits) = settings.limits {
        router = router.limits(limits);
    }
    Ok(Service { runtime, app: router.build()?, drain })
}

fn open_files(directory: &Path) -> anyhow::Result<Files> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {shown}"))?;
    let store = LocalFileSystem::new_with_prefix(directory)
        .with_context(|| format!("cannot use {shown} for files"))?
        // A checkpoint names files: when it is recorded, they must outlive a power cut as it does.
        .with_fsync(true);
    Ok(Files::new(Arc::new(store)))
}

/// Describes the documents to the HTTP API.
fn resource(
    files: Files,
    rules: RuleBook,
    organizations: Vec<String>,
) -> Resource<GenerateDocument> {
    let accept = Arc::new(Accept { rules, organizations });
    Resource::new(BASE)
        .from_request(move |body: GenerateDocument, caller: Caller| {
            let accept = Arc::clone(&accept);
            async move { accept.check(body, &caller) }
        })
        .document(|_, document| document)
        .summary(summary)
        .download("file", move |_: TaskRecord, document: Document| {
            let files = files.clone();
            async move { download(&files, &document).await }
        })
}

/// Decides which requests become tasks.
struct Accept {
    rules: RuleBook,
    organizations: Vec<String>,
}

impl Accept {
    fn check(
        &self,
        request: GenerateDocument,
        caller: &Caller,
    ) -> Result<Submission<GenerateDocument>, Problem> {
        let errors = validate(&request, &self.rules);
        if !errors.is_empty() {
            let error =
                |error: crate::request::FieldError| FieldError::new(error.pointer, error.message);
            return Err(Problem::invalid(errors.into_iter().map(error).collect()));
        }
        let organization = caller.organization().map(|organization| organization.as_str());
        authorize_paths(&request.file_paths, organization, &self.organizations)
            .map_err(|_| Problem::forbidden("User has no organization or not authorized"))?;
        let name = request.file_stem();
        let document_type = request.document_type.clone();
        Ok(Submission::new(request)
            .label("document_name", shortened(name))
            .label("document_type", document_type))
    }
}

/// Labels hold 255 bytes; a name that is longer is cut at a character.
fn shortened(mut name: String) -> String {
    let end = (0..=255).rfind(|at| name.is_char_boundary(*at)).unwrap_or(0);
    name.truncate(end);
    name
}

/// What the list of documents shows besides ids and times.
fn summary(task: &TaskRecord) -> serde_json::Value {
    let label = |key: &str| task.labels.get(key).map(|value| value.as_str());
    serde_json::json!({
        "document_name": label("document_name"),
        "document_type": label("document_type"),
    })
}

/// Sends the Word document.
async fn download(
    files: &Files,
    document: &Document,
) -> Result<impl IntoResponse + use<>, Problem> {
    let content = files.read(&document.metadata.docx_path).await.map_err(|error| {
        if error.is_transient() {
            Problem::unavailable("the file cannot be read now")
        } else {
            Problem::not_found()
        }
    })?;
    let disposition = content_disposition(&document.document_name);
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(DOCX)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, content))
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// Names the file twice, as RFC 6266 asks: in ASCII for old clients, in UTF-8 for the others.
fn content_disposition(name: &str) -> HeaderValue {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || " -_.".contains(letter);
    let ascii: String =
        name.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    let utf8: String = name.bytes().map(escape).collect();
    let value = format!("attachment; filename=\"{ascii}.docx\"; filename*=UTF-8''{utf8}.docx");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}
