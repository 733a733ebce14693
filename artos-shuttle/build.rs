//! Copies the files under test out of the core and the memory store: as they are, and with one
//! mistake planted in each copy. What is tested is the shipped text; nothing is written down twice.

use std::{env, error::Error, fs, path::Path};

/// A copy of a file.
struct Copy {
    name: &'static str,
    /// Below the sources of the core.
    file: &'static str,
    /// What is replaced by what; it has to be there exactly once.
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

const COPIES: [Copy; 15] = [
    Copy { name: "notify", file: "notify.rs", changes: &[] },
    Copy {
        name: "notify_forgets_between_waits",
        file: "notify.rs",
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
        changes: &[(
            "subscribers.retain(|notify| notify.as_ptr() != own);",
            "let _ = own; subscribers.clear();",
        )],
    },
    Copy { name: "commit", file: "commit.rs", changes: &[SMALL_GROUPS] },
    Copy {
        name: "commit_drops_what_does_not_fit",
        file: "commit.rs",
        changes: &[
            SMALL_GROUPS,
            (
                "group.entries.extend(self.entries.drain(..count));",
                "group.entries.extend(self.entries.drain(..count)); self.entries.clear();",
            ),
        ],
    },
    Copy {
        name: "commit_mixes_answers",
        file: "commit.rs",
        changes: &[("let replies = replies?;", "let mut replies = replies?; replies.reverse();")],
    },
    Copy {
        name: "commit_does_not_wake_up",
        file: "commit.rs",
        changes: &[("let sleeps = std::mem::take(&mut waiting.sleeps);", "let sleeps = false;")],
    },
    Copy {
        name: "commit_keeps_the_store",
        file: "commit.rs",
        changes: &[(
            "group.commit(way).await;",
            "group.commit(Arc::clone(&way)).await; step_aside().await;",
        )],
    },
    Copy { name: "slots", file: "runtime/slots.rs", changes: &[ASKS_FOR_SOME] },
    Copy {
        name: "slots_settle_without_end",
        file: "runtime/slots.rs",
        changes: &[
            ASKS_FOR_SOME,
            (
                "settling: Semaphore::new(permits)",
                "settling: Semaphore::new(Semaphore::MAX_PERMITS)",
            ),
        ],
    },
    Copy { name: "running", file: "runtime/running.rs", changes: &[] },
    Copy {
        name: "running_listens_too_late",
        file: "runtime/running.rs",
        changes: &[
            ("let emptied = self.emptied.notified();\n", ""),
            ("emptied.await;", "self.emptied.notified().await;"),
        ],
    },
    Copy { name: "memory", file: MEMORY_STORE, changes: &[BY_THE_DOOR] },
    Copy {
        name: "memory_tells_before_it_is_so",
        file: MEMORY_STORE,
        changes: &[
            BY_THE_DOOR,
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
        changes: &[
            BY_THE_DOOR,
            ("            let now = self.shared.clock.now();\n", ""),
            ("let (answer, news) = {", "let now = self.shared.clock.now(); let (answer, news) = {"),
        ],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    for name in BEHIND_THE_LOCK {
        copy(name, &format!("../../artos-store-memory/src/{name}.rs"), &[])?;
    }
    for Copy { name, file, changes } in COPIES {
        copy(name, file, changes)?;
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
