//! What the command line takes; every option can also come from the environment.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

use crate::{
    discreet::discreet,
    files_location::FilesLocation,
    jwt::JwtArguments,
    request::is_folder,
    store::{DEFAULT_FOLDER, StoreLocation},
};

/// Generates Word documents from source files, in the background, over HTTP.
///
/// `demo` shows the whole service in a few seconds; `serve` runs it.
#[derive(Parser, Debug)]
#[command(version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the HTTP API and generate documents until told to stop (Ctrl-C or SIGTERM).
    #[command(after_help = SERVE_HELP)]
    Serve(Box<ServeArguments>),
    /// Generate documents that other nodes accept, until told to stop, and serve nothing.
    #[command(after_help = WORKER_HELP)]
    Worker(WorkArguments),
    /// Start a service on a free port, generate a sample document through its API, and stop.
    Demo(DemoArguments),
}

const SERVE_HELP: &str = "\
Examples:
  document-service serve --no-auth
  document-service serve --token acme=8d1f... --token globex=77c0...
  document-service serve --jwt-issuer https://login.example.com/ --jwt-audience documents \
    --jwt-keys https://login.example.com/.well-known/jwks.json
  document-service serve --no-auth --store sled:/var/lib/documents
  document-service serve --no-auth --store memory --files ./files
  DOCUMENT_SERVICE_TOKENS=acme=8d1f... document-service serve --listen 0.0.0.0:8080
  document-service serve --no-auth --store postgres://app@db/app --files s3://documents --workers 0

With tokens, an organization's source files are in the folder that is called like it.

Everything durable is in one folder, artos-data unless --store says otherwise: tasks in its folder
`tasks`, source files and documents in its folder `files`. One process at a time may use it. With
tasks in Postgres, any number of processes share them, and the files that --files names.

Then:
  curl -X POST http://127.0.0.1:8080/api/v1/documents/generate \\
    -H 'Content-Type: application/json' -H 'Authorization: Bearer 8d1f...' \\
    -d '{\"document_type\": \"CSR\", \"file_paths\": [\"acme/documents/protocol.pdf\"]}'";

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:8080", env = "DOCUMENT_SERVICE_LISTEN")]
    pub listen: SocketAddr,
    /// A bearer token and the organization it acts for; may be repeated. Separate several with
    /// commas in the environment.
    #[arg(
        long = "token",
        value_name = "ORG=TOKEN",
        env = "DOCUMENT_SERVICE_TOKENS",
        value_delimiter = ',',
        hide_env_values = true,
        value_parser = discreet::<OrganizationToken>()
    )]
    pub tokens: Vec<OrganizationToken>,
    /// Let everybody do everything. Only on a loopback address.
    #[arg(
        long,
        conflicts_with_all = ["tokens", "jwt_issuer"],
        env = "DOCUMENT_SERVICE_NO_AUTH"
    )]
    pub no_auth: bool,
    /// Who may call with tokens that somebody else signs.
    #[command(flatten)]
    pub jwt: JwtArguments,
    /// A first folder whose files every organization may name as sources, besides those in the
    /// folder that is called like itself; may be repeated.
    #[arg(
        long = "shared-folder",
        value_name = "FOLDER",
        env = "DOCUMENT_SERVICE_SHARED_FOLDERS",
        value_delimiter = ',',
        value_parser = shared_folder
    )]
    pub shared_folders: Vec<String>,
    /// How many requests that change something an organization may make in a minute. There are no
    /// such limits with --no-auth.
    #[arg(
        long,
        value_name = "REQUESTS",
        default_value = "600",
        env = "DOCUMENT_SERVICE_SUBMITS_PER_MINUTE"
    )]
    pub submits_per_minute: NonZeroU32,
    /// How many other requests an organization may make in a minute.
    #[arg(
        long,
        value_name = "REQUESTS",
        default_value = "6000",
        env = "DOCUMENT_SERVICE_POLLS_PER_MINUTE"
    )]
    pub polls_per_minute: NonZeroU32,
    /// How many documents of an organization may wait to be generated before more are refused.
    /// Without organizations this holds for all.
    #[arg(
        long,
        value_name = "DOCUMENTS",
        default_value_t = 10_000,
        env = "DOCUMENT_SERVICE_PENDING_MAX"
    )]
    pub pending_max: u64,
    /// How many connections may be open at a time.
    #[arg(long, default_value_t = 16_384, env = "DOCUMENT_SERVICE_CONNECTIONS")]
    pub connections: usize,
    /// A file with a certificate in PEM, and with those that lead to a known authority; connections
    /// are encrypted then.
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        env = "DOCUMENT_SERVICE_TLS_CERTIFICATE"
    )]
    pub tls_certificate: Option<PathBuf>,
    /// The file with the private key of the certificate, in PEM.
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_certificate",
        env = "DOCUMENT_SERVICE_TLS_KEY"
    )]
    pub tls_key: Option<PathBuf>,
    /// An origin whose web pages may call this service, such as `https://app.example.com`; may be
    /// repeated.
    #[arg(
        long = "cors-origin",
        value_name = "ORIGIN",
        env = "DOCUMENT_SERVICE_CORS_ORIGINS",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<String>,
    /// What it works on, and how.
    #[command(flatten)]
    pub work: WorkArguments,
}

const WORKER_HELP: &str = "\
Examples:
  document-service worker --store postgres://app@db/app --files /mnt/documents
  AWS_REGION=eu-west-1 document-service worker --store postgres://app@db/app --files s3://documents

Any number of them may run, on any machine; they share the work. One that dies is replaced by the
others: what it worked on goes on after --lease-seconds, at the stage where it was.";

/// Options of everything that works on tasks.
#[derive(Args, Debug)]
pub struct WorkArguments {
    /// Where tasks are kept: `sled:PATH` in this folder, where they outlive the process however it
    /// ends; `postgres://USER:PASSWORD@HOST/DATABASE` in a database that several nodes share;
    /// `memory` until the process ends.
    #[arg(
        long,
        value_name = "sled:PATH|postgres://...|memory",
        default_value_t = StoreLocation::Sled(DEFAULT_FOLDER.into()),
        env = "DOCUMENT_SERVICE_STORE",
        hide_env_values = true,
        value_parser = discreet::<StoreLocation>()
    )]
    pub store: StoreLocation,
    /// Where the source files and the generated documents are: a folder, or `s3://BUCKET/PREFIX`,
    /// with keys, region and endpoint from AWS_... in the environment. Nodes that share tasks have
    /// to share files [default: the folder `files` beside the tasks, or artos-data/files if those
    /// are in memory; none if they are in Postgres].
    #[arg(
        long,
        value_name = "DIR|s3://...",
        env = "DOCUMENT_SERVICE_FILES",
        value_parser = discreet::<FilesLocation>()
    )]
    pub files: Option<FilesLocation>,
    /// How many documents to generate at a time. With 0, `serve` leaves that to other nodes.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 4,
        alias = "concurrency",
        env = "DOCUMENT_SERVICE_WORKERS"
    )]
    pub workers: usize,
    /// How long running documents may go on after the service was told to stop, in seconds.
    #[arg(long, default_value = "20", value_parser = seconds, env = "DOCUMENT_SERVICE_GRACE")]
    pub grace: Duration,
    /// How long a document stays with a process that gives no sign of life, in seconds. A short
    /// time finds that out sooner, and writes to the store more often: four times in it. A service
    /// that is started again on its folder goes on at once, whatever this is.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "20",
        value_parser = lease_seconds,
        env = "DOCUMENT_SERVICE_LEASE_SECONDS"
    )]
    pub lease_seconds: Duration,
    /// A network that is not public and may get webhooks all the same, such as 10.1.0.0/16; may be
    /// repeated. Every organization can then make this service send requests there.
    #[arg(
        long = "webhook-network",
        value_name = "NETWORK",
        env = "DOCUMENT_SERVICE_WEBHOOK_NETWORKS",
        value_delimiter = ','
    )]
    pub webhook_networks: Vec<IpNet>,
    /// A file with the keys that the secrets of webhooks are stored sealed with: 64 hexadecimal
    /// digits in a line, the first seals and all open. Every node needs the same. Without a file
    /// they come from DOCUMENT_SERVICE_WEBHOOK_KEYS, with commas between them [default: secrets are
    /// stored in plain text].
    #[arg(long, value_name = "FILE", env = "DOCUMENT_SERVICE_WEBHOOK_KEYS_FILE")]
    pub webhook_keys: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct DemoArguments {
    /// Directory to put the sample files and the document into.
    #[arg(long, value_name = "DIR", default_value = "artos-demo")]
    pub output: PathBuf,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

fn lease_seconds(text: &str) -> Result<Duration, BadLease> {
    match text.parse() {
        Ok(seconds @ 1..=LEASE_SECONDS_MAX) => Ok(Duration::from_secs(seconds)),
        _ => Err(BadLease),
    }
}

/// A longer lease is surely a mistake: a document would wait a day for a process that died.
const LEASE_SECONDS_MAX: u64 = 24 * 60 * 60;

/// The text is no duration that a lease can have.
#[derive(Debug, thiserror::Error)]
#[error("expected whole seconds from 1 to {LEASE_SECONDS_MAX}")]
struct BadLease;

/// A bearer token and the organization it acts for.
#[derive(Clone, PartialEq, Eq)]
pub struct OrganizationToken {
    /// Id of the organization: also the first folder of its files.
    pub organization: String,
    /// The secret.
    pub token: String,
}

/// The text is no `ORG=TOKEN`.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    /// There is no `=`.
    #[error("expected ORG=TOKEN, for example acme=8d1f02...")]
    NoOrganization,
    /// The organization could not be a folder. It is not repeated: it may be half a token.
    #[error("there is no organization before `=`: expected letters, digits, `-`, `_` and `.`")]
    Organization,
    /// The token could be guessed, or not be sent.
    #[error(
        "the token of `{0}` is too short or has spaces: expected at least 4 visible characters"
    )]
    Token(String),
}

impl FromStr for OrganizationToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let (organization, token) = text.split_once('=').ok_or(BadToken::NoOrganization)?;
        if !is_folder(organization) {
            return Err(BadToken::Organization);
        }
        if token.len() < 4 || !token.chars().all(|letter| letter.is_ascii_graphic()) {
            return Err(BadToken::Token(organization.to_owned()));
        }
        Ok(Self { organization: organization.to_owned(), token: token.to_owned() })
    }
}

/// Reads the name of a folder that all organizations share.
fn shared_folder(text: &str) -> Result<String, &'static str> {
    match is_folder(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("it is no name of a first folder: letters, digits, `-`, `_` and `.` are allowed")
        }
    }
}

impl std::fmt::Debug for OrganizationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=...", self.organization)
    }
}
