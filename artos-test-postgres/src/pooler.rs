//! A pgbouncer in transaction mode, in front of a server: each transaction of a client may go to
//! another session.

use std::{
    fs,
    io::{Read as _, Seek as _},
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    ServerError,
    programs::{self, User},
};

/// Where Debian keeps the program; it is not on everybody's path.
const DEBIAN: &str = "/usr/sbin/pgbouncer";
/// How often it is looked whether it listens, and how long after that again.
const LOOKS: usize = 2_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Runs a program until the end of the input, which comes with that of the process that has the
/// other end, however it ends.
const GUARD: &str = "\"$1\" \"$2\" & pid=$!; cat >/dev/null; kill -KILL $pid";

/// A pgbouncer; it ends with this.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    guard: Child,
    _folder: TempDir,
}

impl Pooler {
    /// Starts a pgbouncer in transaction mode, with so many sessions of the server at `url` to hand
    /// out.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing, or what it said.
    pub fn start(url: &str, sessions: u32) -> Result<Self, ServerError> {
        let program = program().ok_or_else(|| {
            ServerError::new("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
        })?;
        let (user, place) =
            url.strip_prefix("postgres://")
                .and_then(|rest| rest.split_once('@'))
                .ok_or_else(|| ServerError::new("pgbouncer needs an address with a user"))?;
        let address = place.split(['/', '?']).next().unwrap_or(place);
        let (host, server_port) = address.split_once(':').unwrap_or((address, "5432"));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let folder = tempfile::Builder::new().prefix("artos-pgbouncer-").tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let (users, file) = (folder.path().join("users"), folder.path().join("pgbouncer.ini"));
        fs::write(&users, format!("\"{user}\" \"{password}\"\n"))?;
        let settings = format!(
            "[databases]\n\
             * = host={host} port={server_port}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = trust\n\
             auth_file = {users}\n\
             pool_mode = transaction\n\
             default_pool_size = {sessions}\n\
             max_client_conn = 500\n\
             ignore_startup_parameters = extra_float_digits\n",
            users = users.display()
        );
        fs::write(&file, settings)?;
        let said = tempfile::tempfile()?;
        let mut command = Command::new("sh");
        // It refuses to run as root, as Postgres does.
        if let Some(User { uid, gid }) =
            programs::user().map_err(|error| ServerError::new(&error))?
        {
            for path in [folder.path(), &users, &file] {
                chown(path, Some(uid), Some(gid))?;
            }
            command.uid(uid).gid(gid);
        }
        command.args(["-c", GUARD, "artos-pgbouncer-guard"]).arg(program).arg(&file);
        command.process_group(0).current_dir("/").stdin(Stdio::piped());
        let guard = command.stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
        let pooler = Self { port, guard, _folder: folder };
        for _ in 0..LOOKS {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(pooler);
            }
            std::thread::park_timeout(BETWEEN_LOOKS);
        }
        let (mut text, mut said) = (String::new(), said);
        said.rewind()?;
        said.read_to_string(&mut text)?;
        Err(ServerError::new(&format!("pgbouncer does not listen:\n{text}")))
    }

    /// Returns the address of a database behind it, for one that is reached at `url` directly.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once('@').unwrap_or(("postgres://postgres", url));
        let (_, database) = rest.split_once('/').unwrap_or((rest, ""));
        format!("{before}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("pgbouncer"));
    found.chain([PathBuf::from(DEBIAN)]).find(|program| program.is_file())
}
