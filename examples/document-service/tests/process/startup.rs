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

#[test]
fn no_secret_is_repeated_when_an_option_is_bad() {
    for (option, variable, value, expected) in [
        ("--store", "DOCUMENT_SERVICE_STORE", "postgress://app:hunter2@db/app", "postgres://HOST"),
        ("--store", "DOCUMENT_SERVICE_STORE", "postgres:app:hunter2@db/app", "two slashes"),
        ("--store", "DOCUMENT_SERVICE_STORE", "sled://app:hunter2@db/app", "right after `sled:`"),
        ("--store", "DOCUMENT_SERVICE_STORE", "memory://app:hunter2@db", "takes no folder"),
        ("--token", "DOCUMENT_SERVICE_TOKENS", "hunter2", "expected ORG=TOKEN"),
        ("--token", "DOCUMENT_SERVICE_TOKENS", "hunter2/x==", "no organization before"),
        ("--token", "DOCUMENT_SERVICE_TOKENS", "acme=hunter2 x", "too short or has spaces"),
        ("--files", "DOCUMENT_SERVICE_FILES", "ftp://app:hunter2@host/x", "no place for files"),
        ("--files", "DOCUMENT_SERVICE_FILES", "file://app:hunter2@host/x", "three slashes"),
    ] {
        let mut by_option = program();
        by_option.args(["serve", &format!("{option}={value}")]);
        let mut by_variable = program();
        by_variable.arg("serve").env(variable, value);
        for program in [by_option, by_variable] {
            let (output, text) = run(program);
            assert_eq!(output.status.code(), Some(2), "{value}: {text}");
            assert!(text.contains(expected) && text.contains(option), "{value}: {text}");
            assert!(!text.contains("hunter2"), "{value}: {text}");
        }
    }
}

#[test]
fn a_place_for_files_needs_its_two_slashes() {
    let folder = tempdir().unwrap();
    for place in ["s3:bucket", "s3:/bucket", "file:/srv", "gs:bucket/prefix"] {
        let mut program = serve("memory");
        program.args(["--files", place]).current_dir(folder.path());
        let (output, text) = run(program);
        assert_eq!(output.status.code(), Some(2), "{place}: {text}");
        assert!(text.contains("expected two slashes after"), "{place}: {text}");
        assert_eq!(names(folder.path()), [""; 0], "{place}");
    }
}

#[test]
fn options_for_tokens_and_keys_are_checked_before_anything_is_touched() {
    let folder = tempdir().unwrap();
    let place = tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (bad, empty) = (file("bad.keys", "0123456789abcdef\n"), file("empty.keys", "# none\n"));
    let no_set = file("keys.json", "{}");
    let issuer = ["--jwt-issuer", "https://issuer.example/"];
    let audience = ["--jwt-audience", "documents"];
    for (options, code, expected) in [
        (&issuer[..], 2, "--jwt-audience"),
        (&audience[..], 2, "--jwt-issuer"),
        (&[issuer, audience].concat()[..], 2, "--jwt-keys"),
        (&[issuer, audience, ["--jwt-keys", &no_set]].concat()[..], 1, "--jwt-keys cannot be used"),
        (&[issuer, audience, ["--jwt-keys", "http://x.example/"]].concat()[..], 1, "https"),
        (&[issuer, audience, ["--token", "acme=secret"]].concat()[..], 2, "cannot be used with"),
        (&["--token", "acme=secret", "--webhook-keys", &bad][..], 1, "line 1 is no key"),
        (&["--token", "acme=secret", "--webhook-keys", &empty][..], 1, "it is empty"),
        (&["--token", "acme=secret", "--webhook-keys", "/no/file"][..], 1, "cannot read /no/file"),
    ] {
        let mut program = program();
        program.args(["serve", "--listen", "127.0.0.1:0", "--store", &sled(folder.path())]);
        program.args(options);
        let (output, text) = run(program);
        assert_eq!(output.status.code(), Some(code), "{options:?}: {text}");
        assert!(text.contains(expected), "{options:?}: {text}");
        assert!(!text.contains("0123456789abcdef"), "{text}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
    let mut both = program();
    both.args(["serve", "--token", "acme=secret", "--webhook-keys", &bad]);
    both.env("DOCUMENT_SERVICE_WEBHOOK_KEYS", "0".repeat(64));
    assert!(run(both).1.contains("found both"));
}
