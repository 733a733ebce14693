//! Clients that ask the same over and over, and do as little as they can for each answer: they take
//! their share of the same processors.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is asked, and how long.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// One after the other, and then from the beginning; each connection begins elsewhere.
    pub(super) requests: Arc<[Vec<u8>]>,
    pub(super) wanted: Wanted,
    pub(super) seconds: u64,
    pub(super) connections: u32,
}

/// What every answer has to be; a run with another one counts for nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) status: &'static str,
    pub(super) body_bytes: Option<usize>,
}

impl Asking {
    /// Asks, on so many connections; answers per second.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(super) async fn run(self, address: SocketAddr) -> anyhow::Result<f64> {
        // On a thread of its own, as another machine would be, and not among the server's tasks.
        let asking = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let started = Instant::now();
                let until = started + Duration::from_secs(self.seconds);
                let each = (0..self.connections).map(|number| {
                    let first = number as usize * self.requests.len() / self.connections as usize;
                    self.on_one(address, first, until)
                });
                let answers = futures::future::try_join_all(each).await?;
                anyhow::Ok(answers.iter().sum::<u64>() as f64 / started.elapsed().as_secs_f64())
            })
        });
        asking.await?
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn on_one(
        &self,
        address: SocketAddr,
        first: usize,
        until: Instant,
    ) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut requests = self.requests.iter().cycle().skip(first);
        let (mut buffer, mut shape, mut answers) = (vec![0; 16 * 1024], Shape::default(), 0);
        while Instant::now() < until {
            stream.write_all(requests.next().context("nothing to ask")?).await?;
            let mut filled = 0;
            while !shape.is_whole(&buffer[..filled], self.wanted)? {
                let read = stream.read(&mut buffer[filled..]).await?;
                ensure!(read > 0, "the server closed the connection, or answers are too long");
                filled += read;
            }
            answers += 1;
        }
        Ok(answers)
    }
}

const LENGTH: &[u8] = b"\r\ncontent-length: ";
const END: &[u8] = b"\r\n\r\n";

/// Where the parts of an answer are. Answers to the same question look alike, so most of them are
/// only checked to be like the one before, whatever their heads hold.
#[derive(Debug, Default)]
struct Shape {
    /// Where the digits of the body's length begin.
    length: usize,
    /// Where the body begins.
    body: usize,
}

impl Shape {
    /// Says whether the bytes are a whole answer.
    fn is_whole(&mut self, bytes: &[u8], wanted: Wanted) -> anyhow::Result<bool> {
        if !self.fits(bytes) {
            match Self::of(bytes)? {
                Some(shape) => *self = shape,
                None => return Ok(false),
            }
        }
        let is_wanted = bytes.get(9..12) == Some(wanted.status.as_bytes());
        ensure!(is_wanted, "found an answer other than {}: {}", wanted.status, shown(bytes));
        let length = number(&bytes[self.length..]).context("the length is no number")?;
        if let Some(expected) = wanted.body_bytes {
            ensure!(length == expected, "found a body of {length} bytes, expected {expected}");
        }
        Ok(bytes.len() >= self.body + length)
    }

    /// Says whether an answer has its parts where the one before had them.
    fn fits(&self, bytes: &[u8]) -> bool {
        let Some(head) = bytes.get(..self.body) else { return false };
        let before = head.get(..self.length).unwrap_or_default();
        head.ends_with(END) && ends_with_name(before)
    }

    /// Looks for the parts of an answer; nothing while its head is not whole.
    fn of(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(END.len()).position(|part| part == END) else {
            return Ok(None);
        };
        let mut ends = LENGTH.len()..=end;
        let length = ends.find(|&end| ends_with_name(&bytes[..end]));
        let length = length.with_context(|| format!("no content-length: {}", shown(bytes)))?;
        Ok(Some(Self { length, body: end + END.len() }))
    }
}

fn ends_with_name(bytes: &[u8]) -> bool {
    let start = bytes.len().checked_sub(LENGTH.len());
    start.is_some_and(|start| bytes[start..].eq_ignore_ascii_case(LENGTH))
}

/// Reads the digits in front of anything else.
fn number(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Wanted = Wanted { status: "200", body_bytes: None };
    const FIRST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\netag: \"1\"\r\n\r\n{}";
    const OTHER: &str = "HTTP/1.1 200 OK\r\nvary: a\r\ncontent-length: 12\r\n\r\n{\"a\":\"bcde\"}";

    #[test]
    fn an_answer_is_whole_with_its_last_byte() -> anyhow::Result<()> {
        let mut shape = Shape::default();
        // The second time, it is known where everything is; the other one is unlike it.
        for answer in [FIRST, FIRST, OTHER, OTHER, FIRST] {
            for end in 0..answer.len() {
                assert!(!shape.is_whole(&answer.as_bytes()[..end], ANY)?, "{end} of {answer}");
            }
            assert!(shape.is_whole(answer.as_bytes(), ANY)?, "{answer}");
        }
        Ok(())
    }

    #[test]
    fn an_answer_that_is_not_wanted_fails() {
        let refused = |answer: &str, wanted| {
            let mut shape = Shape::default();
            shape.is_whole(answer.as_bytes(), wanted).is_err()
        };
        assert!(refused(FIRST, Wanted { status: "202", ..ANY }));
        assert!(refused(FIRST, Wanted { body_bytes: Some(3), ..ANY }));
        assert!(refused("HTTP/1.1 200 OK\r\n\r\n", ANY));
        assert!(!refused(FIRST, Wanted { body_bytes: Some(2), ..ANY }));
    }
}
