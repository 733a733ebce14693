//! Runs the tools of the operating system, and says exactly what went wrong with them.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use crate::watch::{Deadline, pause};

/// Runs a tool to its end; returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let shown = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` cannot be started; is {program} installed?", shown()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}: {}", shown(), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a tool again and again until it succeeds; what is busy now is free in a moment.
pub(crate) fn run_patiently(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let deadline = Deadline::after(Duration::from_secs(20));
    loop {
        match run(program, arguments) {
            Err(error) if deadline.is_over() => return Err(error),
            Err(_) => pause(Duration::from_millis(2)),
            done => return done,
        }
    }
}

/// Writes a path as an argument.
pub(crate) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Makes a folder that is gone when the rig is; its name says whose it is.
pub(crate) fn folder() -> anyhow::Result<TempDir> {
    let prefix = format!("artos-crash-{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir()?)
}

/// Returns whether a name says that it belongs to a rig that is gone.
pub(crate) fn is_abandoned(name: &str) -> bool {
    let owner = name.strip_prefix("artos-crash-").and_then(|rest| rest.split('-').next());
    let owner = owner.and_then(|owner| owner.parse::<u32>().ok());
    owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists())
}

/// Checks that a rig can do what it has to; it must fail where it cannot, not pass over it.
pub(crate) fn require(programs: &[(&str, &str)], root: bool) -> anyhow::Result<()> {
    for (program, package) in programs {
        let found = std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        });
        ensure!(found, "`{program}` is missing; on Debian: apt-get install {package}");
    }
    if root {
        let user = run("id", &["-u"])?;
        ensure!(user == "0", "this rig mounts file systems and needs root, found user {user}");
    }
    Ok(())
}
