//! Starting a server, stopping it, and making sure that it ends with this process.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::programs::{self, User};

/// How often a port that was free a moment ago may turn out to be taken.
const PORTS: usize = 5;

/// How often the processes of a server are killed, and how long after that they are looked for.
const KILLS: usize = 1_000;
const BETWEEN_KILLS: Duration = Duration::from_millis(5);

/// Whether a commit of the server waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does, as on any server.
    Power,
    /// It does not: nothing that this server holds is worth waiting for.
    None,
}

/// Why there is no server.
#[derive(Debug)]
pub struct ServerError(String);

impl ServerError {
    pub(crate) fn new(message: &str) -> Self {
        Self(String::from(message))
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no Postgres server for this test: {}", self.0)
    }
}

impl std::error::Error for ServerError {}

impl From<io::Error> for ServerError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A server of one's own.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// The folder, unless it is somebody else's.
    _own: Option<TempDir>,
    programs: PathBuf,
    user: Option<User>,
    port: u16,
    options: String,
    /// Stops the server once this process is gone; it waits for the end of its input.
    guard: Child,
}

impl Server {
    /// Makes a cluster in a temporary folder, and starts a server on a free port.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing, or what the programs said.
    pub fn start(durability: Durability) -> Result<Self, ServerError> {
        Self::start_with(durability, &[])
    }

    /// Does what [`start`](Self::start) does, with more settings, such as `work_mem=8MB`.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with(durability: Durability, settings: &[&str]) -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new().prefix("artos-postgres-").tempdir()?;
        Self::make(folder.path().to_owned(), Some(folder), durability, settings)
    }

    /// Does what [`start_with`](Self::start_with) does, in a folder of yours that is not there yet,
    /// or empty.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_in(
        folder: &Path,
        durability: Durability,
        settings: &[&str],
    ) -> Result<Self, ServerError> {
        fs::create_dir_all(folder)?;
        Self::make(folder.to_owned(), None, durability, settings)
    }

    fn make(
        folder: PathBuf,
        own: Option<TempDir>,
        durability: Durability,
        settings: &[&str],
    ) -> Result<Self, ServerError> {
        let programs = programs::folder().map_err(ServerError)?;
        let user = programs::user().map_err(ServerError)?;
        if let Some(User { uid, gid }) = user {
            chown(&folder, Some(uid), Some(gid))?;
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let data = folder.join("data");
        let mut initdb = command(&programs, "initdb", user);
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        initdb.arg("-D").arg(&data);
        // A disk that is to lose its power is small, and has to have what was made on it.
        initdb.arg(if own.is_some() { "--no-sync" } else { "--wal-segsize=1" });
        run(&mut initdb)?;
        let guard = guard(&programs, &folder, user)?;
        let options = options(durability, &folder, settings);
        let mut server = Self { folder, _own: own, programs, user, port: 0, options, guard };
        server.start_on_a_free_port()?;
        Ok(server)
    }

    fn start_on_a_free_port(&mut self) -> Result<(), ServerError> {
        let mut last = None;
        for _ in 0..PORTS {
            self.port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            match self.resume() {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| ServerError(String::from("no port is free"))))
    }

    /// Returns the address of its database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of its programs, which has `psql` and `pgbench` as well.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Returns the folder of its cluster.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns the file that it writes its log to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Stops the server at once, as a crash would.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what `pg_ctl` said.
    pub fn stop(&self) -> Result<(), ServerError> {
        let mut stop = command(&self.programs, "pg_ctl", self.user);
        run(stop.arg("-D").arg(self.folder.join("data")).args(["-w", "-m", "immediate", "stop"]))
    }

    /// Returns the processes of the server.
    ///
    /// # Errors
    ///
    /// If its folder is gone.
    pub fn processes(&self) -> Result<Processes, ServerError> {
        Ok(Processes { data: fs::canonicalize(self.data())? })
    }

    /// Starts the server again where it was.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what `pg_ctl` said.
    pub fn resume(&self) -> Result<(), ServerError> {
        let mut start = command(&self.programs, "pg_ctl", self.user);
        start.arg("-D").arg(self.folder.join("data"));
        start.arg("-l").arg(self.folder.join("log"));
        start.arg("-o").arg(format!("-c port={} {}", self.port, self.options));
        run(start.args(["-w", "-t", "60", "start"]))
    }
}

/// The processes of a server: those that work in its folder.
#[derive(Debug)]
pub struct Processes {
    data: PathBuf,
}

impl Processes {
    /// Kills all of them with SIGKILL, again and again until none is left: one may have been
    /// started while they were counted.
    ///
    /// # Errors
    ///
    /// If the system's table of processes cannot be read, or they do not die.
    pub fn kill(&self) -> Result<(), ServerError> {
        for _ in 0..KILLS {
            let all = self.alive()?;
            if all.is_empty() {
                return Ok(());
            }
            let mut kill = Command::new("kill");
            kill.arg("-KILL").args(all).stdout(Stdio::null()).stderr(Stdio::null());
            kill.status()?;
            std::thread::park_timeout(BETWEEN_KILLS);
        }
        Err(ServerError(format!("{:?} do not die", self.alive()?)))
    }

    fn alive(&self) -> io::Result<Vec<String>> {
        let is_its = |entry: &fs::DirEntry| {
            fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == self.data)
        };
        let entries = fs::read_dir("/proc")?.flatten().filter(is_its);
        Ok(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input tells the guard to stop the server; the folder goes after that.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn options(durability: Durability, folder: &Path, settings: &[&str]) -> String {
    let folder = format!("unix_socket_directories={}", folder.display());
    let mut all = vec![
        "listen_addresses=127.0.0.1",
        folder.as_str(),
        "max_connections=200",
        "shared_buffers=128MB",
        "max_wal_size=1GB",
    ];
    if durability == Durability::None {
        all.extend(["fsync=off", "full_page_writes=off"]);
    }
    all.extend(settings);
    all.iter().map(|setting| format!("-c {setting}")).collect::<Vec<_>>().join(" ")
}

/// Starts the process that stops the server when this one is gone, even if it was killed.
fn guard(programs: &Path, folder: &Path, user: Option<User>) -> io::Result<Child> {
    let script = "cat >/dev/null; \
                  \"$1/pg_ctl\" -D \"$2/data\" -m immediate stop >/dev/null 2>&1; rm -rf \"$2\"";
    let mut guard = as_user(Command::new("sh"), user);
    guard.args(["-c", script, "artos-postgres-guard"]).arg(programs).arg(folder);
    // A Ctrl-C is for the tests; the guard comes after them.
    guard.process_group(0).current_dir("/").stdin(Stdio::piped());
    guard.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn command(programs: &Path, program: &str, user: Option<User>) -> Command {
    let mut command = as_user(Command::new(programs.join(program)), user);
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn as_user(mut command: Command, user: Option<User>) -> Command {
    if let Some(User { uid, gid }) = user {
        command.gid(gid).uid(uid);
    }
    command
}

/// Runs a program to its end. Its output goes to a file: a server it starts would keep a pipe open.
fn run(command: &mut Command) -> Result<(), ServerError> {
    let output = tempfile::tempfile()?;
    let status = command.stdout(output.try_clone()?).stderr(output.try_clone()?).status()?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    let mut output = output;
    io::Seek::rewind(&mut output)?;
    io::Read::read_to_string(&mut output, &mut said)?;
    let program = command.get_program().to_string_lossy().into_owned();
    Err(ServerError(format!("{program} ended with {status}:\n{said}")))
}
