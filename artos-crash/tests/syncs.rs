//! What has to be on the disk is synced before anybody is told, as the system calls of a process
//! show: no file system that tests run on loses what most of these syncs protect.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::{env, fs, io::Write as _, path::Path, process::Command};

use artos_core::{Client, Task};
use artos_store_sled::SledStore;
use serde::{Deserialize, Serialize};

/// Where the process below strace makes its store.
const STORE: &str = "ARTOS_SYNCS_STORE";
/// What it says, each in one write.
const STEPS: [&str; 3] = ["it is open", "a task is acknowledged", "it is closed"];

#[derive(Serialize, Deserialize)]
struct Nothing;

impl Task for Nothing {
    const KIND: &'static str = "nothing";
    type Output = ();
}

fn say(step: &str) {
    std::io::stderr().write_all(step.as_bytes()).unwrap();
}

/// The process below strace; alone it does nothing.
#[test]
fn child() {
    let Ok(path) = env::var(STORE) else { return };
    let [open, acknowledged, closed] = STEPS;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(path).unwrap();
        say(open);
        let client = Client::new(store);
        client.submit(Nothing).await.unwrap();
        say(acknowledged);
        // The store goes with the last client.
    });
    drop(runtime);
    say(closed);
}

/// Returns what was synced before each step, by path.
fn synced(folder: &Path, store: &Path) -> [Vec<String>; 3] {
    let log = folder.join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-s", "64", "-e", "trace=fsync,fdatasync,write", "-o"]);
    strace.arg(&log).arg(env::current_exe().unwrap()).args(["--exact", "child", "--nocapture"]);
    let output = strace.env(STORE, store).output();
    let output = output.unwrap_or_else(|error| panic!("strace has to be installed: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = fs::read_to_string(log).unwrap();
    let mut synced: [Vec<String>; 3] = Default::default();
    let mut step = 0;
    for line in log.lines() {
        if line.contains("write(") && STEPS.get(step).is_some_and(|said| line.contains(said)) {
            step += 1;
        } else if line.contains("sync(")
            && let Some((_, rest)) = line.split_once('<')
            && let Some((path, _)) = rest.split_once('>')
            && let Some(synced) = synced.get_mut(step)
        {
            synced.push(String::from(path));
        }
    }
    assert_eq!(step, STEPS.len(), "{log}");
    synced
}

#[test]
fn everything_is_synced_before_anybody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("deep");
    let store = parent.join("store");
    let [until_open, until_acknowledged, until_closed] = synced(folder.path(), &store);
    let lacks = |list: &[String], path: &Path| !list.iter().any(|at| Path::new(at) == path);
    for path in [
        folder.path().to_owned(),
        parent,
        store.clone(),
        store.join("artos-store.new"),
        store.join("artos-store.mark"),
        store.join("conf"),
        store.join("db"),
    ] {
        assert!(!lacks(&until_open, &path), "{} in {until_open:#?}", path.display());
    }
    assert!(!lacks(&until_acknowledged, &store.join("db")), "{until_acknowledged:#?}");
    assert!(!lacks(&until_closed, &store.join("artos-store.mark")), "{until_closed:#?}");
}
