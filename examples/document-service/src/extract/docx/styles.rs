//! Which paragraph styles are headings.
//!
//! A paragraph names its style by id, and ids are translated: Heading 1 has the id `berschrift1`
//! in a German document. Style names of headings are the same everywhere.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{attribute, corrupt};
use crate::extract::Problem;

/// Heading levels by style id.
#[derive(Debug, Default)]
pub(super) struct Styles {
    levels: HashMap<String, u8>,
}

impl Styles {
    /// Reads the styles part of a document; an empty part defines no style.
    pub(super) fn parse(part: &str) -> Result<Self, Problem> {
        let mut styles = Self::default();
        let mut style = None;
        let mut reader = Reader::from_str(part);
        loop {
            match reader.read_event().map_err(corrupt)? {
                Event::Eof => return Ok(styles),
                Event::Start(element) | Event::Empty(element) => {
                    styles.read(&element, &mut style)?;
                }
                _ => {}
            }
        }
    }

    fn read(
        &mut self,
        element: &BytesStart<'_>,
        style: &mut Option<String>,
    ) -> Result<(), Problem> {
        let level = match element.local_name().as_ref() {
            "style" => {
                *style = attribute(element, "styleId")?;
                None
            }
            "name" => attribute(element, "val")?.and_then(|name| named_level(&name)),
            "outlineLvl" => outline_level(attribute(element, "val")?.as_deref()),
            _ => None,
        };
        if let (Some(style), Some(level)) = (style, level) {
            self.levels.entry(style.clone()).or_insert(level);
        }
        Ok(())
    }

    /// Returns the level of the headings that have `style`. `None` if it is not a heading style.
    pub(super) fn heading_level(&self, style: &str) -> Option<u8> {
        self.levels.get(style).copied()
    }
}

fn named_level(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    if name == "title" {
        return Some(1);
    }
    let level = name.strip_prefix("heading ")?.parse().ok()?;
    (1..=9).contains(&level).then_some(level)
}

/// Reads an outline level, which counts from 0; 9 means body text.
pub(super) fn outline_level(value: Option<&str>) -> Option<u8> {
    let level: u8 = value?.parse().ok()?;
    (level < 9).then_some(level + 1)
}
