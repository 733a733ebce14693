//! One kind of task, mounted at a base path: typed outside, bytes inside.

use std::{borrow::Cow, fmt, future::Future, sync::Arc};

use artos_core::{Name, Submission, Task, TaskId, TaskRecord};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    Caller, Problem, app::App, error::ProblemKind, idempotency, openapi::NamedSchema, request, wire,
};

type Convert<T> =
    Arc<dyn Fn(Bytes, Caller) -> BoxFuture<'static, Result<Submission<T>, Problem>> + Send + Sync>;
type Authorize<T> = Arc<dyn Fn(&T, &Caller) -> Result<(), Problem> + Send + Sync>;
type Written = Result<Vec<u8>, serde_json::Error>;
type Render<O> = Arc<dyn Fn(&TaskRecord, O) -> Written + Send + Sync>;
type Summarize = Arc<dyn Fn(&TaskRecord) -> Map<String, Value> + Send + Sync>;
type Serve<O> =
    Arc<dyn Fn(TaskRecord, O) -> BoxFuture<'static, Result<Response, Problem>> + Send + Sync>;

/// Mounts tasks of one kind at a base path.
///
/// | route | answer |
/// |---|---|
/// | `POST {base}/generate` | 202 with the id of a new task |
/// | `GET {base}/status/{task_id}` | how the task is; waits for a change with `Prefer: wait=N` |
/// | `GET {base}/status/{task_id}/events` | the changes of the task, as server-sent events |
/// | `GET {base}/events` | the changes of all the caller's tasks, as server-sent events |
/// | `GET {base}/{document_id}` | the document: what a completed task made |
/// | `GET {base}/` | the caller's tasks, newest first |
/// | `POST {base}/{document_id}/cancel` | cancels the task |
/// | `POST {base}/{document_id}/retry` | runs a failed task again, from the stage that failed |
///
/// A document has the id of the task that generates it. While the task is at work, asking for the
/// document is answered 409 `not_ready` with `Retry-After`; when it failed, 409
/// `generation_failed`.
///
/// # Examples
///
/// ```
/// use artos_core::{Submission, Task};
/// use artos_http::{Caller, FieldError, Problem, Resource};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct GenerateReport { source: String }
///
/// #[derive(Serialize, Deserialize)]
/// struct Report { words: usize }
///
/// impl Task for GenerateReport {
///     const KIND: &'static str = "report.generate";
///     type Output = Report;
/// }
///
/// #[derive(Deserialize)]
/// struct Body { file_path: String }
///
/// let reports = Resource::<GenerateReport>::new("/api/v1/reports")
///     .message("Report generation started")
///     .from_request(|body: Body, _caller: Caller| async move {
///         if body.file_path.is_empty() {
///             return Err(Problem::invalid(vec![FieldError::new("/file_path", "is empty")]));
///         }
///         Ok(Submission::new(GenerateReport { source: body.file_path }))
///     })
///     .document(|task, report| {
///         serde_json::json!({ "id": task.id.to_string(), "words": report.words })
///     });
/// # let _ = reports;
/// ```
#[must_use = "a resource does nothing until it is added to a router"]
pub struct Resource<T: Task> {
    base: String,
    message: Cow<'static, str>,
    convert: Convert<T>,
    authorize: Option<Authorize<T>>,
    render: Render<T::Output>,
    summarize: Summarize,
    downloads: Vec<Download<Serve<T::Output>>>,
    request_schema: Option<NamedSchema>,
    document_schema: Option<NamedSchema>,
}

impl<T: Task> Resource<T> {
    /// Mounts tasks of type `T` at a base path, such as `/api/v1/documents`. Unless told otherwise,
    /// the request body is the task and the document is its output.
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            message: "Document generation started".into(),
            convert: Arc::new(|body, _| {
                Box::pin(async move { request::parse(&body).map(Submission::<T>::new) })
            }),
            authorize: None,
            render: Arc::new(|_, output| serde_json::to_vec(&wire::Document { document: output })),
            summarize: Arc::new(|_| Map::new()),
            downloads: Vec::new(),
            request_schema: None,
            document_schema: None,
        }
    }

    /// Sets the `message` of the answer to a submission. Default: `Document generation started`.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Makes a submission of a request body: the place for validation and labels.
    ///
    /// The body is read as JSON into `B` first. The tenant, and the idempotency key if the request
    /// has one, are set afterwards. Two requests with one idempotency key are the same request if
    /// they make the same task: so the task must hold what the caller asked for and nothing of the
    /// moment, and no `HashMap`, whose order varies.
    pub fn from_request<B, F, Fut>(mut self, convert: F) -> Self
    where
        B: DeserializeOwned + Send + 'static,
        F: Fn(B, Caller) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Submission<T>, Problem>> + Send + 'static,
    {
        let convert = Arc::new(convert);
        self.convert = Arc::new(move |body, caller| {
            let convert = Arc::clone(&convert);
            Box::pin(async move {
                let body: B = request::parse(&body)?;
                convert(body, caller).await
            })
        });
        self
    }

    /// Decides whether a caller may have a task done, for example whether it may name these files;
    /// a refusal is mostly [`Problem::forbidden`]. Default: everybody may.
    ///
    /// It is asked after [`from_request`](Self::from_request), and before a failed task is retried:
    /// what was accepted under an older rule does not run again against a newer one. A failed task
    /// that this program cannot read any more cannot be retried then.
    pub fn authorize<F>(mut self, authorize: F) -> Self
    where
        F: Fn(&T, &Caller) -> Result<(), Problem> + Send + Sync + 'static,
    {
        self.authorize = Some(Arc::new(authorize));
        self
    }

    /// Sets what `GET {base}/{document_id}` shows under `document`. Default: the output.
    pub fn document<F, D>(mut self, document: F) -> Self
    where
        F: Fn(&TaskRecord, T::Output) -> D + Send + Sync + 'static,
        D: Serialize,
    {
        self.render = Arc::new(move |record, output| {
            serde_json::to_vec(&wire::Document { document: document(record, output) })
        });
        self
    }

    /// Adds fields to each entry of the listing, for example from the task's labels. Those that are
    /// always there cannot be replaced; a value that is no JSON object adds nothing.
    pub fn summary<F, D>(mut self, summary: F) -> Self
    where
        F: Fn(&TaskRecord) -> D + Send + Sync + 'static,
        D: Serialize,
    {
        self.summarize = Arc::new(move |record| match serde_json::to_value(summary(record)) {
            Ok(Value::Object(mut fields)) => {
                fields.retain(|key, _| !wire::LISTED_KEYS.contains(&key.as_str()));
                fields
            }
            _ => Map::new(),
        });
        self
    }

    /// Adds `GET {base}/{document_id}/{name}` for something else that a completed task has, such as
    /// a file. The task was found, belongs to the caller and is complete.
    ///
    /// The OpenAPI document says that it has this media type, so that generated clients know what
    /// to do with it; the answer itself has the `Content-Type` that `serve` gives it.
    pub fn download<F, Fut, R>(
        mut self,
        name: impl Into<String>,
        media_type: impl Into<String>,
        serve: F,
    ) -> Self
    where
        F: Fn(TaskRecord, T::Output) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Problem>> + Send + 'static,
        R: IntoResponse,
    {
        let serve: Serve<T::Output> = Arc::new(move |record, output| {
            let served = serve(record, output);
            Box::pin(async move { Ok(served.await?.into_response()) })
        });
        self.downloads.push(Download { name: name.into(), media_type: media_type.into(), serve });
        self
    }

    /// Describes the request body in the OpenAPI document.
    pub fn request_schema<B: ToSchema>(mut self) -> Self {
        self.request_schema = Some(NamedSchema::of::<B>());
        self
    }

    /// Describes the document in the OpenAPI document.
    pub fn document_schema<D: ToSchema>(mut self) -> Self {
        self.document_schema = Some(NamedSchema::of::<D>());
        self
    }

    /// Takes the types away.
    pub(crate) fn erase(self) -> Endpoint {
        let Self { convert, authorize, render, .. } = self;
        let rule = authorize.clone();
        let submit: Submit = Arc::new(move |app, caller, body, key| {
            let converted = convert(body, caller.clone());
            let rule = rule.clone();
            Box::pin(async move {
                let mut submission = converted.await?;
                if let Some(rule) = rule {
                    rule(submission.task(), &caller)?;
                }
                idempotency::check_labels(submission.labels())?;
                // Set last, so that no conversion can submit for another organization.
                if let Some(organization) = caller.organization() {
                    submission = submission.tenant(organization.clone());
                }
                if let Some(key) = key {
                    submission = submission.label(idempotency::REQUEST, key.clone());
                    submission = submission.idempotency_key(key);
                }
                #[cfg(feature = "webhooks")]
                if let Some(webhooks) = &app.webhooks
                    && let Some(url) = webhooks.url_of(submission.task())
                {
                    // No reference to the task may be held meanwhile: it need not be `Sync`.
                    webhooks.check(&url).await?;
                }
                let sent = app.client.submit(submission).send().await?;
                Ok(Submitted { id: sent.handle.id(), replayed: sent.replayed })
            })
        });
        let downloads = self.downloads.into_iter().map(|download| {
            let Download { name, media_type, serve } = download;
            let served: ServeBytes = Arc::new(move |record, output| match decode::<T>(&output) {
                Ok(output) => serve(record, output),
                Err(problem) => Box::pin(std::future::ready(Err(problem))),
            });
            Download { name, media_type, serve: served }
        });
        Endpoint {
            kind: Name::from_static(T::KIND),
            base: self.base,
            message: self.message,
            submit,
            authorize: authorize.map(read_first),
            render: Arc::new(move |record, output| {
                render(record, decode::<T>(output)?).map_err(Problem::internal)
            }),
            summarize: self.summarize,
            downloads: downloads.collect(),
            request_schema: self.request_schema,
            document_schema: self.document_schema,
        }
    }
}

fn decode<T: Task>(output: &[u8]) -> Result<T::Output, Problem> {
    serde_json::from_slice(output).map_err(|error| {
        Problem::internal(format!("the output of a {} task does not decode: {error}", T::KIND))
    })
}

/// Decides about a task as it is stored.
fn read_first<T: Task>(authorize: Authorize<T>) -> AuthorizeBytes {
    Arc::new(move |input, caller| match serde_json::from_slice::<T>(input) {
        Ok(task) => authorize(&task, caller),
        Err(error) => {
            tracing::debug!(%error, kind = T::KIND, "a retry of a task that does not decode");
            let detail = "the task was made by another version of the service";
            Err(Problem::new(ProblemKind::NotRetryable, detail))
        }
    })
}

impl<T: Task> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({} at {})", T::KIND, self.base)
    }
}

/// A task that was submitted, or found under its idempotency key.
pub(crate) struct Submitted {
    pub(crate) id: TaskId,
    pub(crate) replayed: bool,
}

type Submit = Arc<
    dyn Fn(Arc<App>, Caller, Bytes, Option<Name>) -> BoxFuture<'static, Result<Submitted, Problem>>
        + Send
        + Sync,
>;
pub(crate) type AuthorizeBytes = Arc<dyn Fn(&[u8], &Caller) -> Result<(), Problem> + Send + Sync>;
type RenderBytes = Arc<dyn Fn(&TaskRecord, &[u8]) -> Result<Vec<u8>, Problem> + Send + Sync>;
pub(crate) type ServeBytes =
    Arc<dyn Fn(TaskRecord, Bytes) -> BoxFuture<'static, Result<Response, Problem>> + Send + Sync>;

/// Something else that a completed task has.
pub(crate) struct Download<S> {
    /// The last segment of its path.
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) serve: S,
}

/// A resource without its types.
pub(crate) struct Endpoint {
    pub(crate) kind: Name,
    pub(crate) base: String,
    pub(crate) message: Cow<'static, str>,
    pub(crate) submit: Submit,
    pub(crate) authorize: Option<AuthorizeBytes>,
    pub(crate) render: RenderBytes,
    pub(crate) summarize: Summarize,
    pub(crate) downloads: Vec<Download<ServeBytes>>,
    pub(crate) request_schema: Option<NamedSchema>,
    pub(crate) document_schema: Option<NamedSchema>,
}
