//! Whatever the bytes are, every reader answers.

use std::fmt::Write as _;

use document_service::extract::extract;
use proptest::prelude::*;

use super::{docx, sample, xlsx};

const NAMES: [&str; 6] = ["a.pdf", "a.docx", "a.xlsx", "a.csv", "a.md", "a.txt"];

/// Reads `bytes` as `name` says.
///
/// A panic inside a parser shows as a failed reader. Only calamine is known to panic: in a build
/// with overflow checks, on a cell whose row number does not fit 32 bits.
fn answers(name: &str, bytes: &[u8]) {
    if let Err(error) = extract(name, bytes) {
        let message = error.to_string();
        assert!(message.starts_with(name), "{message}");
        let failed = message.contains("the reader for its format failed");
        assert!(!failed || name.ends_with(".xlsx"), "{message}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for name in NAMES {
            answers(name, &bytes);
        }
    }

    #[test]
    fn a_damaged_sample_is_answered(
        which in 0..NAMES.len() - 1,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let samples = [
            "protocol.pdf", "amendment.docx", "trial-data.xlsx", "laboratory.csv",
            "investigator-summary.md",
        ];
        let mut bytes = sample(samples[which]);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        answers(NAMES[which], &bytes);
    }

    #[test]
    fn a_page_program_of_random_operations_is_answered(program in page_program()) {
        answers("a.pdf", &pdf_with(&program));
    }

    #[test]
    fn a_random_main_text_is_answered(body in main_text()) {
        answers("a.docx", &docx::with_body(&body));
    }

    #[test]
    fn a_random_sheet_is_answered(data in sheet()) {
        answers("a.xlsx", &xlsx::with_sheet(&data));
    }

    #[test]
    fn a_page_program_of_random_text_is_answered(program in "[A-Za-z0-9 \\[\\]()<>/.*'\"-]{0,99}") {
        answers("a.pdf", &pdf_with(&program));
    }
}

/// Pieces of page programs, so that random ones get past the parser.
fn page_program() -> impl Strategy<Value = String> {
    let pieces = [
        "BT",
        "ET",
        "q",
        "Q",
        "/F1 12 Tf",
        "/F1 -1e9 Tf",
        "/F9 0 Tf",
        "10 700 Td",
        "-5 0 TD",
        "T*",
        "1 0 0 1 50 600 Tm",
        "0 0 0 0 0 0 cm",
        "1e38 1e38 1e38 1e38 1e38 1e38 cm",
        "(a b) Tj",
        "[(ab) -500 (c) 1e30 (d)] TJ",
        "(x) '",
        "1 2 (y) \"",
        "/X Do",
        "1 TL",
        "9 Tc",
        "9 Tw",
        "Tj",
        "[] TJ",
        "Tm",
        "<> Tj",
        "/ Tf",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60).prop_map(|p| p.join(" "))
}

/// Pieces of the main text of a Word document.
fn main_text() -> impl Strategy<Value = String> {
    let pieces = [
        "<w:p>",
        "</w:p>",
        "<w:r>",
        "</w:r>",
        "<w:t>",
        "</w:t>",
        "text",
        "&amp;",
        "&#0;",
        "&no;",
        "<w:tbl>",
        "</w:tbl>",
        "<w:tr>",
        "</w:tr>",
        "<w:tc>",
        "</w:tc>",
        "<w:gridSpan w:val='99'/>",
        "<w:gridSpan w:val='-1'/>",
        "<w:del>",
        "</w:del>",
        "<w:pStyle w:val='U1'/>",
        "<w:pStyle/>",
        "<w:outlineLvl w:val='3'/>",
        "<w:p/>",
        "<w:tab/>",
        "<![CDATA[<]]>",
        "<!-- -->",
        "<",
        "=\"",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60).prop_map(|p| p.concat())
}

/// Pieces of the rows of a sheet.
fn sheet() -> impl Strategy<Value = String> {
    let pieces = [
        "<row r='1'>",
        "</row>",
        "<row>",
        "<c r='A1' t='str'><v>a</v></c>",
        "<c><v>1e999</v></c>",
        "<c r='XFD1048576'><v>1</v></c>",
        "<c r='A1' t='s'><v>999999</v></c>",
        "<c t='b'><v>7</v></c>",
        "<c t='d'><v>2024-13-45</v></c>",
        "<c s='9999'><v>-1</v></c>",
        "<c r='ZZZZZZ9'><v>1</v></c>",
        "<c r='1A'/>",
        "<c t='inlineStr'><is><t>x</t></is></c>",
        "<c t='?'><v>1</v></c>",
        "<c><f>1</f>",
        "</c>",
        "<v>",
        "<c r='A99999999999'><v>1</v></c>",
        "<c t='e'><v>#N/A</v></c>",
        "<",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|p| p.concat())
}

/// A PDF with one page that runs `program`.
fn pdf_with(program: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> \
         /XObject << /X 6 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{program}\nendstream", program.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        // A form that calls itself.
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >> \
         /Length 13 >>\nstream\n/X Do /X Do \n\nendstream"
            .to_owned(),
    ];
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        offsets.push(pdf.len());
        write!(pdf, "{number} 0 obj\n{object}\nendobj\n").unwrap();
    }
    let xref = pdf.len();
    write!(pdf, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(pdf, "{offset:010} 00000 n ").unwrap();
    }
    let size = objects.len() + 1;
    write!(pdf, "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{xref}\n%%EOF\n").unwrap();
    pdf.into_bytes()
}

#[test]
fn a_form_that_calls_itself_ends() {
    let source = extract("a.pdf", &pdf_with("/X Do BT /F1 12 Tf 10 10 Td (Hello) Tj ET")).unwrap();
    assert_eq!(source.blocks[1].text(), "Hello");
}

#[test]
fn deep_nesting_in_a_pdf_is_answered() {
    answers("a.pdf", &pdf_with(&"[".repeat(200_000)));
    answers("a.pdf", &pdf_with(&"<<".repeat(200_000)));
    answers("a.pdf", &pdf_with(&"(".repeat(200_000)));
    answers("a.pdf", &pdf_with(&"q ".repeat(200_000)));
    let nested = format!("%PDF-1.4\n1 0 obj\n{}\nendobj\n", "[".repeat(200_000));
    answers("a.pdf", nested.as_bytes());
}

#[test]
fn deep_nesting_in_markdown_is_answered() {
    answers("a.md", "> ".repeat(50_000).as_bytes());
    answers("a.md", "[".repeat(50_000).as_bytes());
    answers("a.md", format!("{}x", "- ".repeat(20_000)).as_bytes());
}
