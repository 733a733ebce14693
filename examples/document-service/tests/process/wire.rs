//! HTTP as bytes: an answer that broke off half-way is told from one that never began.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::{api::json_of, service::PATIENCE};

/// How an exchange can end without an answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Not one byte of an answer came: the connection was closed, or could not be made. Whoever
    /// sends the request again does nothing wrong.
    Unanswered,
    /// The answer began and did not end: it was cut.
    Broken(String),
}

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    is_last: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        json_of(&self.body)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client with one connection, which it keeps as long as the service does.
pub(crate) struct Wire {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Wire {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn call(&mut self, head: &str, body: &str) -> Result<Answer, Lost> {
        let answer = self.exchange(head, body);
        if answer.as_ref().map_or(true, |answer| answer.is_last) {
            self.connection = None;
        }
        answer
    }

    fn exchange(&mut self, head: &str, body: &str) -> Result<Answer, Lost> {
        let unanswered = |_: io::Error| Lost::Unanswered;
        let mut reader = match self.connection.take() {
            Some(reader) => reader,
            None => {
                let stream = TcpStream::connect(self.address).map_err(unanswered)?;
                stream.set_read_timeout(Some(PATIENCE)).map_err(unanswered)?;
                BufReader::new(stream)
            }
        };
        let request = format!(
            "{head}\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n\
             {body}",
            body.len()
        );
        reader.get_mut().write_all(request.as_bytes()).map_err(unanswered)?;
        if reader.fill_buf().map_err(unanswered)?.is_empty() {
            return Err(Lost::Unanswered);
        }
        let answer = read(&mut reader).map_err(|error| Lost::Broken(format!("{head}: {error}")))?;
        self.connection = Some(reader);
        Ok(answer)
    }
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let whole = line.strip_suffix("\r\n");
    whole.map(str::to_owned).ok_or_else(|| bad(format!("a line broke off: {line:?}")))
}

fn exactly(reader: &mut BufReader<TcpStream>, bytes: usize) -> io::Result<Vec<u8>> {
    let mut read = vec![0; bytes];
    reader.read_exact(&mut read)?;
    Ok(read)
}

/// Reads an answer to its end, however its length is told.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let first = line(reader)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| bad(format!("no status: {first}")))?;
    let (mut length, mut is_chunked, mut is_last) = (0, false, false);
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        match header.split_once(": ") {
            Some(("content-length", text)) => length = text.parse().map_err(io::Error::other)?,
            Some(("transfer-encoding", text)) => is_chunked = text == "chunked",
            Some(("connection", text)) => is_last = text == "close",
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_chunked {
        loop {
            let size = line(reader)?;
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            body.extend(exactly(reader, size)?);
            if !line(reader)?.is_empty() {
                return Err(bad("a chunk does not end"));
            }
            if size == 0 {
                break;
            }
        }
    } else {
        body = exactly(reader, length)?;
    }
    Ok(Answer { status, body, is_last })
}
