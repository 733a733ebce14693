//! A client of such a service, for programs in Rust.
//!
//! An [`HttpClient`] knows one service and its token, and a [`RemoteResource`] one of the resources
//! there, by the types of its requests and documents. It repeats what failed in passing, and
//! nothing runs twice for that: each submission has an idempotency key of its own.
//!
//! It is no [`artos_core::Client`]: that one is for programs that share the store.
//!
//! # Examples
//!
//! ```no_run
//! use artos_http::client::{HttpClient, Status};
//! use futures::StreamExt;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! struct GenerateDocument { document_type: String, file_paths: Vec<String> }
//!
//! #[derive(Deserialize)]
//! struct Report { title: String }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new("https://documents.example.com", "secret-token")?;
//! let documents = client.resource::<GenerateDocument, Report>("/api/v1/documents");
//!
//! let request = GenerateDocument {
//!     document_type: "CSR".into(),
//!     file_paths: vec!["acme/protocol.pdf".into()],
//! };
//! let id = documents.submit(&request).await?.task_id;
//!
//! let mut events = documents.events(id);
//! while let Some(event) = events.next().await {
//!     let event = event?;
//!     println!("{}: {:?}", event.name, event.status.progress);
//! }
//!
//! let status = documents.wait(id).await?;
//! match status.status {
//!     Status::Complete => println!("{}", documents.document(id).await?.title),
//!     _ => println!("failed: {}", status.error.unwrap_or_default()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! Any of these futures may be dropped. What only reads is as if it had never been; what changes
//! something may or may not have been done then. To find out, submit again with the same key: see
//! [`RemoteResource::submit_with_key`].

mod backoff;
mod builder;
mod call;
mod download;
mod error;
mod events;
mod resource;
mod sse;

pub use builder::{HttpClient, HttpClientBuilder};
pub use download::Download;
pub use error::{ClientError, Refusal};
pub use events::TaskEvent;
/// The crate that carries the requests, for [`HttpClientBuilder::connections`].
pub use reqwest;
pub use resource::{RemoteResource, Submitted};

pub use crate::wire::Status;

/// How a task is.
pub type TaskStatus = crate::wire::TaskStatus<'static>;

/// How far the running stage of a task has come.
pub type Progress = crate::wire::Progress<'static>;
