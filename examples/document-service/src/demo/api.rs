//! A small client of the service's API, as a script would be one.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::service::BASE;

/// Longest time a status request waits for a change; the service answers as soon as there is one.
const WAIT: &str = "wait=30";

pub(super) struct Api {
    agent: ureq::Agent,
    address: SocketAddr,
}

impl Api {
    pub(super) fn new(address: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self { agent, address }
    }

    pub(super) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Submits a request; the id of its task.
    pub(super) fn generate(&self, request: &Value) -> anyhow::Result<String> {
        let mut answer = self.agent.post(self.url("generate")).send_json(request)?;
        let body: Value = answer.body_mut().read_json()?;
        if answer.status() != 202 {
            bail!("expected 202 Accepted, found {}: {body}", answer.status());
        }
        let id = body.get("task_id").and_then(Value::as_str);
        Ok(id.context("the answer has no task_id")?.to_owned())
    }

    /// Follows a task until it ends, telling `seen` each status on the way; the last status.
    pub(super) fn follow(&self, id: &str, mut seen: impl FnMut(&Value)) -> anyhow::Result<Value> {
        let url = self.url(&format!("status/{id}"));
        let mut last: Option<(String, Value)> = None;
        loop {
            let mut request = self.agent.get(&url).header("Prefer", WAIT);
            if let Some((etag, _)) = &last {
                request = request.header("If-None-Match", etag);
            }
            let mut answer = request.call()?;
            let etag = answer.headers().get("etag").and_then(|etag| etag.to_str().ok());
            let etag = etag.unwrap_or_default().to_owned();
            // Not modified: nothing happened while the service waited.
            if answer.status() == 304 {
                continue;
            }
            let status: Value = answer.body_mut().read_json()?;
            if answer.status() != 200 {
                bail!("expected 200 OK, found {}: {status}", answer.status());
            }
            seen(&status);
            if status.get("status").and_then(Value::as_str) != Some("Generating") {
                return Ok(status);
            }
            last = Some((etag, status));
        }
    }

    pub(super) fn document(&self, id: &str) -> anyhow::Result<Value> {
        let mut body: Value = self.agent.get(self.url(id)).call()?.body_mut().read_json()?;
        body.get_mut("document").map(Value::take).context("the answer has no document")
    }

    /// Returns the secret that webhooks for URLs in requests are signed with.
    pub(super) fn webhook_secret(&self) -> anyhow::Result<String> {
        let url = format!("{}/api/v1/webhooks/requests/secret", self.address());
        let body: Value = self.agent.get(url).call()?.body_mut().read_json()?;
        let secret = body.get("secret").and_then(Value::as_str);
        Ok(secret.context("the answer has no secret")?.to_owned())
    }

    pub(super) fn file(&self, id: &str) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.agent.get(self.url(&format!("{id}/file"))).call()?;
        Ok(answer.body_mut().read_to_vec()?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{BASE}/{path}", self.address)
    }
}
