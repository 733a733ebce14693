//! Fonts of a page: what the bytes of a text mean and how wide they print.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use lopdf::{Dictionary, Document, Encoding, Object, ObjectId};

/// Width of a character of which nothing is known, as a part of the font size.
const WIDTH_DEFAULT: f32 = 0.5;
/// Most bytes the character map of one font may unpack to.
const MAP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most fonts of a page; real pages have a dozen.
const FONTS_MAX: usize = 500;

/// A font as far as reading needs it.
pub(super) struct Font<'a> {
    encoding: Option<Encoding<'a>>,
    /// Whether the name of the font says that it is bold.
    pub(super) bold: bool,
    first: usize,
    widths: Vec<f32>,
    two_bytes: bool,
}

/// The fonts of a page by the name its program uses.
pub(super) type Fonts<'a> = BTreeMap<&'a [u8], Rc<Font<'a>>>;

/// The fonts of a document. Its pages share most of them.
pub(super) struct FontCache<'a> {
    document: &'a Document,
    known: HashMap<ObjectId, Rc<Font<'a>>>,
}

impl<'a> FontCache<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, known: HashMap::new() }
    }

    /// Reads the fonts that `resources` defines. What cannot be read is left out.
    pub(super) fn of_resources(&mut self, resources: &'a Dictionary) -> Fonts<'a> {
        let Ok(fonts) = self.document.get_dict_in_dict(resources, b"Font") else {
            return Fonts::new();
        };
        let fonts = fonts.iter().take(FONTS_MAX);
        fonts.filter_map(|(name, object)| Some((name.as_slice(), self.font(object)?))).collect()
    }

    fn font(&mut self, object: &'a Object) -> Option<Rc<Font<'a>>> {
        let (id, object) = self.document.dereference(object).ok()?;
        if let Some(known) = id.and_then(|id| self.known.get(&id)) {
            return Some(Rc::clone(known));
        }
        let font = Rc::new(Font::new(self.document, object.as_dict().ok()?));
        if let Some(id) = id {
            self.known.insert(id, Rc::clone(&font));
        }
        Some(font)
    }
}

impl<'a> Font<'a> {
    fn new(document: &'a Document, font: &'a Dictionary) -> Self {
        let name = font.get(b"BaseFont").and_then(Object::as_name).unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_lowercase();
        let widths = font
            .get(b"Widths")
            .and_then(|widths| document.dereference(widths))
            .and_then(|(_, widths)| widths.as_array())
            .map(|widths| widths.iter().map(|width| width.as_float().unwrap_or(0.0)).collect());
        let first = font.get(b"FirstChar").and_then(Object::as_i64).unwrap_or(0);
        Self {
            encoding: font.get_font_encoding_with_limit(document, MAP_BYTES_MAX).ok(),
            bold: ["bold", "black", "heavy"].iter().any(|weight| name.contains(weight)),
            first: usize::try_from(first).unwrap_or(0),
            widths: widths.unwrap_or_default(),
            two_bytes: font.get(b"Subtype").and_then(Object::as_name).is_ok_and(|s| s == b"Type0"),
        }
    }

    /// Decodes a text. Characters that the font cannot map are left out.
    pub(super) fn decode(&self, bytes: &[u8]) -> String {
        let encoding = self.encoding.as_ref();
        encoding
            .and_then(|encoding| Document::decode_text(encoding, bytes).ok())
            .unwrap_or_default()
    }

    /// Returns the number of characters of a text and its width, as a multiple of the font size.
    pub(super) fn measure(&self, bytes: &[u8]) -> (f32, f32) {
        if self.two_bytes {
            let count = count(bytes.len() / 2);
            return (count, count * WIDTH_DEFAULT);
        }
        let width = |byte: &u8| {
            let index = usize::from(*byte).checked_sub(self.first);
            let width = index.and_then(|index| self.widths.get(index)).copied().unwrap_or(0.0);
            if width > 0.0 { width / 1_000.0 } else { usual_width(*byte) }
        };
        (count(bytes.len()), bytes.iter().map(width).sum())
    }
}

/// Returns about how wide a character prints. The standard fonts do not state their widths in the
/// file, and an error of a few percent does no harm.
fn usual_width(byte: u8) -> f32 {
    match byte {
        b'i' | b'j' | b'l' | b' ' | b'.' | b',' | b':' | b';' | b'\'' | b'!' | b'|' => 0.25,
        b'f' | b't' | b'r' | b'I' | b'-' | b'(' | b')' | b'/' => 0.31,
        b'm' | b'w' | b'M' | b'W' | b'%' | b'@' => 0.83,
        b'A'..=b'Z' => 0.69,
        _ => 0.54,
    }
}

fn count(length: usize) -> f32 {
    f32::from(u16::try_from(length).unwrap_or(u16::MAX))
}
