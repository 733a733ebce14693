//! Copies the files under test out of the core: as they are, and with one mistake planted in each
//! copy. What is tested is the shipped text; nothing is written down twice.

use std::{env, error::Error, fs, path::Path};

/// A copy of a file of the core.
struct Copy {
    name: &'static str,
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

const COPIES: [Copy; 12] = [
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
];

fn main() -> Result<(), Box<dyn Error>> {
    let core = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../artos-core/src");
    let out = env::var("OUT_DIR")?;
    for Copy { name, file, changes } in COPIES {
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
        // The text is included, and a page of its own has no place there.
        let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("//!")).collect();
        fs::write(Path::new(&out).join(format!("{name}.rs")), code.join("\n"))?;
    }
    Ok(())
}
