//! A task together with how it should run; what a caller hands in.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    Clock, Random, SystemClock, Task,
    error::SubmitError,
    model::{Labels, Name, NewTask, StartAt, TaskId, Timestamp},
    pipeline::encode,
    task::DEFAULT_QUEUE,
};

/// Largest payload a task may carry, in bytes: 64 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest name of a kind, queue or stage, and longest label key, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest idempotency key, tenant or label value, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// Most labels of a task, besides those of artos itself.
const LABELS_MAX: usize = 32;
/// How the keys of labels begin that artos itself sets, and most of them.
const OWN_LABELS: &str = "artos.";
const OWN_LABELS_MAX: usize = 8;

/// A task together with how it should run. A plain task converts into one.
///
/// # Examples
///
/// ```
/// # use artos_core::{Submission, Task};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct SendMail { to: String }
/// # impl Task for SendMail { const KIND: &'static str = "mail.send"; type Output = (); }
/// use std::time::Duration;
///
/// let mail = Submission::new(SendMail { to: "ada@example.org".into() })
///     .delay(Duration::from_secs(3600))
///     .label("campaign", "spring")
///     .idempotency_key("spring/ada");
/// ```
#[must_use = "a submission does nothing until it is submitted"]
pub struct Submission<T> {
    task: T,
    options: Options,
}

#[derive(Debug, Clone)]
struct Options {
    kind: Name,
    queue: Name,
    priority: i16,
    tenant: Option<Name>,
    labels: Labels,
    idempotency_key: Option<Name>,
    start_at: StartAt,
    expires_after: Option<Duration>,
}

impl<T: Task> Submission<T> {
    /// Wraps a task with the defaults: its kind's queue, priority 0, as soon as possible.
    pub fn new(task: T) -> Self {
        let kind = Name::from_static(T::KIND);
        Self { task, options: Options::new(kind, Name::from_static(T::QUEUE)) }
    }

    /// Returns the task.
    #[must_use]
    pub const fn task(&self) -> &T {
        &self.task
    }

    /// Lets the task wait in another queue than its kind's, until a runtime works on that queue;
    /// which do is not known here, so a misspelt one is not noticed.
    pub fn queue(mut self, queue: impl Into<Name>) -> Self {
        self.options.queue = queue.into();
        self
    }

    /// Sets the priority; higher runs first. Default: 0.
    pub fn priority(mut self, priority: i16) -> Self {
        self.options.priority = priority;
        self
    }

    /// Sets the organization the task belongs to.
    pub fn tenant(mut self, tenant: impl Into<Name>) -> Self {
        self.options.tenant = Some(tenant.into());
        self
    }

    /// Returns the labels it has so far.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.options.labels
    }

    /// Attaches a label to find the task by; a second value for a key replaces the first. A task
    /// has at most 32, and besides at most eight whose keys begin with `artos.`, which are for what
    /// is built around the core.
    pub fn label(mut self, key: impl Into<Name>, value: impl Into<Name>) -> Self {
        self.options.labels.insert(key.into(), value.into());
        self
    }

    /// Makes submitting twice safe: while a task of this kind and tenant with this key exists, a
    /// second submission returns that task, whatever has become of it. The same key with another
    /// input is refused. A retry of the task does not take the key over.
    pub fn idempotency_key(mut self, key: impl Into<Name>) -> Self {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// Lets the task wait for this long, on the store's clock, before it may start.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.start_at = StartAt::After(delay);
        self
    }

    /// Lets the task wait until this time on the store's clock; at once if it has passed. A
    /// `SystemTime` converts into a [`Timestamp`].
    pub fn run_at(mut self, time: Timestamp) -> Self {
        self.options.start_at = StartAt::At(time);
        self
    }

    /// Fails the task if it is not done this long after its submission. Default: no limit.
    ///
    /// A running stage is stopped on time. A task that waits for a free worker is found to be too
    /// late when its turn comes. The deadline must be later than the start.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.options.expires_after = Some(after);
        self
    }

    pub(crate) fn into_new_task(self, ids: &Ids) -> Result<NewTask, SubmitError> {
        let kind = self.options.kind.clone();
        let input = encode(&self.task)
            .map_err(|error| SubmitError::Encode { kind, message: error.to_string() })?;
        let task = NewTask { input, ..self.options.encode(ids) };
        check(&task)?;
        Ok(task)
    }
}

impl Submission<()> {
    /// Makes the options of a task without a value, for a context that runs nothing.
    pub(crate) fn bare(kind: Name) -> BareSubmission {
        BareSubmission(Options::new(kind, Name::from_static(DEFAULT_QUEUE)))
    }
}

pub(crate) struct BareSubmission(Options);

impl BareSubmission {
    pub(crate) fn encode(self, ids: &Ids) -> NewTask {
        self.0.encode(ids)
    }
}

impl Options {
    fn new(kind: Name, queue: Name) -> Self {
        Self {
            kind,
            queue,
            priority: 0,
            tenant: None,
            labels: Labels::new(),
            idempotency_key: None,
            start_at: StartAt::Now,
            expires_after: None,
        }
    }

    fn encode(self, ids: &Ids) -> NewTask {
        NewTask {
            priority: self.priority,
            tenant: self.tenant,
            labels: self.labels,
            idempotency_key: self.idempotency_key,
            start_at: self.start_at,
            expires_after: self.expires_after,
            ..NewTask::new(ids.task_id(), self.kind, self.queue, Bytes::new())
        }
    }
}

impl<T: Task> From<T> for Submission<T> {
    fn from(task: T) -> Self {
        Self::new(task)
    }
}

impl<T> fmt::Debug for Submission<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

/// Where task ids come from: a clock and randomness, both of which a test can control.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<Random>,
}

impl Ids {
    pub(crate) fn new(clock: impl Clock, random: Random) -> Self {
        Self { clock: Arc::new(clock), random: Arc::new(random) }
    }

    pub(crate) fn task_id(&self) -> TaskId {
        self.random.task_id(self.now())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new(SystemClock, Random::from_entropy())
    }
}

/// Returns whether a text can name a kind, queue or stage.
pub(crate) fn is_good_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)
}

/// Checks the limits that hold for every store.
pub(crate) fn check(task: &NewTask) -> Result<(), SubmitError> {
    let bad = |what, message: String| {
        Err(SubmitError::Invalid { kind: task.kind.clone(), what, message })
    };
    if task.input.len() > PAYLOAD_BYTES_MAX {
        let message = format!("{} bytes, expected at most {PAYLOAD_BYTES_MAX}", task.input.len());
        return bad("payload", message);
    }
    for (what, name) in [("kind", &task.kind), ("queue", &task.queue)] {
        if !is_good_name(name) {
            return bad(what, expected(name, NAME_BYTES_MAX));
        }
    }
    for (what, text) in [("idempotency key", &task.idempotency_key), ("tenant", &task.tenant)] {
        if let Some(text) = text
            && (text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control))
        {
            return bad(what, expected(text, TEXT_BYTES_MAX));
        }
    }
    if let (StartAt::After(delay), Some(deadline)) = (task.start_at, task.expires_after)
        && delay >= deadline
    {
        return bad("deadline", format!("{deadline:?}, expected more than the delay of {delay:?}"));
    }
    let own = task.labels.keys().filter(|key| key.starts_with(OWN_LABELS)).count();
    for (found, max) in [(task.labels.len() - own, LABELS_MAX), (own, OWN_LABELS_MAX)] {
        if found > max {
            return bad("set of labels", format!("{found} labels, expected at most {max}"));
        }
    }
    for (key, value) in &task.labels {
        if !is_good_name(key) {
            return bad("label", expected(key, NAME_BYTES_MAX));
        }
        if value.len() > TEXT_BYTES_MAX || value.contains(char::is_control) {
            return bad("label", expected(value, TEXT_BYTES_MAX));
        }
    }
    Ok(())
}

fn expected(found: &str, bytes_max: usize) -> String {
    let shown: String = found.chars().take(40).collect();
    format!(
        "found {shown:?} of {} bytes, expected 1 to {bytes_max} bytes without control characters",
        found.len()
    )
}
