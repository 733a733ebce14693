//! CSV, Markdown and plain text.

use super::{extract_bytes, headings, problem, sample, tables};

#[test]
fn csv_is_a_table_named_after_its_file() {
    let source = extract_bytes("org/laboratory.csv", &sample("laboratory.csv"));
    assert_eq!(headings(&source), [(1, "Laboratory")]);
    let table = tables(&source)[0];
    assert_eq!(table.header[0], "Laboratory test");
    assert_eq!(table.rows[2], ["Haemoglobin", "g/L", "141", "142", "120 to 170"]);
}

#[test]
fn the_delimiter_is_told_by_the_first_line() {
    for text in ["a;b\n1,5;2\n", "a\tb\n1,5\t2\n", "a,b\n\"1,5\",2\n"] {
        let source = extract_bytes("a.csv", text.as_bytes());
        assert_eq!(tables(&source)[0].rows, [["1,5", "2"]], "{text:?}");
    }
}

#[test]
fn markdown_keeps_headings_tables_and_list_items() {
    let name = "investigator-summary.md";
    let source = extract_bytes(name, &sample(name));
    let expected = [
        (1, "Investigator summary of study EXM-2041"),
        (2, "Efficacy narrative"),
        (2, "Overall conclusion"),
    ];
    assert_eq!(headings(&source), expected);
    assert_eq!(tables(&source)[0].rows[0], ["Berlin", "10", "5"]);
    let texts: Vec<String> = source.blocks.iter().map(|block| block.text()).collect();
    assert!(texts.contains(&"The treatment was easy to take and adherence was high.".to_owned()));
    assert!(texts[2].starts_with("Investigators at five of six sites reported"));
}

#[test]
fn plain_text_has_paragraphs_and_guessed_headings() {
    let text = "\u{feff}SAFETY ANALYSIS\n\nNothing\nhappened.\n\n2.1 Details\n\n3 mg were taken.\n";
    let source = extract_bytes("notes.txt", text.as_bytes());
    assert_eq!(headings(&source), [(1, "SAFETY ANALYSIS"), (2, "2.1 Details")]);
    assert_eq!(source.blocks[1].text(), "Nothing happened.");
}

#[test]
fn text_in_another_encoding_is_refused_with_its_position() {
    for name in ["a.txt", "a.csv", "a.md"] {
        let message = problem(name, b"na\xefve");
        assert_eq!(message, format!("{name} is not UTF-8 text; byte 2 cannot be decoded"));
    }
}

#[test]
fn an_empty_file_contains_no_text() {
    for name in ["a.txt", "a.csv", "a.md"] {
        assert_eq!(problem(name, b"  \n\n"), format!("{name} contains no text"));
    }
}

#[test]
fn other_formats_are_refused() {
    for name in ["picture.png", "folder.pdf/noextension", "old.doc"] {
        let message = problem(name, b"");
        assert!(message.contains("has a format that cannot be read"), "{message}");
    }
}
