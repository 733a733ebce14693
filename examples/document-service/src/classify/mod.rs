//! Stage 2, classification: cuts sources into passages and assigns each to a section.
//!
//! A passage is a heading with what follows it. Its heading says most about where it belongs; the
//! words of its text decide only where headings say nothing.

mod words;

use serde::{Deserialize, Serialize};

use self::words::Words;
use crate::document::SourceFile;
use crate::extract::Extracted;
use crate::request::GenerateDocument;
use crate::rules::{RuleSet, SectionRule};
use crate::source::{Block, Content, Source};

/// The heading is the title of the section.
const SAME_TITLE: f32 = 0.98;
/// The heading contains the title of the section.
const CONTAINS_TITLE: f32 = 0.92;
/// The heading contains a keyword; more if the keyword is a large part of it.
const HEADING_KEYWORD: f32 = 0.70;
const HEADING_KEYWORD_SHARE: f32 = 0.15;
/// A longer heading is the title of a whole source, which is about everything.
const HEADING_WORDS_MAX: usize = 12;
/// A passage below a heading is about the same thing, a little less surely.
const INHERITED: f32 = 0.9;
/// Each keyword in the text adds this much, up to the limit.
const TEXT_KEYWORD: f32 = 0.15;
const TEXT_KEYWORDS_MAX: f32 = 0.45;
/// Below this a guess is worse than leaving the passage out.
const ASSIGNED: f32 = 0.3;

/// The request together with its passages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classified {
    /// The request as submitted.
    pub request: GenerateDocument,
    /// All passages, in the order of the sources.
    pub passages: Vec<Passage>,
    /// The files that were read.
    pub sources: Vec<SourceFile>,
}

/// A heading with what follows it, up to the next heading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The section it belongs to. `None` if it fits nowhere.
    pub section_id: Option<String>,
    /// How sure that is, 0 to 1.
    pub confidence: f32,
    /// Path of the source.
    pub file: String,
    /// The heading, as written. `None` for what comes before the first heading.
    pub heading: Option<String>,
    /// Level of the heading; 0 without one.
    pub level: u8,
    /// What follows the heading. The blocks know their pages.
    pub blocks: Vec<Block>,
}

impl Passage {
    /// Tells whether the passage belongs to the section.
    #[must_use]
    pub fn is_in(&self, section_id: &str) -> bool {
        !self.blocks.is_empty() && self.section_id.as_deref() == Some(section_id)
    }

    /// Returns the heading to print within a section. `None` if it repeats the section's title.
    #[must_use]
    pub fn sub_heading(&self, section_title: &str) -> Option<Block> {
        let text = words::without_number(self.heading.as_deref()?);
        if text.eq_ignore_ascii_case(section_title) {
            return None;
        }
        let page = self.blocks.first().and_then(|block| block.page);
        Some(Block { page, content: Content::Heading { level: 2, text: text.to_owned() } })
    }
}

/// Cuts the sources into passages and assigns each to the section that fits best.
#[must_use]
pub fn classify(extracted: Extracted, rules: &RuleSet) -> Classified {
    let vocabulary: Vec<Vocabulary<'_>> = rules.sections.iter().map(Vocabulary::of).collect();
    let mut passages = Vec::new();
    let mut sources = Vec::new();
    for source in extracted.sources {
        sources.push(SourceFile {
            file: source.path.clone(),
            format: source.format,
            pages: source.blocks.iter().filter_map(|block| block.page).max(),
            passages_used: 0,
        });
        let mut found = split(source);
        assign(&mut found, &vocabulary);
        passages.extend(found);
    }
    Classified { request: extracted.request, passages, sources }
}

/// Cuts a source at its headings.
fn split(source: Source) -> Vec<Passage> {
    let passage = |heading, level| Passage {
        section_id: None,
        confidence: 0.0,
        file: source.path.clone(),
        heading,
        level,
        blocks: Vec::new(),
    };
    let mut passages = Vec::new();
    let mut open = passage(None, 0);
    for block in source.blocks {
        if let Content::Heading { level, text } = block.content {
            passages.push(std::mem::replace(&mut open, passage(Some(text), level)));
        } else {
            open.blocks.push(block);
        }
    }
    passages.push(open);
    passages.retain(|passage| passage.heading.is_some() || !passage.blocks.is_empty());
    passages
}

fn assign(passages: &mut [Passage], vocabulary: &[Vocabulary<'_>]) {
    // The headings above the passage, with the section each was assigned to by its own words.
    let mut above: Vec<(u8, Guess<'_>)> = Vec::new();
    for passage in passages {
        while above.last().is_some_and(|(level, _)| *level >= passage.level) {
            above.pop();
        }
        let inherited = above.last().map(|(_, guess)| guess.below());
        let own = by_heading(passage, vocabulary);
        let guess = best(own, inherited);
        if passage.heading.is_some() {
            above.push((passage.level, guess.clone().unwrap_or_default()));
        }
        let guess = best(guess, by_text(passage, vocabulary)).unwrap_or_default();
        if guess.confidence >= ASSIGNED {
            passage.section_id = Some(guess.section_id.to_owned());
            passage.confidence = (guess.confidence * 100.0).round() / 100.0;
        }
    }
}

/// A section that a passage may belong to.
#[derive(Clone, Debug, Default)]
struct Guess<'a> {
    section_id: &'a str,
    confidence: f32,
}

impl Guess<'_> {
    fn below(&self) -> Self {
        Self { confidence: self.confidence * INHERITED, ..self.clone() }
    }
}

/// Returns the surer guess, and the first of two that are equally sure.
fn best<'a>(first: Option<Guess<'a>>, second: Option<Guess<'a>>) -> Option<Guess<'a>> {
    match (first, second) {
        (Some(first), Some(second)) if second.confidence > first.confidence => Some(second),
        (first, second) => first.or(second),
    }
}

/// A section in the form in which it is compared with text.
struct Vocabulary<'a> {
    section_id: &'a str,
    title: Words,
    keywords: Vec<Words>,
}

impl<'a> Vocabulary<'a> {
    fn of(section: &'a SectionRule) -> Self {
        Self {
            section_id: &section.id,
            title: Words::of(&section.title),
            keywords: section.keywords.iter().map(|keyword| Words::of(keyword)).collect(),
        }
    }
}

fn by_heading<'a>(passage: &Passage, vocabulary: &[Vocabulary<'a>]) -> Option<Guess<'a>> {
    let heading = Words::of(words::without_number(passage.heading.as_deref()?));
    strongest(vocabulary, |section| {
        if heading == section.title {
            return SAME_TITLE;
        }
        if heading.contain(&section.title) {
            return CONTAINS_TITLE;
        }
        if heading.len() > HEADING_WORDS_MAX {
            return 0.0;
        }
        let found = section.keywords.iter().filter(|keyword| heading.contain(keyword));
        let longest = found.map(|keyword| keyword.share_of(&heading)).max_by(f32::total_cmp);
        longest.map_or(0.0, |share| HEADING_KEYWORD + HEADING_KEYWORD_SHARE * share)
    })
}

fn by_text<'a>(passage: &Passage, vocabulary: &[Vocabulary<'a>]) -> Option<Guess<'a>> {
    let text: Vec<String> = passage.blocks.iter().map(Block::text).collect();
    let text = Words::of(&text.join(" "));
    strongest(vocabulary, |section| {
        let found = section.keywords.iter().filter(|keyword| text.contain(keyword)).count();
        let found = f32::from(u8::try_from(found).unwrap_or(u8::MAX));
        (found * TEXT_KEYWORD).min(TEXT_KEYWORDS_MAX)
    })
}

fn strongest<'a>(
    vocabulary: &[Vocabulary<'a>],
    confidence: impl Fn(&Vocabulary<'a>) -> f32,
) -> Option<Guess<'a>> {
    let guesses = vocabulary
        .iter()
        .map(|section| Guess { section_id: section.section_id, confidence: confidence(section) });
    guesses.filter(|guess| guess.confidence > 0.0).fold(None, |found, next| best(found, Some(next)))
}
