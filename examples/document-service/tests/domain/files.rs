//! Reading and writing files.

use std::sync::Arc;

use document_service::cli::Arguments;
use document_service::extract::extract_file;
use document_service::files::{FileError, Files};
use document_service::files_location::FilesLocation;
use document_service::store::StoreLocation;
use object_store::local::LocalFileSystem;
use tempfile::TempDir;

fn files() -> (TempDir, Files) {
    let root = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(root.path()).unwrap();
    (root, Files::new(Arc::new(store)))
}

#[tokio::test]
async fn what_was_written_is_read() {
    let (_root, files) = files();
    files.write("a/b.txt", "one".into()).await.unwrap();
    files.write("a/b.txt", "two".into()).await.unwrap();
    assert_eq!(files.read("a/b.txt").await.unwrap(), "two");
}

#[tokio::test]
async fn a_missing_file_is_named_and_final() {
    let (_root, files) = files();
    let error = extract_file(&files, "org-id/none.pdf").await.unwrap_err();
    assert_eq!(error.to_string(), "org-id/none.pdf does not exist");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_large_file_is_refused_by_its_size() {
    let (_root, files) = files();
    files.write("a.txt", "12345".into()).await.unwrap();
    let error = files.with_bytes_max(4).read("a.txt").await.unwrap_err();
    assert_eq!(error.to_string(), "a.txt has 5 bytes; the limit is 4");
}

#[tokio::test]
async fn a_path_cannot_leave_the_root() {
    let (root, files) = files();
    std::fs::create_dir(root.path().join("inner")).unwrap();
    for path in ["../x.txt", "/etc/passwd", "inner/../../x.txt", "inner//x.txt"] {
        let error = files.read(path).await.unwrap_err();
        let refused = matches!(error, FileError::InvalidPath { .. } | FileError::NotFound { .. });
        assert!(refused, "{path}: {error}");
    }
}

#[tokio::test]
async fn a_directory_is_not_a_file() {
    let (root, files) = files();
    std::fs::create_dir(root.path().join("folder.txt")).unwrap();
    assert!(files.read("folder.txt").await.is_err());
}

#[tokio::test]
async fn a_file_is_extracted_from_the_store() {
    let (_root, files) = files();
    files.write("notes.txt", "Hello there.".into()).await.unwrap();
    let source = extract_file(&files, "notes.txt").await.unwrap();
    assert_eq!(source.blocks[1].text(), "Hello there.");
}

#[test]
fn a_place_for_files_is_a_folder_or_a_bucket() {
    for (text, expected) in [
        ("/srv/files", "/srv/files"),
        ("file:///srv/files", "/srv/files"),
        ("s3://papers", "s3://papers"),
        ("s3://papers/inner/", "s3://papers/inner"),
    ] {
        assert_eq!(text.parse::<FilesLocation>().unwrap().to_string(), expected);
    }
    for (text, expected) in [
        ("", "no folder is named"),
        ("file://host/files", "expected three slashes"),
        ("s3:///inner", "names no bucket"),
        ("ftp://user:secret@host", "`ftp://` is no place for files"),
    ] {
        let error = text.parse::<FilesLocation>().unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn no_text_about_a_database_has_its_password() {
    let place: StoreLocation = "postgres://app:hunter2@db/app?password=hunter2".parse().unwrap();
    for text in [format!("{place:?}"), place.to_string(), place.promise()] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("db/app"), "{text}");
    }
    let arguments =
        ["document-service", "worker", "--store", "postgres://app:hunter2@db/app", "--files=f"];
    let arguments = <Arguments as clap::Parser>::try_parse_from(arguments).unwrap();
    assert!(!format!("{arguments:?}").contains("hunter2"));
}
