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

    /// Writes where other bytes were, which are gone.
    pub(crate) fn reusing(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn numbers_stand_with_their_highest_byte_first() {
        let id = Uuid::from_u128(0x0102);
        let bytes = written(|w| {
            w.u8(1);
            w.u16(0x0102);
            w.u32(0x0102_0304);
            w.u64(0x0102_0304_0506_0708);
            w.u128(0x0102);
            w.time(Timestamp::from_micros(0x0102));
            w.uuid(&id);
        });
        let (time, long) = ([&[0; 6][..], &[1, 2]].concat(), [&[0; 14][..], &[1, 2]].concat());
        let start = [1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(bytes, [&start[..], &long, &time, &long].concat());
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.u8(), reader.u16(), reader.u32()), (Ok(1), Ok(0x0102), Ok(0x0102_0304)));
        assert_eq!((reader.u64(), reader.u128()), (Ok(0x0102_0304_0506_0708), Ok(0x0102)));
        assert_eq!((reader.time(), reader.uuid()), (Ok(Timestamp::from_micros(0x0102)), Ok(id)));
        assert!(reader.is_at_end());
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(reader.u8(), Err(Malformed("it ends too early")));
    }

    #[test]
    fn a_length_takes_one_byte_up_to_254() {
        for (len, front) in [(0, 1), (254, 1), (255, 5), (300, 5)] {
            let text = "a".repeat(len);
            let bytes = written(|w| w.text(&text));
            assert_eq!(bytes.len(), front + len, "{len}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.text(), Ok(text.as_str()));
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn what_is_left_over_what_is_missing_and_what_is_no_text_are_told() {
        assert!(Reader::new(&[1]).end().is_err());
        assert!(!Reader::new(&[1]).is_at_end());
        assert!(Reader::new(&[3, b'a', b'b']).slice().is_err());
        assert!(Reader::new(&[1, 0xFF]).text().is_err());
        assert!(Reader::new(&[1, b'a']).name().is_ok());
    }

    #[test]
    fn room_that_is_used_again_holds_nothing_of_before() {
        let mut writer = Writer::reusing(vec![9; 40]);
        writer.u8(1);
        assert_eq!(writer.finish(), [1]);
    }
}
