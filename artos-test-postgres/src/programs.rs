//! Where the programs of Postgres are, and who may run them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Debian keeps them, one folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Users a server may run as if this process is root, which Postgres refuses to run as.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// What a server takes.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Finds the folder with the programs: the one that the environment names, or else the newest
/// version there is.
///
/// # Errors
///
/// What is missing.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let is_complete =
        |folder: &PathBuf| PROGRAMS.iter().all(|program| folder.join(program).is_file());
    if let Some(named) = std::env::var_os(crate::PROGRAMS_VARIABLE).map(PathBuf::from) {
        // Servers are started from elsewhere.
        let absolute = std::path::absolute(&named).ok().filter(is_complete);
        return absolute.ok_or_else(|| {
            let (variable, found) = (crate::PROGRAMS_VARIABLE, named.display());
            format!("{variable} is {found}: expected a folder with {}", PROGRAMS.join(", "))
        });
    }
    let version = |folder: &PathBuf| -> u32 {
        let name = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin")).filter(is_complete);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = debian.max_by_key(version);
    found.or_else(|| std::env::split_paths(&path).find(is_complete)).ok_or_else(|| {
        format!(
            "its programs are not installed: expected {} in {DEBIAN}/*/bin, on the PATH or in the \
             folder that {} names (Debian: apt-get install postgresql), or the address of a server \
             in {}",
            PROGRAMS.join(", "),
            crate::PROGRAMS_VARIABLE,
            crate::URL_VARIABLE
        )
    })
}

/// A user without rights of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Returns whom to run a server as: nobody else unless this process is root.
pub(crate) fn user() -> Result<Option<User>, String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = uid.and_then(|uids| uids.split_whitespace().nth(1));
    if effective != Some("0") {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &&str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            let uid = fields.nth(1)?.parse().ok()?;
            Some(User { uid, gid: fields.next()?.parse().ok()? })
        })
    };
    let found = USERS.iter().find_map(find);
    found.map(Some).ok_or_else(|| {
        format!("Postgres refuses to run as root, and there is no user {}", USERS.join(" or "))
    })
}
