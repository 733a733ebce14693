//! Copies the files under test out of the core and the stores: as they are, and with one mistake
//! planted in each copy. What is tested is the shipped text; nothing is written down twice.

use std::{env, error::Error, fs, path::Path};

/// A copy of a file.
struct Copy {
    name: &'static str,
    /// Below the sources of the core.
    file: &'static str,
    /// What is replaced by what, each of which has to be there exactly once: so that it fits here,
    base: &'static [(&'static str, &'static str)],
    /// and for a mistake.
    changes: &'static [(&'static str, &'static str)],
}

/// So that groups get full with few callers.
const SMALL_GROUPS: (&str, &str) =
    ("const GROUP_ITEMS_MAX: usize = 1_000;", "const GROUP_ITEMS_MAX: usize = 2;");

/// Shuttle's semaphore cannot be asked for no permits at all, as tokio's can.
const ASKS_FOR_SOME: (&str, &str) =
    ("if let Ok(wanted) = u32::try_from(more)", "if let Ok(wanted @ 1..) = u32::try_from(more)");

/// The lock of the memory store, by way of the door.
const BY_THE_DOOR: (&str, &str) = (
    "    sync::{Arc, Mutex, MutexGuard, PoisonError},\n    time::Duration,\n};",
    "    sync::Arc,\n    time::Duration,\n};\nuse crate::sync::{Mutex, MutexGuard, PoisonError};",
);

/// The files behind the lock of the memory store; they know each other by these names.
const BEHIND_THE_LOCK: [&str; 8] =
    ["index", "listing", "names", "news", "shelf", "stored", "tables", "timeline"];

const MEMORY_STORE: &str = "../../artos-store-memory/src/store.rs";

/// The threads of the embedded store, which are asked for here and there.
const SLED_COMMIT: &str = "../../artos-store-sled/src/commit.rs";
const SLED_SYNC: &str = "../../artos-store-sled/src/sync.rs";

/// What surrounds the copy is beside it.
const BESIDE: (&str, &str) = ("use crate::{", "use super::{");
const THREADS: [(&str, &str); 7] = [
    BESIDE,
    (
        "    sync::{\n        Arc,\n        mpsc::{self, SyncSender},\n    },\n    \
         thread::JoinHandle,\n    time::Duration,\n};",
        "    time::Duration,\n};\nuse shuttle::{sync::{Arc, mpsc::{self, SyncSender}}, \
         thread::JoinHandle};",
    ),
    ("std::thread::Builder::new()", "shuttle::thread::Builder::new()"),
    // Shuttle's threads cannot be asked; they are joined.
    ("while !thread.is_finished()", "while false"),
    // Nor have its channels a name for everything they carry.
    ("#[derive(Debug)]\npub(crate) struct Committer", "pub(crate) struct Committer"),
    (
        "        {\n            std::thread::park_timeout(LOOK_AGAIN)",
        "        {\n            shuttle::thread::yield_now()",
    ),
    ("const GROUP_OPERATIONS_MAX: usize = 256;", "const GROUP_OPERATIONS_MAX: usize = 2;"),
];
const SYNC: [(&str, &str); 2] = [
    BESIDE,
    (
        "    sync::{\n        Arc,\n        mpsc::{self, RecvTimeoutError},\n    },\n    \
         time::Duration,\n};",
        "    time::Duration,\n};\nuse shuttle::sync::{Arc, mpsc::{self, RecvTimeoutError}};",
    ),
];
const POISON: [(&str, &str); 2] = [
    ("use tokio::sync::watch;", "use tokio::sync::watch; use super::sled;"),
    ("watch::Sender::new(false)", "watch::channel(false).0"),
];

/// What the embedded store remembers of what was read.
const SLED_RECENT: &str = "../../artos-store-sled/src/recent.rs";
const RECENT: [(&str, &str); 3] = [
    ("use std::sync::{", "use shuttle::sync::{"),
    ("const RACKS: usize = 1_024;", "const RACKS: usize = 2;"),
    ("const PLACES: usize = 4;", "const PLACES: usize = 2;"),
];

const COPIES: [Copy; 30] = [
    Copy { name: "notify", file: "notify.rs", base: &[], changes: &[] },
    Copy {
        name: "notify_forgets_between_waits",
        file: "notify.rs",
        base: &[],
        changes: &[(
            "filter_map(Weak::upgrade) {\n            notify.notify_one();\n        }\n    }\n\n\
             \u{20}   fn wake_all",
            "filter_map(Weak::upgrade) {\n            notify.notify_waiters();\n        }\n    }\n\
             \n\
             \u{20}   fn wake_all",
        )],
    },
    Copy {
        name: "notify_removes_neighbours",
        file: "notify.rs",
        base: &[],
        changes: &[(
            "subscribers.retain(|notify| notify.as_ptr() != own);",
            "let _ = own; subscribers.clear();",
        )],
    },
    Copy { name: "commit", file: "commit.rs", base: &[SMALL_GROUPS], changes: &[] },
    Copy {
        name: "commit_drops_what_does_not_fit",
        file: "commit.rs",
        base: &[SMALL_GROUPS],
        changes: &[(
            "group.entries.extend(self.entries.drain(..count));",
            "group.entries.extend(self.entries.drain(..count)); self.entries.clear();",
        )],
    },
    Copy {
        name: "commit_mixes_answers",
        file: "commit.rs",
        base: &[],
        changes: &[("let replies = replies?;", "let mut replies = replies?; replies.reverse();")],
    },
    Copy {
        name: "commit_does_not_wake_up",
        file: "commit.rs",
        base: &[],
        changes: &[("let sleeps = std::mem::take(&mut waiting.sleeps);", "let sleeps = false;")],
    },
    Copy {
        name: "commit_keeps_the_store",
        file: "commit.rs",
        base: &[],
        changes: &[(
            "group.commit(way).await;",
            "group.commit(Arc::clone(&way)).await; step_aside().await;",
        )],
    },
    Copy { name: "slots", file: "runtime/slots.rs", base: &[ASKS_FOR_SOME], changes: &[] },
    Copy {
        name: "slots_settle_without_end",
        file: "runtime/slots.rs",
        base: &[ASKS_FOR_SOME],
        changes: &[(
            "settling: Semaphore::new(all)",
            "settling: Semaphore::new(Semaphore::MAX_PERMITS)",
        )],
    },
    Copy { name: "running", file: "runtime/running.rs", base: &[], changes: &[] },
    Copy {
        name: "running_listens_too_late",
        file: "runtime/running.rs",
        base: &[],
        changes: &[
            ("let emptied = self.emptied.notified();\n", ""),
            ("emptied.await;", "self.emptied.notified().await;"),
        ],
    },
    Copy { name: "memory", file: MEMORY_STORE, base: &[BY_THE_DOOR], changes: &[] },
    Copy {
        name: "memory_tells_before_it_is_so",
        file: MEMORY_STORE,
        base: &[BY_THE_DOOR],
        changes: &[
            (
                "let (answer, news) = {",
                "self.shared.hub.publish(&Topic::Queue(\"default\".into()));\n\
                 let (answer, news) = {",
            ),
            ("news.publish(&self.shared.hub);", "drop(news);"),
        ],
    },
    Copy {
        name: "memory_reads_the_time_early",
        file: MEMORY_STORE,
        base: &[BY_THE_DOOR],
        changes: &[
            ("            let now = self.shared.clock.now();\n", ""),
            ("let (answer, news) = {", "let now = self.shared.clock.now(); let (answer, news) = {"),
        ],
    },
    Copy {
        name: "sled_poison",
        file: "../../artos-store-sled/src/poison.rs",
        base: &POISON,
        changes: &[],
    },
    Copy { name: "sled_commit", file: SLED_COMMIT, base: &THREADS, changes: &[] },
    Copy {
        name: "sled_commit_overtakes",
        file: SLED_COMMIT,
        base: &THREADS,
        changes: &[(
            "while bytes > self.large_bytes",
            "while bytes > self.large_bytes.saturating_mul(100)",
        )],
    },
    Copy {
        name: "sled_commit_leaves_a_thread",
        file: SLED_COMMIT,
        base: &THREADS,
        changes: &[("self.threads.drain(..)", "self.threads.drain(..1)")],
    },
    Copy { name: "sled_sync", file: SLED_SYNC, base: &SYNC, changes: &[] },
    Copy {
        name: "sled_sync_answers_early",
        file: SLED_SYNC,
        base: &SYNC,
        changes: &[(
            "let Applied { sequence, count, news, answers } = group;",
            "let Applied { sequence, count, news, mut answers } = group;\n\
             for answer in answers.drain(..) { answer(Ok(())); }",
        )],
    },
    Copy {
        name: "sled_sync_counts_early",
        file: SLED_SYNC,
        base: &SYNC,
        changes: &[("self.disk.sync()?;", "self.durable.send_replace(count); self.disk.sync()?;")],
    },
    Copy {
        name: "sled_sync_tells_early",
        file: SLED_SYNC,
        base: &SYNC,
        changes: &[
            (
                "let is_durable = self.sync(sequence, count).is_ok();",
                "news.publish(self.disk.hub());\n\
                 let is_durable = self.sync(sequence, count).is_ok();",
            ),
            (
                "if is_durable {\n            news.publish(self.disk.hub());\n        }",
                "let _ = is_durable;",
            ),
        ],
    },
    Copy {
        name: "sled_sync_skips_a_group",
        file: SLED_SYNC,
        base: &SYNC,
        changes: &[(
            "if *self.durable.borrow() == count",
            "if *self.durable.borrow() + 1 == count && count > 1",
        )],
    },
    Copy {
        name: "sled_sync_forgives",
        file: SLED_SYNC,
        base: &SYNC,
        changes: &[("answer(self.disk.poison().check());", "answer(Ok(()));")],
    },
    Copy { name: "sled_recent", file: SLED_RECENT, base: &RECENT, changes: &[] },
    Copy {
        name: "sled_recent_forgets_nothing",
        file: SLED_RECENT,
        base: &RECENT,
        changes: &[("changed.for_each(|id| self.forget(id));", "drop(changed);")],
    },
    Copy {
        name: "sled_recent_keeps_what_is_over",
        file: SLED_RECENT,
        base: &RECENT,
        changes: &[("&& self.look().0 == turn.0;", ";")],
    },
    Copy {
        name: "sled_recent_keeps_what_changes",
        file: SLED_RECENT,
        base: &RECENT,
        changes: &[("turn.0.is_multiple_of(2) && ", "")],
    },
    Copy {
        name: "sled_recent_counts_late",
        file: SLED_RECENT,
        base: &RECENT,
        changes: &[
            (
                "        self.kept.fetch_add(1, Ordering::SeqCst);\n        let is_current",
                "let is_current",
            ),
            ("let is_one_more", "self.kept.fetch_add(1, Ordering::SeqCst);\nlet is_one_more"),
        ],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    for name in BEHIND_THE_LOCK {
        copy(name, &format!("../../artos-store-memory/src/{name}.rs"), &[])?;
    }
    for Copy { name, file, base, changes } in COPIES {
        copy(name, file, &[base, changes].concat())?;
    }
    Ok(())
}

fn copy(name: &str, file: &str, changes: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
    let core = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../artos-core/src");
    let out = env::var("OUT_DIR")?;
    let path = core.join(file);
    println!("cargo::rerun-if-changed={}", path.display());
    let mut text = fs::read_to_string(&path)?;
    for (from, to) in changes {
        let count = text.matches(from).count();
        if count != 1 {
            return Err(format!("{file} has {count} times, expected once: {from}").into());
        }
        text = text.replace(from, to);
    }
    // The text is included: a page of its own has no place there, and its tests run where it is.
    let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let code: Vec<&str> = code.filter(|line| !line.starts_with("//!")).collect();
    fs::write(Path::new(&out).join(format!("{name}.rs")), code.join("\n"))?;
    Ok(())
}
