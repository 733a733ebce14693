//! The sample sources, carried inside the program so that the demo needs no checkout.

use std::{fs, path::Path};

use anyhow::Context as _;

/// Paths of the sample sources, as requests name them.
pub(super) struct Paths {
    /// Together they hold everything a report needs.
    pub(super) complete: Vec<String>,
    /// A protocol without its safety section.
    pub(super) incomplete: Vec<String>,
}

/// Each sample: its name and its content.
macro_rules! samples {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../samples/", $name)).as_slice())),*]
    };
}

const COMPLETE: [(&str, &[u8]); 5] = samples![
    "protocol.pdf",
    "amendment.docx",
    "trial-data.xlsx",
    "laboratory.csv",
    "investigator-summary.md",
];

const INCOMPLETE: [(&str, &[u8]); 1] = samples!["protocol-without-safety.pdf"];

/// The folder that stands for an organization's documents.
const FOLDER: &str = "demo/documents";

/// Writes the samples below `files`.
pub(super) fn write(files: &Path) -> anyhow::Result<Paths> {
    let folder = files.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |(name, content): &(&str, &[u8])| -> anyhow::Result<String> {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(format!("{FOLDER}/{name}"))
    };
    Ok(Paths {
        complete: COMPLETE.iter().map(write).collect::<Result<_, _>>()?,
        incomplete: INCOMPLETE.iter().map(write).collect::<Result<_, _>>()?,
    })
}
