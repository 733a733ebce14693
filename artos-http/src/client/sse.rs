//! Reading server-sent events, by the rules of the WHATWG.

use std::collections::VecDeque;

/// One event, as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawEvent {
    pub(super) name: String,
    pub(super) data: String,
    /// That of the event, or else of the last one before it that had one; empty if there was none.
    pub(super) id: String,
}

/// An event is larger than the reader takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventTooLarge;

/// Takes bytes as they come; what is not whole when the connection ends is no event.
#[derive(Debug)]
pub(super) struct Reader {
    event_bytes_max: usize,
    line: Vec<u8>,
    name: String,
    data: String,
    id: String,
    retry: Option<u64>,
    is_after_cr: bool,
    is_at_start: bool,
}

impl Reader {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            line: Vec::new(),
            name: String::new(),
            data: String::new(),
            id: String::new(),
            retry: None,
            is_after_cr: false,
            is_at_start: true,
        }
    }

    /// Returns how long to wait before connecting again, in milliseconds, if the service said so.
    pub(super) const fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Reads on, and adds whatever is whole to `events`.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        events: &mut VecDeque<RawEvent>,
    ) -> Result<(), EventTooLarge> {
        for &byte in bytes {
            let is_after_cr = std::mem::replace(&mut self.is_after_cr, byte == b'\r');
            match byte {
                b'\n' if is_after_cr => {}
                b'\r' | b'\n' => events.extend(self.end_line()),
                _ if self.line.len() + self.data.len() >= self.event_bytes_max => {
                    return Err(EventTooLarge);
                }
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// Takes in a line that is whole; returns the event that it ends.
    fn end_line(&mut self) -> Option<RawEvent> {
        let mut bytes = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_at_start)
            && let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF")
        {
            bytes = rest.to_vec();
        }
        if bytes.is_empty() {
            return self.end_event();
        }
        let line = String::from_utf8_lossy(&bytes);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().or(self.retry);
            }
            // A comment, which has no name, or a field that nobody knows.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<RawEvent> {
        let mut name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        // Without data it is none.
        data.pop()?;
        if name.is_empty() {
            name.push_str("message");
        }
        Some(RawEvent { name, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str, id: &str) -> RawEvent {
        RawEvent { name: name.into(), data: data.into(), id: id.into() }
    }

    /// Reads a text whole and byte by byte, which must be the same.
    fn read(text: &[u8]) -> Vec<RawEvent> {
        let (mut whole, mut parts) = (VecDeque::new(), VecDeque::new());
        Reader::new(1_000).read(text, &mut whole).expect("small events");
        let mut reader = Reader::new(1_000);
        for byte in text {
            reader.read(&[*byte], &mut parts).expect("small events");
        }
        assert_eq!(whole, parts);
        whole.into()
    }

    #[test]
    fn lines_end_in_three_ways() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["event: state", "id: 7", "data: a", "data:  b", "", "data", "", ""];
            let found = read(text.join(end).as_bytes());
            assert_eq!(found, [event("state", "a\n b", "7"), event("message", "", "7")], "{end:?}");
        }
    }

    #[test]
    fn comments_marks_and_unknown_fields_are_passed_over() {
        let text = "\u{FEFF}data: a\n:data: b\nother: c\n: \nid\0: 3\n\nevent: lost\n\ndata:x\n\n";
        assert_eq!(read(text.as_bytes()), [event("message", "a", ""), event("message", "x", "")]);
        assert_eq!(
            read(b"id: 1\ndata:\xFF\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n"),
            [
                event("message", "\u{FFFD}", "1"),
                event("message", "b", "1"),
                event("message", "c", ""),
            ]
        );
        assert_eq!(read(b"data: not whole\n"), []);
    }

    #[test]
    fn the_pause_before_coming_back_is_read() {
        let mut reader = Reader::new(100);
        for (line, retry) in
            [("retry: 2000\n", 2000), ("retry: 1s\n", 2000), ("retry:\n", 2000), ("retry:5\n", 5)]
        {
            reader.read(line.as_bytes(), &mut VecDeque::new()).expect("small");
            assert_eq!(reader.retry(), Some(retry));
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut events = VecDeque::new();
        let mut line = Reader::new(100);
        assert_eq!(line.read(&[b'x'; 100], &mut events), Ok(()));
        assert_eq!(line.read(b"x", &mut events), Err(EventTooLarge));
        let mut lines = Reader::new(100);
        assert_eq!(lines.read(&b"data: x\n".repeat(60), &mut events), Err(EventTooLarge));
        let mut many = Reader::new(100);
        assert_eq!(many.read(&b"data: x\n\n".repeat(60), &mut events), Ok(()));
        assert_eq!(events.len(), 60);
    }
}
