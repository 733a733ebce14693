//! Stage 4, document generation: renders a draft as a Word document.
//!
//! The same draft and time give the same bytes, so a stage that runs again after a crash writes
//! the file it wrote before.

mod body;
mod table;
mod word;

use std::io;

use jiff::Timestamp;

use self::word::Word;
use crate::package;
use crate::rules::Draft;

/// A document that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the Word document cannot be written")]
pub struct RenderError(#[from] zip::result::ZipError);

impl From<io::Error> for RenderError {
    fn from(error: io::Error) -> Self {
        Self(error.into())
    }
}

/// Properties are filled in by post-processing; until then the parts exist and say nothing.
const NO_CORE: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<cp:coreProperties xmlns:cp="#,
    r#""http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>"#,
);
const NO_APP: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    r#"<Properties xmlns="#,
    r#""http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"/>"#,
);

/// Renders `draft` as the bytes of a `.docx` file that says it was generated at `created_at`.
///
/// This is CPU work; for large drafts call it on a thread for blocking work.
///
/// # Errors
///
/// [`RenderError`] if the archive cannot be written, which happens only above 4 GiB.
pub fn render(draft: &Draft, created_at: Timestamp) -> Result<Vec<u8>, RenderError> {
    let document = body::document(draft, created_at)?;
    let header = header(draft)?;
    let footer = footer(draft)?;
    Ok(package::pack(&[
        ("[Content_Types].xml", include_bytes!("parts/content_types.xml")),
        ("_rels/.rels", include_bytes!("parts/package_rels.xml")),
        ("word/document.xml", &document),
        ("word/_rels/document.xml.rels", include_bytes!("parts/document_rels.xml")),
        ("word/styles.xml", include_bytes!("parts/styles.xml")),
        ("word/numbering.xml", include_bytes!("parts/numbering.xml")),
        ("word/header.xml", &header),
        ("word/footer.xml", &footer),
        ("docProps/core.xml", NO_CORE.as_bytes()),
        ("docProps/app.xml", NO_APP.as_bytes()),
    ])?)
}

fn header(draft: &Draft) -> io::Result<Vec<u8>> {
    Word::part("w:hdr", |word| {
        word.paragraph("Header", |word| {
            word.text(&draft.title)?;
            word.mark("w:tab", &[])?;
            word.text(&draft.request.file_stem())
        })
    })
}

fn footer(draft: &Draft) -> io::Result<Vec<u8>> {
    Word::part("w:ftr", |word| {
        word.paragraph("Footer", |word| {
            word.text(draft.request.document_set_name.as_deref().unwrap_or_default())?;
            word.mark("w:tab", &[])?;
            word.text("Page ")?;
            word.field("PAGE", "1")?;
            word.text(" of ")?;
            word.field("NUMPAGES", "1")
        })
    })
}
