//! The service put together: a store, a runtime with the pipeline, and the HTTP API in front.

use std::{sync::Arc, time::Duration};

use artos_core::{Client, Queue, Runtime, Submission, TaskRecord, store::TaskStore};
use artos_http::{Auth, Caller, Drain, FieldError, Jwt, Keys, Limits, Problem, Resource, Webhooks};
use axum::{
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
};
use ipnet::IpNet;

use crate::{
    cli::OrganizationToken,
    document::Document,
    files::Files,
    request::{GenerateDocument, Wire, authorize_paths, validate},
    rules::RuleBook,
    stages,
    webhook_keys::Key,
};

/// Where the documents are mounted.
pub const BASE: &str = "/api/v1/documents";

/// What the service is made of.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Where tasks are kept.
    pub store: Arc<dyn TaskStore>,
    /// Source files and documents.
    pub files: Files,
    /// Who may call; empty for everybody, unless there is `jwt`.
    pub tokens: &'a [OrganizationToken],
    /// Who may call instead, with tokens that somebody else signs.
    pub jwt: Option<Jwt>,
    /// Folders whose files every organization may name.
    pub shared_folders: &'a [String],
    /// What the secrets of webhooks are sealed with; empty for not at all.
    pub webhook_keys: &'a [Key],
    /// Networks that are not public and may get webhooks all the same.
    pub webhook_networks: &'a [IpNet],
    /// How often an organization may call; `None` for any number of times.
    pub limits: Option<Limits>,
    /// How many documents of an organization may wait; `None` for any number.
    pub pending_max: Option<u64>,
    /// Origins whose web pages may call.
    pub cors_origins: &'a [String],
    /// How many documents to generate at a time; at zero, other nodes have to.
    pub workers: usize,
    /// How long a document stays with a process that gives no sign of life.
    pub lease: Duration,
}

/// A service that generates documents; not yet listening.
#[derive(Debug)]
pub struct Service {
    /// Runs the pipeline, unless that is left to other nodes.
    pub runtime: Option<Runtime>,
    /// Answers requests.
    pub app: axum::Router,
    /// Ends long-polls and turns new work away when the service shuts down.
    pub drain: Drain,
}

/// Puts a service together and starts its runtime.
///
/// # Errors
///
/// If the embedded rules are broken, or the settings make no sense.
pub async fn start(settings: Settings<'_>) -> anyhow::Result<Service> {
    let rules = RuleBook::embedded()?;
    let client = Client::new(Arc::clone(&settings.store));
    let webhooks = webhooks(&client, settings.webhook_networks, settings.webhook_keys)?;
    let runtime = match settings.workers {
        0 => None,
        workers => {
            let work = Work {
                store: settings.store,
                files: settings.files.clone(),
                workers,
                lease: settings.lease,
            };
            Some(work.start(&webhooks, &rules).await?)
        }
    };
    let drain = Drain::new();
    let tokens = settings.tokens.iter().map(|one| (one.organization.clone(), &one.token));
    let auth = match settings.jwt {
        Some(jwt) => Auth::jwt(jwt).with_keys(Keys::new(client.clone())),
        None if settings.tokens.is_empty() => Auth::open(),
        None => Auth::tokens(tokens).with_keys(Keys::new(client.clone())),
    };
    let shared = settings.shared_folders.to_vec();
    let client = runtime.as_ref().map_or(client, Runtime::client);
    let mut router = artos_http::router(client, auth)
        .drain(drain.clone())
        .webhooks(webhooks)
        .resource(resource(settings.files, rules, shared))
        .cors_origins(settings.cors_origins)
        .compress()
        .docs_ui();
    if let Some(runtime) = &runtime {
        router = router.monitor(runtime.monitor());
    }
    if let Some(limits) = settings.limits {
        router = router.limits(limits);
    }
    if let Some(tasks) = settings.pending_max {
        router = router.pending_max(tasks);
    }
    Ok(Service { runtime, app: router.build()?, drain })
}

/// What a node needs to work, whether or not it serves.
#[derive(Debug)]
pub struct Work {
    /// Where tasks are kept.
    pub store: Arc<dyn TaskStore>,
    /// Source files and documents.
    pub files: Files,
    /// How many documents to generate at a time.
    pub workers: usize,
    /// How long a document stays with a process that gives no sign of life.
    pub lease: Duration,
}

impl Work {
    /// Starts a node that only works: it generates what other nodes accepted, and tells receivers.
    ///
    /// # Errors
    ///
    /// If the embedded rules are broken, or the settings make no sense.
    pub async fn start_alone(
        self,
        webhook_networks: &[IpNet],
        webhook_keys: &[Key],
    ) -> anyhow::Result<Runtime> {
        let client = Client::new(Arc::clone(&self.store));
        let webhooks = webhooks(&client, webhook_networks, webhook_keys)?;
        self.start(&webhooks, &RuleBook::embedded()?).await
    }

    async fn start(self, webhooks: &Webhooks, rules: &RuleBook) -> anyhow::Result<Runtime> {
        let runtime = webhooks
            .install(Runtime::builder(self.store))
            .lease_duration(self.lease)
            .queue(Queue::new("default").concurrency(self.workers))
            .register(stages::pipeline(&self.files, rules));
        Ok(runtime.start().await?)
    }
}

fn webhooks(client: &Client, networks: &[IpNet], keys: &[Key]) -> anyhow::Result<Webhooks> {
    let mut webhooks = Webhooks::builder(client.clone())
        .events::<GenerateDocument>("document", |request| request.webhook.clone());
    for network in networks {
        webhooks = webhooks.allow(*network);
    }
    for key in keys {
        webhooks = webhooks.seal_secrets_with(*key);
    }
    Ok(webhooks.build()?)
}

/// Describes the documents to the HTTP API.
fn resource(files: Files, rules: RuleBook, shared: Vec<String>) -> Resource<GenerateDocument> {
    let rules = Arc::new(rules);
    Resource::new(BASE)
        .from_request(move |body: GenerateDocument, _: Caller| {
            let rules = Arc::clone(&rules);
            async move { accept(body, &rules) }
        })
        .authorize(move |request: &GenerateDocument, caller: &Caller| {
            let organization = caller.organization().map(|organization| organization.as_str());
            authorize_paths(&request.file_paths, organization, &shared)
                .map_err(|_| Problem::forbidden("User has no organization or not authorized"))
        })
        .request_schema::<Wire>()
        .document_schema::<Document>()
        .document(|_, document| document)
        .summary(summary)
        .download("file", DOCX, move |_: TaskRecord, document: Document| {
            let files = files.clone();
            async move { download(&files, &document).await }
        })
}

/// Makes a submission of a request that makes sense.
fn accept(
    request: GenerateDocument,
    rules: &RuleBook,
) -> Result<Submission<GenerateDocument>, Problem> {
    let errors = validate(&request, rules);
    if !errors.is_empty() {
        let error =
            |error: crate::request::FieldError| FieldError::new(error.pointer, error.message);
        return Err(Problem::invalid(errors.into_iter().map(error).collect()));
    }
    let name = request.file_stem();
    let document_type = request.document_type.clone();
    Ok(Submission::new(request)
        .label("document_name", shortened(name))
        .label("document_type", document_type))
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
