//! A store under test, from its creation to the end of its life: where it is, what it told, and
//! what must be true of it.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use artos_oracle::{Checker, Event, Finding, Invariant, What, mix};

use crate::{
    child::{ChildDuty, ChildOptions},
    session, tools, workload,
};

/// Which events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Believe {
    /// All.
    All,
    /// Those that acknowledge nothing: the others were told by a machine without power.
    Questions,
}

/// So many bits number the calls of a child.
pub(crate) const CALLS_OF_A_CHILD: u32 = 32;

/// A store under test.
pub(crate) struct Subject {
    pub(crate) checker: Checker,
    /// Decides everything that happens to this store.
    pub(crate) seed: u64,
    /// Children that were started on it.
    children: u64,
    /// Rounds it went through.
    pub(crate) rounds: u64,
    /// Notes of the rig and events of the children.
    folder: PathBuf,
    log: BufWriter<File>,
    /// What the last refusal to open said.
    pub(crate) refusal: Option<String>,
    pub(crate) options: ChildOptions,
}

impl Subject {
    /// Begins the life of a store in a database, with notes in `folder`. It may refuse what it
    /// likes while it is out of reach, and take part again.
    pub(crate) fn in_database(folder: &Path, url: String, seed: u64) -> anyhow::Result<Self> {
        let mut subject = Self::new(folder, &folder.join("none"), seed)?;
        subject.options.url = Some(url);
        subject.checker = Checker::new(workload::rules());
        Ok(subject)
    }

    /// Begins the life of a store at `path`, with notes in `folder`.
    pub(crate) fn new(folder: &Path, path: &Path, seed: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        for name in [EVENTS, COMPLAINTS] {
            let _ = fs::remove_file(folder.join(name));
        }
        let options = ChildOptions {
            path: path.to_owned(),
            url: None,
            first_call: 0,
            seed: 0,
            duty: ChildDuty::Load,
            no_fsync: false,
            large: false,
            die_at: None,
            die_on: 1,
        };
        Ok(Self {
            checker: Checker::new(workload::rules().fail_stop()),
            seed,
            children: 0,
            rounds: 0,
            log: BufWriter::new(File::create(folder.join(EVENTS))?),
            folder: folder.to_owned(),
            refusal: None,
            options,
        })
    }

    /// Returns the path of the store.
    pub(crate) fn path(&self) -> &Path {
        &self.options.path
    }

    /// Returns the number of the child that was started last.
    pub(crate) const fn children(&self) -> u64 {
        self.children
    }

    /// Returns the file for what children complain about.
    pub(crate) fn complaints(&self) -> PathBuf {
        self.folder.join(COMPLAINTS)
    }

    /// Keeps a copy of the store for the evidence, as it is before a child sees it.
    pub(crate) fn keep_as_it_is(&self) -> anyhow::Result<()> {
        let copy = self.folder.join(BEFORE);
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        tools::run("cp", &["-a", tools::text(self.path())?, tools::text(&copy)?])?;
        Ok(())
    }

    /// Returns the command that starts the next child, below `before`, a tool with its arguments.
    pub(crate) fn command(
        &mut self,
        duty: ChildDuty,
        before: &[String],
    ) -> anyhow::Result<Command> {
        self.children += 1;
        let seed = mix(self.seed, self.children);
        self.note(&format!("child {} starts: {} with seed {seed}", self.children, duty.name()))?;
        let program = std::env::current_exe()?;
        let mut command = match before.split_first() {
            Some((tool, arguments)) => {
                let mut command = Command::new(tool);
                command.args(arguments).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg("child").arg("--path").arg(self.path());
        command.args(["--store-seed", &seed.to_string(), "--duty", duty.name()]);
        if let Some(url) = &self.options.url {
            // Children at the same time have numbers of their own for their calls.
            let first = self.children << CALLS_OF_A_CHILD;
            command.args(["--url", url, "--first-call", &first.to_string()]);
        }
        if self.options.no_fsync {
            command.arg("--no-fsync");
        }
        if let Some(point) = &self.options.die_at {
            command.args(["--die-at", point, "--die-on", &self.options.die_on.to_string()]);
        }
        if self.options.large {
            command.arg("--large");
        }
        Ok(command)
    }

    /// Reads a line of a child; `None` if it does not count.
    pub(crate) fn read(&mut self, line: &str, believe: Believe) -> anyhow::Result<Option<Event>> {
        let event = session::parse(line)?;
        let counts = believe == Believe::All || event.acknowledges_nothing();
        writeln!(self.log, "{}{line}", if counts { "" } else { "# too late: " })?;
        if !counts {
            return Ok(None);
        }
        if let What::Refused(refusal) = &event.what {
            self.refusal = Some(format!("{}: {}", refusal.kind, refusal.message));
        }
        self.checker.read(&event);
        Ok(Some(event))
    }

    /// Notes what the rig does, among the events.
    pub(crate) fn note(&mut self, what: &str) -> anyhow::Result<()> {
        writeln!(self.log, "# {what}")?;
        Ok(())
    }

    /// Notes that a child is gone.
    pub(crate) fn crash(&mut self, how: &str) -> anyhow::Result<()> {
        self.note(how)?;
        self.checker.crash();
        Ok(())
    }

    /// Adds a finding of the rig.
    pub(crate) fn find(&mut self, invariant: Invariant, message: impl Into<String>) {
        self.checker.find(invariant, message);
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        self.checker.findings()
    }

    /// Copies everything that explains a failure into a folder.
    pub(crate) fn keep_evidence(&mut self, into: &Path, title: &str) -> anyhow::Result<()> {
        self.log.flush()?;
        if into.exists() {
            fs::remove_dir_all(into)?;
        }
        fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
        let mut text = format!("{title}\n\n");
        for finding in self.findings() {
            text.push_str(&format!("{finding}\n"));
        }
        fs::write(into.join("findings"), text)?;
        for name in [EVENTS, COMPLAINTS] {
            let from = self.folder.join(name);
            if from.exists() {
                fs::copy(from, into.join(name))?;
            }
        }
        for (from, to) in [(self.path(), "store"), (&self.folder.join(BEFORE), BEFORE)] {
            if from.exists() {
                tools::run("cp", &["-a", tools::text(from)?, tools::text(&into.join(to))?])?;
            }
        }
        Ok(())
    }
}

const BEFORE: &str = "store-before";
const EVENTS: &str = "events";
const COMPLAINTS: &str = "complaints";
