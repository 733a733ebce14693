//! The service's API as a client sees it that outlives the service.

use std::{net::SocketAddr, path::Path, time::Duration};

use serde_json::{Value, json};

const BASE: &str = "/api/v1/documents";
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
/// Where the samples are, as requests name them.
const FOLDER: &str = "demo/documents";
/// Sources of a small and of a large document.
const SMALL: [&str; 2] = ["protocol.pdf", "investigator-summary.md"];
const LARGE: [&str; 5] = [
    "protocol.pdf",
    "amendment.docx",
    "trial-data.xlsx",
    "laboratory.csv",
    "investigator-summary.md",
];

/// Returns the samples, each with its path as requests name it.
pub(crate) fn samples() -> impl Iterator<Item = (String, Vec<u8>)> {
    let read = |name| std::fs::read(Path::new(SAMPLES).join(name)).unwrap();
    LARGE.into_iter().map(move |name| (format!("{FOLDER}/{name}"), read(name)))
}

/// Puts the samples into the files folder of a service that is yet to start.
pub(crate) fn copy_samples(data: &Path) {
    let files = data.join("files");
    std::fs::create_dir_all(files.join(FOLDER)).unwrap();
    for (path, content) in samples() {
        std::fs::write(files.join(path), content).unwrap();
    }
}

/// A client of one address.
#[derive(Clone)]
pub(crate) struct Api {
    agent: ureq::Agent,
    address: SocketAddr,
}

/// An answer: its status and its body.
pub(crate) type Answer = Result<(u16, Vec<u8>), ureq::Error>;

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self { agent, address }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut answer = self.agent.get(format!("http://{}{path}", self.address)).call()?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_vec()?))
    }

    /// Submits the document of a number. Under the same number and name it is submitted once.
    pub(crate) fn generate(&self, name: &str, number: usize) -> Answer {
        let sources: &[&str] = if number.is_multiple_of(5) { &LARGE } else { &SMALL };
        let paths: Vec<_> = sources.iter().map(|source| format!("{FOLDER}/{source}")).collect();
        let request = json!({
            "document_type": "Protocol",
            "file_paths": paths,
            "output_name": output_name(name, number),
        });
        let mut answer = self
            .agent
            .post(format!("http://{}{BASE}/generate", self.address))
            .header("Idempotency-Key", format!("{name}-{number}"))
            .send_json(request)?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_vec()?))
    }

    /// Submits a small document whose end is to be told to a URL; the id of its task.
    pub(crate) fn generate_and_tell(&self, webhook: &str) -> String {
        let (code, body) = self.try_generate_and_tell(webhook);
        assert_eq!(code, 202, "{body}");
        body["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn try_generate_and_tell(&self, webhook: &str) -> (u16, Value) {
        let paths: Vec<_> = SMALL.iter().map(|source| format!("{FOLDER}/{source}")).collect();
        let request =
            json!({ "document_type": "Protocol", "file_paths": paths, "webhook": webhook });
        let url = format!("http://{}{BASE}/generate", self.address);
        let mut answer = self.agent.post(url).send_json(request).unwrap();
        (answer.status().as_u16(), json_of(&answer.body_mut().read_to_vec().unwrap()))
    }

    /// Waits until a task has ended; its last status. The service must be well.
    pub(crate) fn finished(&self, id: &str) -> Value {
        loop {
            let url = format!("http://{}{BASE}/status/{id}", self.address);
            let mut answer = self.agent.get(url).header("Prefer", "wait=10").call().unwrap();
            let body = answer.body_mut().read_to_vec().unwrap();
            assert_eq!(answer.status(), 200, "{id}: {}", String::from_utf8_lossy(&body));
            let status = json_of(&body);
            if status["status"] != "Generating" {
                return status;
            }
        }
    }

    pub(crate) fn document(&self, id: &str) -> Value {
        let (code, body) = self.get(&format!("{BASE}/{id}")).unwrap();
        assert_eq!(code, 200, "{id}: {}", String::from_utf8_lossy(&body));
        json_of(&body)["document"].take()
    }

    pub(crate) fn file(&self, id: &str) -> Vec<u8> {
        let (code, body) = self.get(&format!("{BASE}/{id}/file")).unwrap();
        assert_eq!(code, 200, "{id}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Returns the ids of all tasks, whatever became of them, or only those being generated.
    pub(crate) fn list(&self, filter: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{BASE}/?limit=100{filter}{cursor}");
            let (code, body) = self.get(&path).unwrap();
            let body = json_of(&body);
            assert_eq!(code, 200, "{body}");
            let listed = body["documents"].as_array().unwrap().iter();
            ids.extend(listed.map(|one| one["task_id"].as_str().unwrap().to_owned()));
            match body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }
}

/// Names the document of a number, without its extension.
pub(crate) fn output_name(name: &str, number: usize) -> String {
    format!("Report {name} {number}")
}

pub(crate) fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}
