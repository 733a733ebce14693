//! How a store is connected.

use std::{fmt, sync::Arc, time::Duration};

use artos_core::{Random, notify::ChangeHub, store::StoreResult};
use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;

use crate::{
    PostgresStore,
    call::Calls,
    connections::Connections,
    fault::store_error,
    hints::{self, Notifier, Outbox},
    migrations::{self, ReadVersion, TakeSteps},
    schema::Schema,
    spawn,
    statements::{Session, Statements},
    store::Shared,
};

/// Most connections if nothing else is said.
const CONNECTIONS: u32 = 10;
/// A claim and a settlement at the same time, and one connection for hints.
const CONNECTIONS_MIN: u32 = 3;
/// How long a call may take if nothing else is said.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long taking the steps of the schema may take: an index of a large table takes minutes.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(600);

/// What to do about a schema that is missing or older than this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Migrate {
    /// Take the steps that are missing, whoever else does so at the same time.
    #[default]
    WhenConnecting,
    /// Refuse it: somebody else migrates, with the statements of [`migrations`].
    Never,
}

/// Options of a store, to be connected with [`connect`](Self::connect).
#[derive(Debug)]
#[must_use = "a store is connected by `connect`"]
pub struct PostgresStoreBuilder {
    source: Source,
    schema: String,
    connections: u32,
    deadline: Duration,
    migrate: Migrate,
    notifications: bool,
    session: bool,
}

enum Source {
    Url(String),
    Pool(PgPool),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It may hold a password, and in more than one place.
            Self::Url(_) => f.write_str("Url(..)"),
            Self::Pool(_) => f.write_str("Pool(..)"),
        }
    }
}

impl PostgresStoreBuilder {
    pub(crate) fn from_url(url: String) -> Self {
        Self::new(Source::Url(url))
    }

    pub(crate) fn from_pool(pool: PgPool) -> Self {
        Self::new(Source::Pool(pool))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            schema: String::from("artos"),
            connections: CONNECTIONS,
            deadline: DEADLINE,
            migrate: Migrate::default(),
            notifications: true,
            session: true,
        }
    }

    /// Names the schema the tables are in. Default: `artos`. Stores in different schemas of one
    /// database know nothing of each other.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Sets the most connections this process has at a time, however many tasks run. Default: 10;
    /// at least 3. One of them waits for hints. A pool of your own has a limit of its own, and the
    /// one for hints comes on top.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(CONNECTIONS_MIN);
        self
    }

    /// Sets how long a call may take, with its tries over other connections, before it is answered
    /// as unavailable. Default: 10 seconds.
    ///
    /// It should be well below the length of a lease, so that a heartbeat has a second chance.
    pub const fn call_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Says what to do about a schema that is missing or older. Default: migrate it.
    pub const fn migrate(mut self, migrate: Migrate) -> Self {
        self.migrate = migrate;
        self
    }

    /// Neither sends nor hears hints through the database, which saves a connection. Work that
    /// other processes submit then waits for the runtime's next look, after 15 seconds by default.
    pub const fn without_notifications(mut self) -> Self {
        self.notifications = false;
        self
    }

    /// Needs nothing of a session, so that a pgbouncer may hand out another one for each
    /// transaction. It is [`without_notifications`](Self::without_notifications), too, prepares
    /// each statement anew, and runs it in a transaction of its own: three round trips more.
    pub const fn behind_transaction_pooling(mut self) -> Self {
        self.notifications = false;
        self.session = false;
        self
    }

    /// Connects, and migrates the schema if it is to.
    ///
    /// # Errors
    ///
    /// * [`Unavailable`]: the database cannot be reached.
    /// * [`NewerFormat`]: a newer version migrated the schema.
    /// * [`Invalid`]: the address or the schema's name makes no sense, this
    ///   role may not do what it has to, or the schema is older and is not to be migrated.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// [`Unavailable`]: artos_core::store::StoreError::Unavailable
    /// [`NewerFormat`]: artos_core::store::StoreError::NewerFormat
    /// [`Invalid`]: artos_core::store::StoreError::Invalid
    pub async fn connect(self) -> StoreResult<PostgresStore> {
        let schema = Schema::new(&self.schema)?;
        let connections = self.connections()?;
        let random = Random::from_entropy();
        let calls = Arc::new(Calls { connections, deadline: self.deadline, random });
        let found = calls.run(ReadVersion { schema: &schema }).await?;
        let found = if found < migrations::latest() && self.migrate == Migrate::WhenConnecting {
            calls.run_within(MIGRATION_DEADLINE, TakeSteps { schema: &schema }).await?
        } else {
            found
        };
        migrations::check(&schema, found)?;
        let stop = CancellationToken::new();
        let hub = ChangeHub::default();
        let channel = self.notifications.then(|| hints::channel(schema.name()));
        let outbox = channel.as_ref().map(|channel| start_hints(&calls, channel, &hub, &stop));
        let session = if self.session { Session::Kept } else { Session::Pooled };
        let statements = Arc::new(Statements::new(&schema, session));
        let stop = stop.drop_guard();
        Ok(PostgresStore::new(Shared { calls, statements, schema, hub, outbox, channel, stop }))
    }

    fn connections(&self) -> StoreResult<Connections> {
        let url = match &self.source {
            Source::Pool(pool) => return Ok(Connections::of(pool.clone())),
            Source::Url(url) => url,
        };
        let mut options: PgConnectOptions = url.parse().map_err(store_error)?;
        options = options.disable_statement_logging();
        if options.get_application_name().is_none() {
            options = options.application_name("artos");
        }
        if self.session {
            // The server gives up with the caller; a lock nobody lets go of is given up sooner.
            let patience = |duration: Duration| format!("{}ms", duration.as_millis());
            options = options.options([
                ("statement_timeout", patience(self.deadline)),
                ("lock_timeout", patience(self.deadline / 2)),
                // Compiling a statement takes longer than running it, and longer than all else.
                ("jit", String::from("off")),
                ("idle_in_transaction_session_timeout", patience(self.deadline)),
            ]);
        } else {
            options = options.statement_cache_capacity(0);
        }
        let for_hints = u32::from(self.notifications);
        let pool = PgPoolOptions::new()
            .max_connections(self.connections - for_hints)
            .acquire_timeout(self.deadline)
            // A dead connection is found when it is used; asking first would double every call.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Connections::own(pool))
    }
}

/// Starts to send hints to other processes and to hear theirs.
fn start_hints(
    calls: &Arc<Calls>,
    channel: &str,
    hub: &ChangeHub,
    stop: &CancellationToken,
) -> Arc<Outbox> {
    let outbox = Arc::new(Outbox::default());
    let (process, _) = calls.random.worker_id().as_uuid().as_u64_pair();
    let notifier = Notifier {
        calls: Arc::clone(calls),
        channel: String::from(channel),
        process,
        outbox: Arc::clone(&outbox),
        random: Random::from_entropy(),
    };
    spawn::until_stopped(stop.clone(), notifier.run());
    let options = calls.connections.pool.connect_options().as_ref().clone();
    let random = Random::from_entropy();
    let listening = hints::listen(options, String::from(channel), process, hub.clone(), random);
    spawn::until_stopped(stop.clone(), listening);
    outbox
}
