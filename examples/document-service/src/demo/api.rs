//! The service's API, as a program that blocks calls it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use artos_core::TaskId;
use artos_http::client::{HttpClient, RemoteResource, TaskStatus, reqwest};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::service::BASE;

/// Most bytes of a file that the demo takes.
const FILE_BYTES_MAX: usize = 64 * 1_024 * 1_024;

pub(super) struct Api {
    client: HttpClient,
    documents: RemoteResource<Value, Value>,
    address: String,
    runtime: Handle,
}

impl Api {
    /// Calls the service at an address of this machine, so past any proxy.
    pub(super) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let address = format!("http://{address}");
        let direct = reqwest::Client::builder().no_proxy();
        let client = HttpClient::builder(&address)
            .connections(direct)
            .timeout(Duration::from_secs(60))
            .build()?;
        let documents = client.resource(BASE);
        Ok(Self { client, documents, address, runtime: Handle::current() })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Submits a request; the id of its task.
    pub(super) fn generate(&self, request: &Value) -> anyhow::Result<TaskId> {
        Ok(self.runtime.block_on(self.documents.submit(request))?.task_id)
    }

    /// Follows a task until it ends, telling `seen` each status on the way; the last status.
    pub(super) fn follow(
        &self,
        id: TaskId,
        seen: impl FnMut(&TaskStatus) + Send,
    ) -> anyhow::Result<TaskStatus> {
        Ok(self.runtime.block_on(self.documents.follow(id, seen))?)
    }

    pub(super) fn document(&self, id: TaskId) -> anyhow::Result<Value> {
        Ok(self.runtime.block_on(self.documents.document(id))?)
    }

    /// Returns the secret that webhooks for URLs in requests are signed with.
    pub(super) fn webhook_secret(&self) -> anyhow::Result<String> {
        let secret = self.client.get::<Value>("/api/v1/webhooks/requests/secret");
        let body = self.runtime.block_on(secret)?;
        let secret = body.get("secret").and_then(Value::as_str);
        Ok(secret.context("the answer has no secret")?.to_owned())
    }

    pub(super) fn file(&self, id: TaskId) -> anyhow::Result<Vec<u8>> {
        let file = async { self.documents.download(id, "file").await?.bytes(FILE_BYTES_MAX).await };
        Ok(self.runtime.block_on(file)?.into())
    }
}
