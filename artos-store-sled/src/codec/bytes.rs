//! Numbers and texts as bytes and back: big-endian, texts after their length.

use artos_core::{Name, Timestamp};
use uuid::Uuid;

/// The bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Appends to bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn time(&mut self, value: Timestamp) {
        self.bytes.extend_from_slice(&value.as_micros().to_be_bytes());
    }

    pub(crate) fn uuid(&mut self, value: &Uuid) {
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Appends a length of at most 4 bytes, most often of one, and the bytes.
    pub(crate) fn slice(&mut self, value: &[u8]) {
        match u8::try_from(value.len()) {
            Ok(len) if len < u8::MAX => self.u8(len),
            _ => {
                self.u8(u8::MAX);
                // Longer ones were refused when the task came in.
                self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            }
        }
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.slice(value.as_bytes());
    }
}

/// Takes from bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_be_bytes)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Malformed> {
        self.array().map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes)))
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, Malformed> {
        self.array().map(Uuid::from_bytes)
    }

    pub(crate) fn slice(&mut self) -> Result<&'a [u8], Malformed> {
        let len = match self.u8()? {
            u8::MAX => self.u32()?,
            len => u32::from(len),
        };
        let len = usize::try_from(len).map_err(|_| Malformed("a length is too large"))?;
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.slice()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub(crate) fn name(&mut self) -> Result<Name, Malformed> {
        self.text().map(Name::from)
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Makes sure that nothing is left.
    pub(crate) const fn end(&self) -> Result<(), Malformed> {
        if self.is_at_end() { Ok(()) } else { Err(Malformed("it goes on after its end")) }
    }
}
