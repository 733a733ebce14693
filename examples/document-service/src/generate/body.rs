//! The body of a report: title page, contents, key facts, sections, sources.

use std::io;

use jiff::Timestamp;

use super::table;
use super::word::Word;
use crate::document::{Section, SourceRef};
use crate::rules::Draft;
use crate::source::{Content, Table};

/// Writes the main part of the document.
pub(super) fn document(draft: &Draft, created_at: Timestamp) -> io::Result<Vec<u8>> {
    Word::part("w:document", |word| {
        word.element("w:body", &[], |word| {
            title_page(word, draft, created_at)?;
            let chapters = chapters(draft);
            contents(word, &chapters)?;
            for (anchor, heading, chapter) in &chapters {
                word.heading("Heading1", anchor, heading)?;
                match chapter {
                    Chapter::Facts => facts(word, draft)?,
                    Chapter::Section { number, section } => write_section(word, *number, section)?,
                    Chapter::Sources => sources(word, draft)?,
                }
            }
            page_setup(word)
        })
    })
}

/// Something with an entry in the contents.
enum Chapter<'a> {
    Facts,
    Section { number: usize, section: &'a Section },
    Sources,
}

/// Returns each chapter with its anchor and heading.
fn chapters(draft: &Draft) -> Vec<(String, String, Chapter<'_>)> {
    let mut chapters = Vec::new();
    if !draft.facts.is_empty() || !draft.warnings.is_empty() {
        chapters.push(("key_facts".to_owned(), "Key facts".to_owned(), Chapter::Facts));
    }
    for (index, section) in draft.sections.iter().enumerate() {
        let number = index + 1;
        let heading = format!("{number} {}", section.title);
        let chapter = Chapter::Section { number, section };
        chapters.push((format!("section_{number}"), heading, chapter));
    }
    chapters.push(("sources".to_owned(), "Sources".to_owned(), Chapter::Sources));
    chapters
}

fn title_page(word: &mut Word, draft: &Draft, created_at: Timestamp) -> io::Result<()> {
    let request = &draft.request;
    word.plain("Kicker", &draft.title)?;
    word.plain("Title", &request.file_stem())?;
    word.plain("Subtitle", request.document_set_name.as_deref().unwrap_or_default())?;
    let count = draft.sources.len();
    let given = [
        ("Document type", Some(draft.document_type.clone())),
        ("Generated", Some(created_at.strftime("%Y-%m-%d %H:%M UTC").to_string())),
        ("Sources", Some(format!("{count} {}", if count == 1 { "file" } else { "files" }))),
        ("Document set", request.document_set_key.clone()),
        ("Template", request.generic_mrt_id.clone()),
        ("Style guide", request.style_guide_id.clone()),
        ("Instructions", request.document_instructions.clone()),
    ];
    let rows = given.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
    table::write_list(word, &rows.collect::<Vec<_>>())
}

/// Writes the contents as a field that Word can update, filled with links.
fn contents(word: &mut Word, chapters: &[(String, String, Chapter<'_>)]) -> io::Result<()> {
    word.plain("ContentsHeading", "Contents")?;
    for (index, (anchor, heading, _)) in chapters.iter().enumerate() {
        word.paragraph("TOC1", |word| {
            if index == 0 {
                word.field_char("begin")?;
                word.instruction(r#"TOC \o "1-1" \h \z \u"#)?;
                word.field_char("separate")?;
            }
            let link = [("w:anchor", anchor.as_str()), ("w:history", "1")];
            word.element("w:hyperlink", &link, |word| word.text(heading))?;
            if index + 1 == chapters.len() { word.field_char("end") } else { Ok(()) }
        })?;
    }
    Ok(())
}

fn facts(word: &mut Word, draft: &Draft) -> io::Result<()> {
    if !draft.facts.is_empty() {
        let rows = draft
            .facts
            .iter()
            .map(|fact| vec![fact.title.clone(), fact.value.clone(), places(&fact.sources)]);
        let header = ["Fact", "Value", "Stated in"].map(str::to_owned).to_vec();
        table::write(word, &Table { header, rows: rows.collect() })?;
    }
    if !draft.warnings.is_empty() {
        word.plain("Normal", "Please verify before use:")?;
    }
    draft.warnings.iter().try_for_each(|warning| word.plain("ListBullet", warning))
}

fn write_section(word: &mut Word, number: usize, section: &Section) -> io::Result<()> {
    if section.content.is_empty() {
        return word.plain("SourceNote", "No source says anything about this section.");
    }
    let mut sub = 0;
    for block in &section.content {
        match &block.content {
            Content::Heading { text, .. } => {
                sub += 1;
                let anchor = format!("section_{number}_{sub}");
                word.heading("Heading2", &anchor, &format!("{number}.{sub} {text}"))?;
            }
            Content::Paragraph { text } => word.plain("Normal", text)?,
            Content::Table(content) => table::write(word, content)?,
        }
    }
    word.plain("SourceNote", &format!("From {}.", places(&section.sources)))
}

fn sources(word: &mut Word, draft: &Draft) -> io::Result<()> {
    let rows = draft.sources.iter().map(|source| {
        let pages = source.pages.map_or_else(|| "-".to_owned(), |pages| pages.to_string());
        vec![source.file.clone(), pages, source.passages_used.to_string()]
    });
    let header = ["File", "Pages", "Passages used"].map(str::to_owned).to_vec();
    table::write(word, &Table { header, rows: rows.collect() })?;
    word.heading("Heading2", "section_sources", "Where each section comes from")?;
    let found = draft.sections.iter().filter(|section| !section.content.is_empty());
    let rows = found.map(|section| {
        let confidence = format!("{:.0} %", section.confidence * 100.0);
        vec![section.title.clone(), places(&section.sources), confidence]
    });
    let header = ["Section", "Sources", "Confidence"].map(str::to_owned).to_vec();
    table::write(word, &Table { header, rows: rows.collect() })
}

/// Lists places by file: `protocol.pdf pages 2, 3; data.xlsx`.
fn places(sources: &[SourceRef]) -> String {
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for source in sources {
        let page = source.page.map(|page| page.to_string());
        match files.iter_mut().find(|(file, _)| *file == source.file) {
            Some((_, pages)) => pages.extend(page),
            None => files.push((&source.file, page.into_iter().collect())),
        }
    }
    let described = files.into_iter().map(|(file, pages)| {
        let name = file.rsplit('/').next().unwrap_or(file);
        match pages.as_slice() {
            [] => name.to_owned(),
            [page] => format!("{name} page {page}"),
            pages => format!("{name} pages {}", pages.join(", ")),
        }
    });
    described.collect::<Vec<_>>().join("; ")
}

/// Writes page size (A4), margins, and header and footer on every page but the first.
fn page_setup(word: &mut Word) -> io::Result<()> {
    word.element("w:sectPr", &[], |word| {
        let header = [("w:type", "default"), ("r:id", "rIdHeader")];
        word.empty("w:headerReference", &header)?;
        let footer = [("w:type", "default"), ("r:id", "rIdFooter")];
        word.empty("w:footerReference", &footer)?;
        word.empty("w:pgSz", &[("w:w", "11906"), ("w:h", "16838")])?;
        let margins = [
            ("w:top", "1418"),
            ("w:right", "1418"),
            ("w:bottom", "1304"),
            ("w:left", "1418"),
            ("w:header", "709"),
            ("w:footer", "624"),
            ("w:gutter", "0"),
        ];
        word.empty("w:pgMar", &margins)?;
        word.empty("w:titlePg", &[])
    })
}
