//! One life of a child, seen from the rig: what it tells, and how it ends.

use std::{
    fs::OpenOptions,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use artos_oracle::{Event, What};

use crate::{
    hang,
    subject::{Believe, Subject},
    tools,
    watch::{Deadline, pause},
};

/// A child that was started.
pub(crate) struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The event that was waited for.
    Wanted,
    /// The end of the events: the child is gone, or as good as.
    End,
    /// Nothing of that in time.
    Nothing,
}

impl Session {
    /// Starts a child; what it complains about is appended to a file.
    pub(crate) fn start(mut command: Command, complaints: &Path) -> anyhow::Result<Self> {
        let complaints = OpenOptions::new().create(true).append(true).open(complaints)?;
        let mut child = command
            // A group of its own: what a child starts ends with it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()
            .with_context(|| format!("{command:?} cannot be started"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the child has no output")?;
        let (sender, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || read_lines(output, &sender));
        Ok(Self { child, input, lines, reader: Some(reader) })
    }

    /// Reads events until one that is wanted, for so long at most.
    pub(crate) fn read_until(
        &self,
        subject: &mut Subject,
        deadline: Deadline,
        is_wanted: impl Fn(&What) -> bool,
    ) -> anyhow::Result<Seen> {
        loop {
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => {
                    if let Some(event) = subject.read(&line, Believe::All)?
                        && is_wanted(&event.what)
                    {
                        return Ok(Seen::Wanted);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Seen::Nothing),
                Err(RecvTimeoutError::Disconnected) => return Ok(Seen::End),
            }
            if deadline.is_over() {
                return Ok(Seen::Nothing);
            }
        }
    }

    /// Reads what has arrived by now, and waits for nothing.
    pub(crate) fn read_arrived(&self, subject: &mut Subject) -> anyhow::Result<()> {
        while let Ok(line) = self.lines.try_recv() {
            subject.read(&line, Believe::All)?;
        }
        Ok(())
    }

    /// Reads to the end of the events; the child must be about to end.
    pub(crate) fn read_rest(
        &self,
        subject: &mut Subject,
        believe: Believe,
    ) -> anyhow::Result<Seen> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => {
                    subject.read(&line, believe)?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Seen::Nothing),
                Err(RecvTimeoutError::Disconnected) => return Ok(Seen::End),
            }
        }
    }

    /// Kills the child at once.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
    }

    /// Appends where the threads of the child stand to its complaints.
    pub(crate) fn describe_hang(&mut self, complaints: &Path) -> anyhow::Result<()> {
        let own = self.child.id();
        match hang::child_of(own) {
            Some(watched) => {
                // The tool in between keeps others from looking.
                self.kill();
                hang::describe(watched, complaints)
            }
            None => hang::describe(own, complaints),
        }
    }

    /// Asks the child to end gently.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// Waits until the child has ended; returns its exit code, none if a signal ended it.
    pub(crate) fn wait(&mut self) -> anyhow::Result<Option<i32>> {
        let deadline = Deadline::after(PATIENCE);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if deadline.is_over() {
                self.kill();
                break self.child.wait()?;
            }
            pause(Duration::from_millis(1));
        };
        if let Some(reader) = self.reader.take() {
            // It ends with the pipe.
            let _ = reader.join();
        }
        Ok(status.code())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
        if matches!(self.child.try_wait(), Ok(Some(_))) && self.reader.is_none() {
            return;
        }
        // A tool in between does not take the process that it watches with it.
        let group = format!("-{}", self.child.id());
        let _ = tools::run("kill", &["-KILL", "--", &group]);
        self.kill();
        let _ = self.child.wait();
    }
}

/// How long a child may take for anything before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn read_lines(output: ChildStdout, sender: &mpsc::Sender<String>) {
    let mut output = BufReader::with_capacity(1 << 16, output);
    let mut line = String::new();
    loop {
        line.clear();
        match output.read_line(&mut line) {
            // A line without an end was cut off in the middle of a write.
            Ok(_) if line.ends_with('\n') => {
                if sender.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// Parses a line that a child wrote whole.
pub(crate) fn parse(line: &str) -> anyhow::Result<Event> {
    line.parse().context("a child wrote a line that is no event")
}
