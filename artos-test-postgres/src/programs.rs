//! Where the programs of Postgres are, and who may run them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Debian keeps them, one folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Users a server may run as if this process is root, which Postgres refuses to run as.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Finds the folder with `initdb` and `pg_ctl`; the newest version, if there are several.
pub(crate) fn folder() -> Option<PathBuf> {
    let is_complete = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
    };
    let version = |folder: &PathBuf| -> u32 {
        let name = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin")).filter(is_complete);
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.max_by_key(version).or_else(|| std::env::split_paths(&path).find(is_complete))
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
