//! What a notification says: who sent it, and what changed.
//!
//! Of a task's id only six bytes travel, so that a notification can name hundreds of tasks; two
//! tasks that share them wake each other's waiters for nothing.

use artos_core::{Name, model::TaskId, notify::Topic};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::News;

/// Most bytes of a payload; Postgres takes fewer than 8,000.
const PAYLOAD_BYTES_MAX: usize = 7_900;
/// Bytes of a task's id that travel: the last ones, which are random.
const SHORT: usize = 6;
/// Most tasks of one payload: eight characters each, and room for what else is in it.
const TASKS_MAX: usize = 900;

#[derive(Serialize, Deserialize)]
struct Payload {
    /// The process that sent it, which has heard already.
    from: u64,
    #[serde(default, rename = "q", skip_serializing_if = "Vec::is_empty")]
    queues: Vec<String>,
    #[serde(default, rename = "t", skip_serializing_if = "String::is_empty")]
    tasks: String,
    #[serde(default, rename = "c", skip_serializing_if = "std::ops::Not::not")]
    cancellation: bool,
}

/// Returns the topic that stands for this one here and on the wire.
pub(crate) fn topic_of(topic: Topic) -> Topic {
    match topic {
        Topic::Task(id) => Topic::Task(short_id(&short(id))),
        other => other,
    }
}

fn short(id: TaskId) -> [u8; SHORT] {
    let bytes = id.as_uuid().as_bytes();
    bytes.last_chunk().copied().unwrap_or_default()
}

fn short_id(short: &[u8]) -> TaskId {
    let number = short.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    TaskId::from_uuid(Uuid::from_u128(number))
}

/// Returns the channel of a schema. The name of a channel is as short as any; that of a schema may
/// need all the room there is.
pub(crate) fn channel(schema: &str) -> String {
    let digest = Sha256::digest(schema.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("artos_{number:016x}")
}

/// Writes news as payloads, as many as it takes. A queue whose name fits none is left out.
pub(crate) fn payloads(from: u64, news: &News) -> Vec<String> {
    let mut payloads = Vec::new();
    let mut chunks = news.tasks.chunks(TASKS_MAX);
    let mut queues = news.queues.iter().peekable();
    let mut cancellation = news.cancellation;
    loop {
        let tasks = chunks.next().unwrap_or_default();
        let bytes: Vec<u8> = tasks.iter().flat_map(|id| short(*id)).collect();
        let mut payload = Payload {
            from,
            queues: Vec::new(),
            tasks: STANDARD_NO_PAD.encode(bytes),
            cancellation: std::mem::take(&mut cancellation),
        };
        let mut room = PAYLOAD_BYTES_MAX.saturating_sub(payload.tasks.len() + 100);
        // A character may take six in JSON.
        while let Some(queue) = queues.next_if(|queue| queue.len() * 6 + 3 <= room) {
            room -= queue.len() * 6 + 3;
            payload.queues.push(String::from(queue.as_str()));
        }
        let said_nothing =
            payload.queues.is_empty() && payload.tasks.is_empty() && !payload.cancellation;
        if said_nothing {
            // Not even an empty payload has room for this queue.
            if queues.next().is_none() {
                return payloads;
            }
            continue;
        }
        payloads.extend(serde_json::to_string(&payload));
    }
}

/// Reads a payload; `None` if this process sent it, or if it makes no sense here.
pub(crate) fn read(own: u64, payload: &str) -> Option<News> {
    let payload: Payload = serde_json::from_str(payload).ok()?;
    if payload.from == own {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(payload.tasks).ok()?;
    Some(News {
        queues: payload.queues.into_iter().map(Name::from).collect(),
        tasks: bytes.chunks_exact(SHORT).map(short_id).collect(),
        cancellation: payload.cancellation,
    })
}

/// Writes the news of a transaction of somebody else's. Everybody has yet to hear of it, this
/// process too.
pub(crate) fn within(news: &News) -> Vec<String> {
    payloads(0, news)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_elsewhere_and_not_here() {
        let id = |number: u128| TaskId::from_uuid(Uuid::from_u128(number << 70 | number));
        let news = News {
            queues: ["a", "größe", "\u{1}"].map(Name::from).to_vec(),
            tasks: (1..=2_500).map(id).collect(),
            cancellation: true,
        };
        let payloads = payloads(7, &news);
        assert_eq!(payloads.len(), 3);
        assert!(payloads.iter().all(|payload| payload.len() < 8_000));
        let mut found = News::default();
        for payload in &payloads {
            assert_eq!(read(7, payload), None);
            found.merge(read(8, payload).unwrap());
        }
        assert_eq!((&found.queues, found.cancellation), (&news.queues, true));
        let expected = news.tasks.iter().map(|id| topic_of(Topic::Task(*id)));
        assert!(found.tasks.iter().map(|id| Topic::Task(*id)).eq(expected));
    }

    #[test]
    fn a_queue_without_room_is_left_out() {
        let queues = vec![Name::from("n".repeat(9_000)), Name::from("b")];
        let payloads = payloads(1, &News { queues, ..News::default() });
        assert_eq!(read(2, &payloads[0]).unwrap().queues, ["b"]);
        assert!(super::payloads(1, &News::default()).is_empty());
    }

    #[test]
    fn nonsense_is_no_news() {
        assert_eq!(read(1, "hello"), None);
        assert_eq!(read(1, "{\"from\":2,\"t\":\"?\"}"), None);
    }
}
