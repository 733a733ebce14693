//! What is known of a process that hangs: where each of its threads stands.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use crate::tools;

/// Frames of each thread that are kept.
const FRAMES: &str = "thread apply all backtrace 24";

/// Appends where the threads of a process stand to a file; as exactly as this machine can tell.
pub(crate) fn describe(process: u32, into: &Path) -> anyhow::Result<()> {
    let mut text = format!("\nprocess {process} hangs\n");
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = entry?.path();
        let read = |name: &str| fs::read_to_string(thread.join(name)).unwrap_or_default();
        let (name, place) = (read("comm"), read("wchan"));
        writeln!(text, "thread {} waits in {}", name.trim(), place.trim())?;
    }
    // A debugger says much more, where there is one.
    let process = process.to_string();
    match tools::run("gdb", &["-p", &process, "-batch", "-ex", FRAMES]) {
        Ok(frames) => text.push_str(&frames),
        Err(error) => writeln!(text, "install gdb to see the frames of its threads: {error:#}")?,
    }
    let mut file = OpenOptions::new().create(true).append(true).open(into)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// Returns the process that a process started, if there is one.
pub(crate) fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
