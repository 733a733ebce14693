//! The files a rule looks at: those of the repository, or a few made up in a test.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::RustText;

/// What holds nothing a person wrote, at whatever depth it is. In a linked worktree `.git` is a
/// file.
const SKIPPED: [&str; 8] = [
    ".git",
    ".venv",
    "target",
    "node_modules",
    "__pycache__",
    ".pytest_cache",
    "artos-data",
    "artos-demo",
];

/// The files of a repository.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: Vec<SourceFile>,
}

/// One file. A file that is not text has the empty text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the root, with `/` between the names.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl Tree {
    /// Makes a tree of files that exist nowhere.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| SourceFile {
            path: String::from(path),
            text: String::from(text),
        };
        Self { files: files.iter().map(file).collect() }
    }

    /// Reads the repository this crate belongs to.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn of_this_repository() -> io::Result<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::read(own.parent().unwrap_or(own))
    }

    /// Reads everything below a folder, but not what tools make there.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = folder.join(&name);
                let kind = entry.file_type()?;
                if SKIPPED.contains(&name.as_str()) {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    // A file may vanish while it is looked at: an editor's, a tool's.
                    let Ok(bytes) = fs::read(root.join(&path)) else { continue };
                    let path = path.to_string_lossy().replace('\\', "/");
                    files.push(SourceFile {
                        path,
                        text: String::from_utf8(bytes).unwrap_or_default(),
                    });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// Returns all files, in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// Returns the files whose name ends so.
    pub fn ending(&self, end: &str) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }

    /// Returns a file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns whether there is a file, or a folder with something in it, at this path.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = |file: &SourceFile| {
            file.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        path.is_empty() || self.files.iter().any(below)
    }
}

impl SourceFile {
    /// Returns the lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Returns the text of a Rust file, taken apart.
    #[must_use]
    pub fn rust(&self) -> RustText {
        RustText::new(&self.text)
    }

    /// Returns the folder the file is in; empty for the root.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}
