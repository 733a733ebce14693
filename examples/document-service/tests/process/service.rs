//! A service in a process of its own, every line of which is read as it is written.

use std::{
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

/// Longest time anything may take; only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_document-service");

/// A running service. Dropping it kills it.
pub(crate) struct Service {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    pub(crate) address: SocketAddr,
}

/// Names the embedded store of a folder.
pub(crate) fn sled(folder: &Path) -> String {
    format!("sled:{}", folder.display())
}

/// Returns the program, without options from the environment of whoever runs the tests.
pub(crate) fn program() -> Command {
    clean(Command::new(PROGRAM))
}

/// Returns the program with a limit on the size of the files that it writes, in KiB. What goes
/// beyond fails with an error, as on a disk that has no more room.
pub(crate) fn program_with_file_limit(kib: u64) -> Command {
    let mut shell = clean(Command::new("bash"));
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, PROGRAM]);
    shell
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOCUMENT_SERVICE_") {
            command.env_remove(name);
        }
    }
    // Stages and checkpoints are told at this level.
    command.env("RUST_LOG", "info,artos_core=debug");
    command
}

/// Runs a program that is expected to end by itself.
pub(crate) fn run(mut program: Command) -> (Output, String) {
    let output = program.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

impl Service {
    /// Starts a service on a free port, and waits until it listens.
    pub(crate) fn start(mut program: Command, store: &str, options: &[&str]) -> Self {
        program.args(["serve", "--no-auth", "--listen", "127.0.0.1:0", "--store", store]);
        program.args(options);
        let mut service = Self::spawn(program);
        let line = service.wait_for(|line| line.starts_with("listening on http"));
        service.address = line.rsplit('/').next().unwrap().parse().unwrap();
        service
    }

    /// Starts a node that only works, and waits until it does. It has no address.
    pub(crate) fn start_worker(mut program: Command, store: &str, options: &[&str]) -> Self {
        program.args(["worker", "--store", store]).args(options);
        let mut worker = Self::spawn(program);
        worker.wait_for(|line| line.starts_with("working on documents"));
        worker
    }

    fn spawn(mut program: Command) -> Self {
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, lines, seen: Vec::new(), address: nowhere }
    }

    /// Waits for the next line; `None` if there is none within `patience`.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<&str> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => {
                self.seen.push(line);
                self.seen.last().map(String::as_str)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("it ended:\n{}", self.seen.join("\n")),
        }
    }

    /// Waits for a line.
    pub(crate) fn wait_for(&mut self, is_wanted: impl Fn(&str) -> bool) -> String {
        loop {
            match self.next(PATIENCE) {
                Some(line) if is_wanted(line) => return line.to_owned(),
                Some(_) => {}
                None => panic!("it never said so:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Returns all lines so far.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills the process with SIGKILL; everything that it ever said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.rest()
    }

    /// Asks the process to end and waits for it; its exit code, and everything that it ever said.
    pub(crate) fn stop(mut self) -> (Option<i32>, Vec<String>) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let lines = self.rest();
        (self.child.wait().unwrap().code(), lines)
    }

    /// Reads what is left in the pipes; they end with the process.
    fn rest(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.seen);
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", lines.join("\n")),
            }
        }
        self.child.wait().unwrap();
        lines
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on whole lines. A line that the end of the process cut off was not said.
fn read_lines(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while pipe.read_line(&mut line).is_ok_and(|_| line.ends_with('\n')) {
            let said = std::mem::take(&mut line);
            if lines.send(said.trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
}
