//! Webhooks: telling receivers that tasks ended, however long they take to listen.
//!
//! That a task ended and that receivers have to be told are recorded in one atomic step, by a task
//! that follows the end. Deliveries are tasks too, so they survive what tasks survive.

mod deliver;
mod endpoint;
mod event;
mod guard;
mod notify;
mod routes;
mod send;
mod signature;
mod turns;
mod vault;
mod wire;

use std::{
    any::Any,
    collections::{BTreeSet, HashMap},
    fmt, io,
    net::IpAddr,
    sync::Arc,
};

use artos_core::{
    Client, Pipeline, Queue, Random, RuntimeBuilder, Submission, Task, TaskId, TaskRecord,
};
use futures::future::BoxFuture;
use ipnet::IpNet;

use self::{
    deliver::Attempt,
    guard::{Guard, Refused},
    notify::{Fan, Notify},
    send::Sender,
    turns::Turns,
    vault::{Vault, VaultError},
};
use crate::{FieldError, Problem};

pub(crate) use event::Event;
pub(crate) use routes::of_webhooks;

/// The pointer to where requests name a URL.
const URL_POINTER: &str = "/webhook";

/// Tells receivers that tasks ended. Cloning it is cheap.
///
/// Give it to the runtime with [`install`](Self::install), so that ends are noticed and deliveries
/// made, and to the router with [`RouterBuilder::webhooks`](crate::RouterBuilder::webhooks), so
/// that organizations can register endpoints.
///
/// Messages and signatures are those of Standard Webhooks 1.0. A message is delivered at least
/// once, in no particular order; its `webhook-id` is the same in every attempt.
///
/// # Examples
///
/// ```
/// use artos_core::{Client, Pipeline, Queue, Runtime, StageContext, StageResult, Task, stage_fn};
/// use artos_http::{Auth, Resource, Webhooks};
/// use artos_store_memory::MemoryStore;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct GenerateDocument { document_type: String, webhook: Option<String> }
///
/// impl Task for GenerateDocument {
///     const KIND: &'static str = "document.generate";
///     type Output = String;
/// }
///
/// async fn generate(_: StageContext, task: GenerateDocument) -> StageResult<String> {
///     Ok(task.document_type)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::default();
/// let webhooks = Webhooks::builder(Client::new(store.clone()))
///     // Receivers hear of `document.complete` and `document.failed`.
///     .events::<GenerateDocument>("document", |task| task.webhook.clone())
///     .build()?;
/// let runtime = webhooks
///     .install(Runtime::builder(store))
///     .queue(Queue::new("default"))
///     .register(Pipeline::new("generate", stage_fn(generate)))
///     .start()
///     .await?;
/// let app = artos_http::router(runtime.client(), Auth::tokens([("acme", "secret-token")]))
///     .webhooks(webhooks)
///     .resource(Resource::<GenerateDocument>::new("/api/v1/documents"))
///     .build()?;
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Webhooks(Arc<Shared>);

struct Shared {
    client: Client,
    guard: Guard,
    sender: Sender,
    sources: HashMap<&'static str, Source>,
    random: Random,
    turns: Turns,
    vault: Vault,
}

/// A kind of task whose ends are told.
struct Source {
    name: String,
    /// Finds the URL in a stored task.
    url_in: UrlIn,
    /// Finds the URL in a task: a function of the task's type.
    url_of: Box<dyn Any + Send + Sync>,
}

type UrlIn = Box<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;
type UrlOf<T> = Arc<dyn Fn(&T) -> Option<String> + Send + Sync>;

/// Puts [`Webhooks`] together; made by [`Webhooks::builder`].
#[must_use = "webhooks tell nobody anything until they are built and installed"]
pub struct WebhooksBuilder {
    client: Client,
    guard: Guard,
    sources: HashMap<&'static str, Source>,
    keys: Vec<[u8; 32]>,
}

/// Webhooks cannot be built: the HTTP client does not start, or there is no cryptography.
#[derive(Debug, thiserror::Error)]
#[error("webhooks cannot start")]
pub struct WebhooksError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl From<reqwest::Error> for WebhooksError {
    fn from(error: reqwest::Error) -> Self {
        Self(error.into())
    }
}

impl From<VaultError> for WebhooksError {
    fn from(error: VaultError) -> Self {
        Self(error.into())
    }
}

impl WebhooksBuilder {
    /// Tells of the ends of tasks of type `T`: the events are `{name}.complete` and
    /// `{name}.failed`. A task may name a URL of its own, which is told besides the registered
    /// endpoints; a request that names a bad one is refused, with `/webhook` as the place.
    pub fn events<T: Task>(
        mut self,
        name: impl Into<String>,
        url: impl Fn(&T) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let url: UrlOf<T> = Arc::new(url);
        let in_bytes = Arc::clone(&url);
        let source = Source {
            name: name.into(),
            url_in: Box::new(move |input| in_bytes(&serde_json::from_slice::<T>(input).ok()?)),
            url_of: Box::new(url),
        };
        self.sources.insert(T::KIND, source);
        self
    }

    /// Lets deliveries into a network that is not public, also without TLS. Default: none.
    ///
    /// Every organization can then make this service send requests there.
    pub fn allow(mut self, network: IpNet) -> Self {
        self.guard.allowed.push(network);
        self
    }

    /// Resolves names by a function instead of the system's resolver.
    pub fn resolve_by<F, Fut>(mut self, lookup: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        self.guard.lookup =
            Arc::new(move |host| -> BoxFuture<'static, _> { Box::pin(lookup(host)) });
        self
    }

    /// Stores the secrets of endpoints sealed with this key (AES-256-GCM). Default: they are stored
    /// in plain text, and whoever can read the store can sign messages.
    ///
    /// Given several times, the first key seals and all of them open, so that a key can be
    /// replaced; a secret is sealed anew when its endpoint changes. Secrets from before there was
    /// a key stay good, in plain text. Without the key that sealed it no secret can be had back:
    /// what a process without it cannot sign is not sent, the endpoint says so in `failing`, and it
    /// is tried again as often as any other message. Other endpoints go on, and rotating the secret
    /// helps. So every process needs the same keys.
    pub fn seal_secrets_with(mut self, key: [u8; 32]) -> Self {
        self.keys.push(key);
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    ///
    /// [`WebhooksError`] if the HTTP client does not start, for example because the system has no
    /// certificates.
    pub fn build(self) -> Result<Webhooks, WebhooksError> {
        let Self { client, guard, sources, keys } = self;
        let sender = Sender::new(guard.clone())?;
        let vault = Vault::new(&keys)?;
        let (random, turns) = (Random::from_entropy(), Turns::default());
        Ok(Webhooks(Arc::new(Shared { client, guard, sender, sources, random, turns, vault })))
    }
}

impl Webhooks {
    /// Starts to put webhooks together that keep their endpoints in a client's store.
    pub fn builder(client: Client) -> WebhooksBuilder {
        let guard = Guard::new(guard::system_lookup());
        WebhooksBuilder { client, guard, sources: HashMap::new(), keys: Vec::new() }
    }

    /// Lets a runtime notice the ends of tasks and make deliveries.
    ///
    /// It adds the queue `artos.webhooks`; queues of tasks have to be named then, the one called
    /// `default` among them. Every runtime whose tasks' ends are to be told needs this.
    pub fn install(&self, runtime: RuntimeBuilder) -> RuntimeBuilder {
        let (ends, cancels) = (self.clone(), self.clone());
        runtime
            .queue(Queue::new("artos.webhooks").concurrency(turns::SLOTS))
            .register(Pipeline::new("notify", Fan { webhooks: self.clone() }))
            .register(Pipeline::new("deliver", Attempt { webhooks: self.clone() }))
            .on_end(move |record, _| ends.news_of(record, false))
            .before_cancel(move |record| cancels.news_of(record, true))
    }

    /// Returns a client whose cancels are told to receivers, for processes without a runtime of
    /// their own. Clients of a runtime that these are installed in do the same, and so does the
    /// router; any other client ends waiting tasks without a word.
    #[must_use]
    pub fn client(&self) -> Client {
        let cancels = self.clone();
        self.0.client.clone().before_cancel(move |record| cancels.news_of(record, true))
    }

    /// Makes the news that a task ends; none if nobody can want to hear of it.
    fn news_of(&self, record: &TaskRecord, before_cancel: bool) -> Option<Submission<Notify>> {
        self.0.sources.contains_key(record.kind.as_str()).then(|| {
            let organization = record.tenant.as_ref().map(ToString::to_string);
            let task_id = record.id.to_string();
            Notify { organization, task_id, before_cancel }.submission(self.0.client.now())
        })
    }

    /// Returns the types of all events, in order.
    pub(crate) fn event_types(&self) -> BTreeSet<String> {
        let ends =
            self.0.sources.values().flat_map(|source| {
                ["complete", "failed"].map(|end| format!("{}.{end}", source.name))
            });
        ends.chain([String::from(event::TEST)]).collect()
    }

    /// Makes sure that the end will be told that a cancel is about to bring.
    pub(crate) async fn before_cancel(&self, record: &TaskRecord) -> Result<(), Problem> {
        if let Some(news) = self.news_of(record, true)
            && !record.is_terminal()
        {
            self.0.client.submit(news).await?;
        }
        Ok(())
    }

    /// Returns the URL that a task names.
    pub(crate) fn url_of<T: Task>(&self, task: &T) -> Option<String> {
        let source = self.0.sources.get(T::KIND)?;
        source.url_of.downcast_ref::<UrlOf<T>>()?(task)
    }

    /// Refuses a URL in a request that must not be called.
    pub(crate) async fn check(&self, url: &str) -> Result<(), Problem> {
        self.0.guard.admit(url).await.map_err(|error| refused_at(URL_POINTER, error))
    }

    fn new_id(&self) -> TaskId {
        self.0.random.task_id(self.0.client.now())
    }
}

fn refused_at(pointer: &'static str, refused: Refused) -> Problem {
    Problem::invalid(vec![FieldError::new(pointer, format!("the URL {refused}"))])
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("guard", &self.0.guard).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhooksBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksBuilder").field("guard", &self.guard).finish_non_exhaustive()
    }
}
