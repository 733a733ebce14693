//! An [`axum::Router`] that serves tasks: submit, poll, wait or follow, fetch, list, cancel, retry.
//!
//! A client posts a body and gets the id of a task at once (`202 Accepted`), asks for its status
//! until that is `Complete` or `Failed`, and fetches the document. [`router`] mounts any number of
//! kinds of tasks this way, each with a [`Resource`] at a base path such as `/api/v1/documents`.
//!
//! The service knows tasks only through a [`Client`](artos_core::Client), so it may run in the
//! process that works on the tasks or in another one. What every answer has:
//!
//! * Tasks belong to the organization of the [`Caller`]; those of others are not found. What a
//!   caller may do there is a matter of its [`Scope`]s.
//! * Whatever is refused gets one error body, made of a [`Problem`]: RFC 9457, with a `detail` that
//!   is always a string.
//! * `x-request-id`, taken from the request or made up, also in the error body and the log.
//!
//! # Examples
//!
//! ```
//! use artos_core::{Pipeline, Runtime, StageContext, StageResult, Task, stage_fn};
//! use artos_http::{Auth, Drain, Resource};
//! use artos_store_memory::MemoryStore;
//! use axum::{body::Body, http::Request};
//! use serde::{Deserialize, Serialize};
//! use tower::ServiceExt;
//!
//! #[derive(Serialize, Deserialize)]
//! struct GenerateDocument { document_type: String, file_paths: Vec<String> }
//!
//! impl Task for GenerateDocument {
//!     const KIND: &'static str = "document.generate";
//!     type Output = String;
//! }
//!
//! async fn generate(_: StageContext, task: GenerateDocument) -> StageResult<String> {
//!     Ok(format!("a {} of {} files", task.document_type, task.file_paths.len()))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::builder(MemoryStore::default())
//!     .register(Pipeline::new("generate", stage_fn(generate)))
//!     .start()
//!     .await?;
//! let app = artos_http::router(runtime.client(), Auth::tokens([("acme", "secret-token")]))
//!     .monitor(runtime.monitor())
//!     .drain(Drain::new())
//!     .resource(Resource::<GenerateDocument>::new("/api/v1/documents"))
//!     .build()?;
//!
//! let request = Request::post("/api/v1/documents/generate")
//!     .header("authorization", "Bearer secret-token")
//!     .header("content-type", "application/json")
//!     .body(Body::from(r#"{"document_type": "CSR", "file_paths": ["acme/protocol.pdf"]}"#))?;
//! let response = app.oneshot(request).await?;
//! assert_eq!(response.status(), 202);
//! assert!(response.headers()["location"].to_str()?.starts_with("/api/v1/documents/status/"));
//! # Ok(())
//! # }
//! ```
//!
//! Organizations can make [`Keys`] and register webhooks (see [`Webhooks`], behind the feature
//! `webhooks`, which is on by default); [`Limits`] keep them from calling too often.
//!
//! The feature `client` has a client for programs in Rust: `artos_http::client`.
//!
//! [`serve`] runs the router on a listener and ends in good time, and a [`Server`] with more to
//! choose from, such as TLS; any other way to serve an axum router works as well.

mod access;
mod app;
mod around;
mod auth;
mod backlog;
mod builder;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "compression")]
mod compression;
mod conditional;
mod cors;
mod cursor;
mod drain;
mod error;
mod idempotency;
#[cfg(feature = "jwt")]
mod jwt;
mod keys;
mod lapse;
mod limits;
mod nested;
mod observe;
mod openapi;
mod prefer;
mod records;
mod request;
mod resource;
mod routes;
mod serve;
mod spawn;
#[cfg(feature = "docs-ui")]
mod ui;
mod waiters;
#[cfg(feature = "webhooks")]
mod webhooks;
mod wire;

pub use access::{ParseScopeError, Scope, Scopes};
pub use auth::{Auth, Caller};
pub use builder::{BuildError, RouterBuilder, router};
pub use drain::Drain;
pub use error::{FieldError, Problem};
#[cfg(feature = "jwt")]
pub use jwt::{Jwt, JwtAlgorithm, JwtBuilder, JwtError};
pub use keys::Keys;
pub use limits::{Limits, Quota};
pub use resource::Resource;
pub use serve::{ServeError, Server, serve};
#[cfg(feature = "tls")]
pub use serve::{Tls, TlsError};
#[cfg(feature = "webhooks")]
pub use webhooks::{Webhooks, WebhooksBuilder, WebhooksError};
