//! Several children on one database, that tell everything into one pipe.

use std::{
    fs::OpenOptions,
    io::{BufRead as _, BufReader, PipeReader, PipeWriter},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Duration,
};

use artos_oracle::{Dice, Invariant};

use super::watch::Watch;
use crate::{
    child::ChildDuty,
    healthy::shown,
    session::PATIENCE,
    stall,
    subject::{Believe, Subject},
    tools,
    watch::{Deadline, pause},
};

/// Children that run tasks, and children that submit them.
const WORKERS: usize = 3;
const SUBMITTERS: usize = 2;

/// How far back a stall of the machine may have to do with what comes late.
const LOOKED_BACK: Duration = Duration::from_secs(60);

/// Several children on one database.
pub(crate) struct Crowd {
    members: Vec<Member>,
    lines: Receiver<String>,
    /// What children get an end of; gone once no more are started.
    pipe: Option<PipeWriter>,
    pub(crate) watch: Watch,
}

/// One child.
pub(crate) struct Member {
    child: Child,
    input: Option<ChildStdin>,
    /// Its number, which its calls begin with.
    number: u64,
    works: bool,
}

impl Crowd {
    /// Starts workers and submitters.
    pub(crate) fn start(subject: &mut Subject) -> anyhow::Result<Self> {
        let (reader, pipe) = std::io::pipe()?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || read_lines(reader, &sender));
        let mut crowd =
            Self { members: Vec::new(), lines, pipe: Some(pipe), watch: Watch::default() };
        for _ in 0..WORKERS {
            crowd.add(subject, ChildDuty::Work)?;
        }
        for _ in 0..SUBMITTERS {
            crowd.add(subject, ChildDuty::Submit)?;
        }
        Ok(crowd)
    }

    /// Reads until all are connected and everything works; whether that is so in time.
    pub(crate) fn begin(&mut self, subject: &mut Subject, by: Deadline) -> anyhow::Result<bool> {
        self.read_until(subject, by, |watch| watch.has_begun(WORKERS + SUBMITTERS))
    }

    pub(crate) fn add(&mut self, subject: &mut Subject, duty: ChildDuty) -> anyhow::Result<()> {
        let Some(pipe) = &self.pipe else { anyhow::bail!("nobody is started any more") };
        let mut command = subject.command(duty, &[])?;
        let complaints = OpenOptions::new().create(true).append(true).open(subject.complaints())?;
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(pipe.try_clone()?)
            .stderr(complaints)
            .spawn()?;
        let input = child.stdin.take();
        let works = duty == ChildDuty::Work;
        self.members.push(Member { child, input, number: subject.children(), works });
        Ok(())
    }

    /// Reads what is told for so long.
    pub(crate) fn read_for(&mut self, subject: &mut Subject, time: Duration) -> anyhow::Result<()> {
        self.read_until(subject, Deadline::after(time), |_| false).map(|_| ())
    }

    /// Reads until the watch has seen enough; whether it had by then.
    pub(crate) fn read_until(
        &mut self,
        subject: &mut Subject,
        deadline: Deadline,
        is_enough: impl Fn(&Watch) -> bool,
    ) -> anyhow::Result<bool> {
        loop {
            if is_enough(&self.watch) {
                return Ok(true);
            }
            if deadline.is_over() {
                return Ok(false);
            }
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => self.take(subject, &line)?,
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the pipe is gone"),
            }
        }
    }

    /// Reads what has arrived by now.
    pub(crate) fn read_arrived(&mut self, subject: &mut Subject) -> anyhow::Result<()> {
        while let Ok(line) = self.lines.try_recv() {
            self.take(subject, &line)?;
        }
        Ok(())
    }

    fn take(&mut self, subject: &mut Subject, line: &str) -> anyhow::Result<()> {
        if let Some(event) = subject.read(line, Believe::All)?
            && let Some(message) = self.watch.see(&event)
        {
            // Whether the machine stood still is told, and changes nothing.
            let stalls = stall::within(LOOKED_BACK);
            subject.find(Invariant::Opens, format!("{message}; {stalls}"));
        }
        Ok(())
    }

    /// Kills some of the workers, and starts others in their place.
    pub(crate) fn kill_workers(
        &mut self,
        subject: &mut Subject,
        dice: &mut Dice,
    ) -> anyhow::Result<()> {
        let most = self.workers().count() as u64;
        for _ in 0..dice.between(1, most) {
            let Some(at) = self.members.iter().position(|member| member.works) else { break };
            let mut member = self.members.remove(at);
            member.child.kill()?;
            member.child.wait()?;
            self.watch.is_dead(member.number);
            self.add(subject, ChildDuty::Work)?;
        }
        Ok(())
    }

    /// Stops a worker where it is for so long, as a machine that is frozen.
    pub(crate) fn freeze(&mut self, subject: &mut Subject, time: Duration) -> anyhow::Result<()> {
        let frozen = self.workers().next().map(|member| (member.number, member.child.id()));
        let Some((number, pid)) = frozen else { return Ok(()) };
        self.watch.excuse(number);
        tools::run("kill", &["-STOP", &pid.to_string()])?;
        let read = self.read_for(subject, time);
        tools::run("kill", &["-CONT", &pid.to_string()])?;
        read
    }

    fn workers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.works)
    }

    /// Ends all children, gently or not, and reads the last they told.
    pub(crate) fn end(mut self, subject: &mut Subject, gently: bool) -> anyhow::Result<()> {
        for member in &mut self.members {
            member.input = None;
            if !gently {
                member.child.kill()?;
            }
        }
        for mut member in std::mem::take(&mut self.members) {
            let code = self.wait(subject, &mut member)?;
            if !matches!(code, None | Some(0)) {
                let message = format!("child {} ended with {}", member.number, shown(code));
                subject.find(Invariant::Opens, message);
            }
        }
        // The last they told may still be in the pipe, which ends with its last writer.
        self.pipe = None;
        let deadline = Deadline::after(PATIENCE);
        while !deadline.is_over() {
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.take(subject, &line)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        subject.crash(if gently { "all stopped gently" } else { "all killed" })
    }

    /// Waits for the end of a child; what it tells meanwhile is read, or it could not end.
    fn wait(&mut self, subject: &mut Subject, member: &mut Member) -> anyhow::Result<Option<i32>> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            self.read_arrived(subject)?;
            if let Some(status) = member.child.try_wait()? {
                return Ok(status.code());
            }
            if deadline.is_over() {
                subject.find(Invariant::Opens, format!("child {} does not end", member.number));
                member.child.kill()?;
                return Ok(member.child.wait()?.code());
            }
            pause(Duration::from_millis(2));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

fn read_lines(pipe: PipeReader, sender: &mpsc::Sender<String>) {
    let mut pipe = BufReader::with_capacity(1 << 16, pipe);
    let mut line = String::new();
    // A line is written whole, or not at all.
    while pipe.read_line(&mut line).is_ok_and(|read| read > 0 && line.ends_with('\n')) {
        if sender.send(std::mem::take(&mut line).trim_end().to_owned()).is_err() {
            return;
        }
    }
}
