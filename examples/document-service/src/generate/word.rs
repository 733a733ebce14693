//! The few pieces of WordprocessingML that a report needs.
//!
//! Text from sources passes through [`Word::text`], which escapes it and drops what XML cannot
//! hold, so a document is well formed whatever its sources contain.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::package::xml_text;

const NAMESPACE: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A part of a Word document that is being written.
pub(super) struct Word {
    writer: Writer<Vec<u8>>,
    bookmarks: u32,
}

impl Word {
    /// Writes a part with the root element `root`.
    pub(super) fn part(
        root: &str,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<Vec<u8>> {
        let mut word = Self { writer: Writer::new(Vec::new()), bookmarks: 0 };
        let declaration = BytesDecl::new("1.0", Some("UTF-8"), Some("yes"));
        word.writer.write_event(Event::Decl(declaration))?;
        word.element(root, &[("xmlns:w", NAMESPACE), ("xmlns:r", RELATIONSHIPS)], content)?;
        Ok(word.writer.into_inner())
    }

    /// Writes an element with content.
    pub(super) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.writer.write_event(Event::Start(start))?;
        content(self)?;
        self.writer.write_event(Event::End(BytesEnd::new(name)))
    }

    /// Writes an element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        let element = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.writer.write_event(Event::Empty(element))
    }

    /// Writes a run of text.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        let clean = xml_text(text);
        self.element("w:r", &[], |word| {
            word.element("w:t", &[("xml:space", "preserve")], |word| {
                word.writer.write_event(Event::Text(BytesText::new(&clean)))
            })
        })
    }

    /// Writes a run with an empty element, such as a tab or a break.
    pub(super) fn mark(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.element("w:r", &[], |word| word.empty(name, attributes))
    }

    /// Writes a field whose value Word computes, such as `PAGE`.
    pub(super) fn field(&mut self, instruction: &str, shown: &str) -> io::Result<()> {
        self.element("w:fldSimple", &[("w:instr", instruction)], |word| word.text(shown))
    }

    /// Writes a paragraph of `style`.
    pub(super) fn paragraph(
        &mut self,
        style: &str,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.element("w:p", &[], |word| {
            word.element("w:pPr", &[], |word| word.empty("w:pStyle", &[("w:val", style)]))?;
            content(word)
        })
    }

    /// Writes a paragraph of `style` that holds `text`.
    pub(super) fn plain(&mut self, style: &str, text: &str) -> io::Result<()> {
        self.paragraph(style, |word| word.text(text))
    }

    /// Writes a heading that links can jump to by the name `anchor`.
    pub(super) fn heading(&mut self, style: &str, anchor: &str, text: &str) -> io::Result<()> {
        self.bookmarks += 1;
        let id = self.bookmarks.to_string();
        self.paragraph(style, |word| {
            word.empty("w:bookmarkStart", &[("w:id", &id), ("w:name", anchor)])?;
            word.text(text)?;
            word.empty("w:bookmarkEnd", &[("w:id", &id)])
        })
    }

    /// Writes one end of a field that spans paragraphs: `begin`, `separate` or `end`.
    pub(super) fn field_char(&mut self, kind: &str) -> io::Result<()> {
        self.mark("w:fldChar", &[("w:fldCharType", kind)])
    }

    /// Writes the instruction of a field that spans paragraphs.
    pub(super) fn instruction(&mut self, instruction: &str) -> io::Result<()> {
        self.element("w:r", &[], |word| {
            word.element("w:instrText", &[("xml:space", "preserve")], |word| {
                word.writer.write_event(Event::Text(BytesText::new(instruction)))
            })
        })
    }
}
