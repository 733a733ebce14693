//! What the service says when it starts, and when it cannot.

use std::{fs, path::Path, process::Command};

use tempfile::tempdir;

use crate::service::{Service, program, run, sled};

fn serve(store: &str) -> Command {
    let mut program = program();
    program.args(["serve", "--no-auth", "--listen", "127.0.0.1:0", "--store", store]);
    program
}

/// Checks that the service does not start, says all of this, and leaves the folder as it is.
fn refuses(store: &str, folder: &Path, code: i32, expected: &[&str]) {
    let before = names(folder);
    let (output, text) = run(serve(store));
    assert_eq!(output.status.code(), Some(code), "{store}: {text}");
    for part in expected {
        assert!(text.contains(part), "{store}: {part:?} is missing in {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(names(folder), before, "{store}: a folder that is refused is not touched");
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let names = fs::read_dir(folder).unwrap().map(name);
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn it_says_where_tasks_are_and_what_they_outlive() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("new/data");
    let service = Service::start(program(), &sled(&data), &[]);
    let tasks = data.join("tasks").display().to_string();
    let (code, lines) = service.stop();
    assert_eq!(code, Some(0));
    let says = |lines: &[String], parts: [&str; 2]| {
        let found = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} is missing in {lines:?}");
    };
    says(&lines, [&tasks, "outlive this process, however it ends"]);
    says(&lines, ["source files and documents are in", data.join("files").to_str().unwrap()]);
    assert_eq!(names(&data), ["files", "tasks"]);

    let files = folder.path().join("elsewhere");
    let service = Service::start(program(), "memory", &["--files", files.to_str().unwrap()]);
    let (_, lines) = service.stop();
    says(&lines, ["tasks are in memory", "lost when this process ends"]);
    says(&lines, ["source files and documents are in", files.to_str().unwrap()]);
}

#[test]
fn a_folder_is_used_by_one_process_at_a_time() {
    let folder = tempdir().unwrap();
    let store = sled(folder.path());
    let first = Service::start(program(), &store, &[]);
    let expected = [
        "is held by process",
        "what to do: another process is using this folder",
        "--store sled:OTHER",
    ];
    refuses(&store, folder.path(), 1, &expected);
    first.kill();
    // The lock of a process that was killed goes with it.
    Service::start(program(), &store, &[]).kill();
}

#[test]
fn a_folder_that_it_cannot_use_is_refused_with_advice() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let marker = path.join("tasks/artos-store");
    Service::start(program(), &sled(path), &[]).stop();

    let tasks = path.join("tasks");
    let above = format!("use --store sled:{}", path.display());
    refuses(&sled(&tasks), &tasks, 1, &["is a store itself", &above]);

    fs::write(&marker, "artos-store-sled format 999\n").unwrap();
    refuses(&sled(path), path, 1, &["has format 999", "what to do:", "start the newer version"]);

    fs::write(&marker, "nonsense").unwrap();
    let copy = format!("copy {} away", tasks.display());
    refuses(&sled(path), path, 1, &["the store is corrupt", "what to do:", &copy]);

    let foreign = tempdir().unwrap();
    fs::write(foreign.path().join("diary.txt"), "text").unwrap();
    let expected = ["holds `diary.txt`", "nothing was changed", "check the path"];
    refuses(&sled(foreign.path()), foreign.path(), 1, &expected);
    let file = foreign.path().join("diary.txt");
    refuses(&sled(&file), foreign.path(), 1, &["Not a directory", "check the path"]);
}

#[test]
fn a_text_that_names_no_store_is_explained() {
    let folder = tempdir().unwrap();
    for (store, expected) in [
        ("artos-data", "expected `sled:artos-data` to keep tasks in that folder"),
        ("sled:", "names no folder: expected one, as in `sled:artos-data`"),
        ("sled://artos-data", "expected a folder right after `sled:`"),
        ("memory:artos-data", "expected `memory`, or `sled:artos-data`"),
        ("mysql://host/name", "no `mysql:` store in this version: expected `postgres://HOST"),
        ("postgres:host/name", "expected two slashes after `postgres:`"),
    ] {
        refuses(store, folder.path(), 2, &[expected]);
        let mut program = program();
        program.args(["serve", "--no-auth"]).env("DOCUMENT_SERVICE_STORE", store);
        assert!(run(program).1.contains(expected), "the environment counts, too");
    }
    let mut program = serve(&sled(folder.path()));
    program.args(["--lease-seconds", "0"]);
    assert!(run(program).1.contains("expected whole seconds from 1 to 86400"));
}

#[test]
fn what_it_cannot_serve_with_is_said_before_anything_is_touched() {
    let folder = tempdir().unwrap();
    let empty = tempdir().unwrap();
    let pem = empty.path().join("empty.pem");
    fs::write(&pem, "").unwrap();
    let (pem, missing) = (pem.to_str().unwrap(), "/nowhere/key.pem");
    for (options, code, expected) in [
        (&["--tls-certificate", pem][..], 2, "--tls-key"),
        (&["--tls-certificate", pem, "--tls-key", missing], 1, "cannot read /nowhere/key.pem"),
        (&["--tls-certificate", pem, "--tls-key", pem], 1, "there is no certificate"),
        (&["--submits-per-minute", "0"], 2, "would be zero"),
    ] {
        let mut program = serve(&sled(folder.path()));
        let (output, text) = run({
            program.args(options);
            program
        });
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
