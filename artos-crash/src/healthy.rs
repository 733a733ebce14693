//! What a child does with a store when nothing is done to it, and what is a finding if it does not.

use std::time::Duration;

use artos_oracle::{Dice, Invariant, What};

use crate::{
    child::{ChildDuty, REFUSED, STOPPED},
    session::{PATIENCE, Seen, Session},
    subject::{Believe, Subject},
    watch::Deadline,
};

/// How the opening of a store went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is open, and everything in it was compared.
    Open,
    /// It said why not.
    Refused,
    /// The child is gone without a word, or says nothing: a finding.
    Lost,
}

/// Reads until a child has told everything that is in its store.
pub(crate) fn opening(session: &mut Session, subject: &mut Subject) -> anyhow::Result<Opening> {
    let is_over = |what: &What| matches!(what, What::DumpEnds { .. } | What::Refused(_));
    subject.refusal = None;
    let seen = session.read_until(subject, Deadline::after(PATIENCE), is_over)?;
    match seen {
        Seen::Wanted if subject.refusal.is_some() => Ok(Opening::Refused),
        Seen::Wanted => Ok(Opening::Open),
        Seen::End => {
            let code = session.wait()?;
            let message = format!(
                "the process ended while it opened the store ({}), and said nothing; its \
                 complaints tell more",
                shown(code)
            );
            subject.find(Invariant::Opens, message);
            Ok(Opening::Lost)
        }
        Seen::Nothing => {
            hangs(session, subject, "the store does not open")?;
            Ok(Opening::Lost)
        }
    }
}

/// The same where the store has no reason to refuse: then a refusal is a finding.
pub(crate) fn must_open(session: &mut Session, subject: &mut Subject) -> anyhow::Result<bool> {
    let opening = opening(session, subject)?;
    if opening == Opening::Refused {
        refused(subject);
    }
    Ok(opening == Opening::Open)
}

/// Turns a refusal to open into a finding.
pub(crate) fn refused(subject: &mut Subject) {
    let refusal = subject.refusal.clone().unwrap_or_default();
    subject.find(Invariant::Opens, format!("what was acknowledged is out of reach: {refusal}"));
}

/// Waits for the end of a child that nothing was done to but a signal, and checks how it ended.
pub(crate) fn must_end_well(session: &mut Session, subject: &mut Subject) -> anyhow::Result<()> {
    if session.read_rest(subject, Believe::All)? == Seen::Nothing {
        hangs(session, subject, "the process does not end")?;
        session.kill();
    }
    match session.wait()? {
        None | Some(0) => {}
        Some(code) if code == i32::from(REFUSED) => refused(subject),
        Some(code) if code == i32::from(STOPPED) => {
            subject.find(Invariant::Opens, "the store stopped, and nothing was done to it");
        }
        code => {
            let message =
                format!("the process ended with {}; its complaints tell more", shown(code));
            subject.find(Invariant::Opens, message);
        }
    }
    Ok(())
}

/// Lets a child work on the store for a while, and kills it; returns whether the store was opened.
pub(crate) fn work_and_die(
    subject: &mut Subject,
    wait: Duration,
    how: &str,
) -> anyhow::Result<bool> {
    let mut session =
        Session::start(subject.command(ChildDuty::Load, &[])?, &subject.complaints())?;
    if !must_open(&mut session, subject)? {
        return Ok(false);
    }
    session.read_until(subject, Deadline::after(wait), |_| false)?;
    session.kill();
    must_end_well(&mut session, subject)?;
    subject.crash(how)?;
    Ok(true)
}

/// Makes a store with tasks in it; returns whether that went well.
pub(crate) fn make_old(subject: &mut Subject, dice: &mut Dice) -> anyhow::Result<bool> {
    let wait = Duration::from_millis(dice.between(20, 120));
    work_and_die(subject, wait, "killed, to be opened again")
}

/// Notes that a child hangs, and where; it is killed when its session is dropped.
pub(crate) fn hangs(
    session: &mut Session,
    subject: &mut Subject,
    what: &str,
) -> anyhow::Result<()> {
    subject
        .find(Invariant::Opens, format!("{what}, after {PATIENCE:?}; its complaints tell where"));
    // It may end just now after all.
    if let Err(error) = session.describe_hang(&subject.complaints()) {
        subject.note(&format!("where it hangs is not known: {error:#}"))?;
    }
    Ok(())
}

pub(crate) fn shown(code: Option<i32>) -> String {
    code.map_or_else(|| String::from("a signal"), |code| format!("exit code {code}"))
}

/// How long it may take until every task is terminal: leases, backoffs and delays are all below two
/// seconds, and a task has at most five stages of eight attempts.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// Lets a store work without faults until every task is terminal, and looks at what it has then,
/// once it has settled down.
pub(crate) fn heal(
    subject: &mut Subject,
    settle_down: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut session =
        Session::start(subject.command(ChildDuty::Heal, &[])?, &subject.complaints())?;
    if must_open(&mut session, subject)? {
        let is_done = |what: &What| matches!(what, What::Done);
        if session.read_until(subject, Deadline::after(HEALED_WITHIN), is_done)? == Seen::Nothing {
            let message = format!("not every task was terminal after {HEALED_WITHIN:?}");
            subject.find(Invariant::Ends, message);
            session.kill();
        }
        must_end_well(&mut session, subject)?;
    }
    subject.crash("healed")?;
    if subject.findings().is_empty() {
        // By another process: in the last one a prune may have been under way.
        settle_down()?;
        let mut session =
            Session::start(subject.command(ChildDuty::Dump, &[])?, &subject.complaints())?;
        if must_open(&mut session, subject)? {
            subject.checker.everything_ended();
            must_end_well(&mut session, subject)?;
        }
        subject.crash("looked at")?;
    }
    Ok(())
}
