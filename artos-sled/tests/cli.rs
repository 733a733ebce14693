//! What the program prints and how it exits, asked of the real one.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use artos_core::{
    Name,
    model::{NewTask, StartAt, TaskId},
    store::TaskStore as _,
};
use artos_store_sled::SledStore;
use serde_json::Value;
use tempfile::TempDir;

/// What a run of the program came to.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str], path: &Path) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artos-sled"));
    let output = command.args(arguments).arg(path).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Makes a store with three tasks, one of which has a large payload.
async fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let mut tasks = Vec::new();
    for number in 1..4_u8 {
        tasks.push(NewTask {
            id: TaskId::from_uuid(uuid::Uuid::from_u128(number.into())),
            kind: Name::from_static("report.generate"),
            queue: Name::from_static("queue"),
            priority: 0,
            tenant: None,
            labels: Default::default(),
            idempotency_key: None,
            retry_of: None,
            start_at: StartAt::Now,
            expires_after: None,
            input: format!("\"{}\"", "x".repeat(usize::from(number) * 1_000)).into(),
            checkpoint: None,
        });
    }
    store.insert(&tasks).await.unwrap();
    folder
}

/// Asserts that every command refuses a folder, with a message that has all of `parts`.
fn assert_refused(path: &Path, commands: &[&str], parts: &[&str]) {
    for command in commands {
        let Run { code, stdout, stderr } = run(&[command], path);
        assert_eq!(code, Some(1), "{command}: {stdout}{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{command}: {stderr}");
        }
    }
}

const ALL: [&str; 5] = ["info", "verify", "export", "compact", "accept"];

#[tokio::test]
async fn a_sound_store_is_shown_checked_exported_and_compacted() {
    let folder = made().await;
    let info = run(&["info"], folder.path());
    assert_eq!((info.code, info.stderr.as_str()), (Some(0), ""));
    assert!(info.stdout.contains("tasks         3\n  pending     3\n"), "{}", info.stdout);
    assert!(!info.stdout.contains('\x1b'), "no colours but on a terminal");

    let verified = run(&["verify"], folder.path());
    assert_eq!((verified.code, verified.stderr.as_str()), (Some(0), ""));
    assert!(verified.stdout.contains("checked 3 tasks"), "{}", verified.stdout);
    assert!(verified.stdout.ends_with("everything is as it should be\n"), "{}", verified.stdout);

    let exported = run(&["export"], folder.path());
    assert_eq!((exported.code, exported.stderr.as_str()), (Some(0), "exported 3 tasks\n"));
    assert_eq!(exported.stdout.lines().count(), 3);
    let first: Value = serde_json::from_str(exported.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "report.generate");
    assert_eq!(first["input"]["json"].as_str().unwrap().len(), 1_000);

    let compacted = run(&["compact"], folder.path());
    assert_eq!((compacted.code, compacted.stderr.as_str()), (Some(0), ""));
    assert!(compacted.stdout.contains("of free space\nbefore  "), "{}", compacted.stdout);
    assert_eq!(run(&["export"], folder.path()).stdout, exported.stdout);
    SledStore::open(folder.path()).unwrap();
}

#[tokio::test]
async fn programs_read_json() {
    let folder = made().await;
    let info: Value =
        serde_json::from_str(&run(&["info", "--json"], folder.path()).stdout).unwrap();
    assert_eq!((&info["format"], &info["counts"]["pending"]), (&2.into(), &3.into()));
    let verified = run(&["verify", "--json"], folder.path());
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&verified["sound"], &verified["tasks"]), (&true.into(), &3.into()));
    assert_eq!(verified["findings"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn an_export_goes_to_a_file_that_is_new() {
    let folder = made().await;
    let output = folder
        .path()
        .parent()
        .unwrap()
        .join(format!("{}.jsonl", folder.path().file_name().unwrap().to_str().unwrap()));
    let arguments = ["export", "--output", output.to_str().unwrap()];
    assert_eq!(run(&arguments, folder.path()).code, Some(0));
    assert_eq!(fs::read_to_string(&output).unwrap().lines().count(), 3);
    let again = run(&arguments, folder.path());
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    fs::remove_file(output).unwrap();
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_error() {
    let folder = made().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_artos-sled"));
    command.arg("export").arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!String::from_utf8(output.stderr).unwrap().contains("error"));
}

#[tokio::test]
async fn a_store_that_is_open_is_refused() {
    let folder = made().await;
    let _store = SledStore::open(folder.path()).unwrap();
    let process = format!("process {}", std::process::id());
    assert_refused(folder.path(), &ALL, &["error: the store is locked", &process, "stop the prog"]);
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "Dear Ada").unwrap();
    assert_refused(folder.path(), &ALL, &["`letter.txt`", "check the path; nothing was changed"]);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    let nothing = folder.path().join("nothing");
    assert_refused(&nothing, &ALL, &["there is no ", "check the path"]);
    assert!(!nothing.exists());
    assert_refused(&folder.path().join("letter.txt"), &ALL, &["a store is a folder"]);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let folder = made().await;
    fs::write(folder.path().join("artos-store"), "artos-store-sled format 7\n").unwrap();
    assert_refused(folder.path(), &ALL, &["format 7", "use a newer version"]);
}

#[tokio::test]
async fn a_tree_that_is_gone_is_refused() {
    let folder = made().await;
    fs::remove_file(folder.path().join("db")).unwrap();
    let commands = ["info", "export", "compact", "accept"];
    assert_refused(folder.path(), &commands, &["db is missing", "restore"]);
    let verified = run(&["verify"], folder.path());
    assert_eq!(verified.code, Some(1));
    assert!(verified.stdout.contains("unreadable-tree"), "{}", verified.stdout);
    assert!(!folder.path().join("db").exists());
}

#[tokio::test]
async fn a_store_with_damage_has_findings() {
    let folder = made().await;
    fs::write(folder.path().join("blobs/17"), "text").unwrap();
    let verified = run(&["verify"], folder.path());
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    for part in ["stray-file at ", "expected ", "found    ", "to do    find out", "findings: 1"] {
        assert!(verified.stdout.contains(part), "{part}: {}", verified.stdout);
    }
    let verified = run(&["verify", "--json"], folder.path());
    assert_eq!(verified.code, Some(1));
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(verified["findings"][0]["fault"], "stray-file");
    assert_refused(folder.path(), &["info", "export", "compact"], &["corrupt", "keep a copy"]);
}

#[tokio::test]
async fn a_file_that_is_cut_off_has_findings_and_can_be_accepted() {
    let folder = made().await;
    let db = File::options().write(true).open(folder.path().join("db")).unwrap();
    for entry in folder.path().read_dir().unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("snap.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    db.set_len(0).unwrap();
    let verified = run(&["verify"], folder.path());
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    assert!(verified.stdout.contains("behind-mark"), "{}", verified.stdout);
    assert!(SledStore::open(folder.path()).is_err());
    let accepted = run(&["accept"], folder.path());
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
    assert!(accepted.stdout.starts_with("given up: the last 2 ack"), "{}", accepted.stdout);
    drop(SledStore::open(folder.path()).unwrap());
    drop(SledStore::open(folder.path()).unwrap());
}

#[tokio::test]
async fn a_missing_mark_is_found_and_accepted() {
    let folder = made().await;
    fs::remove_file(folder.path().join("artos-store.mark")).unwrap();
    let info = run(&["info"], folder.path());
    assert!(info.stdout.contains("acknowledged  unknown"), "{}", info.stdout);
    let verified = run(&["verify"], folder.path());
    assert_eq!(verified.code, Some(1));
    assert!(verified.stdout.contains("damaged-mark"), "{}", verified.stdout);
    assert_refused(folder.path(), &["compact"], &["the file is missing"]);
    let accepted = run(&["accept"], folder.path());
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
    assert!(accepted.stdout.contains("nobody knows how much"), "{}", accepted.stdout);
    assert_eq!(run(&["verify"], folder.path()).code, Some(0));
    SledStore::open(folder.path()).unwrap();
}

#[test]
fn usage_is_explained() {
    let help = run(&["--help"], Path::new(""));
    assert_eq!(help.code, Some(0));
    for part in ["Examples:", "artos-sled verify artos-data/tasks", "Exit codes:", "compact"] {
        assert!(help.stdout.contains(part), "{}", help.stdout);
    }
    for command in ALL {
        let help = run(&[command, "--help"], Path::new("."));
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Example"), "{}", help.stdout);
    }
    assert_eq!(run(&["mend"], Path::new(".")).code, Some(2));
    assert_eq!(run(&["verify", "--loudly"], Path::new(".")).code, Some(2));
}

#[tokio::test]
async fn a_damaged_log_has_findings_and_is_not_touched() {
    let folder = made().await;
    let path = folder.path().join("db");
    let sound = fs::read(&path).unwrap();
    let written = sound.iter().rposition(|byte| *byte != 0).unwrap();
    let mut found = 0;
    for at in (0..written).step_by(written / 20) {
        let mut damaged = sound.clone();
        damaged.get_mut(at..).unwrap().iter_mut().take(8).for_each(|byte| *byte ^= 0x55);
        fs::write(&path, &damaged).unwrap();
        let verified = run(&["verify"], folder.path());
        assert!(matches!(verified.code, Some(0 | 1)), "{at}: {}", verified.stderr);
        if verified.stdout.contains("damaged-log") || verified.stdout.contains("behind-mark at ") {
            found += 1;
            assert_eq!(verified.code, Some(1));
            assert!(verified.stdout.contains("not all of the store could be checked"));
            assert!(fs::read(&path).unwrap() == damaged, "{at}");
        }
    }
    assert!(found > 0);
}
