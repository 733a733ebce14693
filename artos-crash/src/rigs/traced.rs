//! Children below strace, which does something to their Nth system call of a sort.
//!
//! strace counts for each thread and each system call on its own.

/// System calls that write.
pub(crate) const WRITES: &str = "pwrite64,ftruncate";
/// System calls that sync.
pub(crate) const SYNCS: &str = "fsync,fdatasync,sync_file_range";
/// System calls that change folders.
pub(crate) const NAMES: &str = "rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat";

/// What is done to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Injection {
    /// The process is killed.
    Kill,
    /// It fails once, as a broken disk lets it.
    FailOnce,
    /// It fails from then on.
    FailOn,
}

/// Returns the tool and its arguments that do something to the Nth system call out of a set.
pub(crate) fn inject(calls: &str, injection: Injection, number: u64) -> Vec<String> {
    let what = match injection {
        Injection::Kill => format!("signal=KILL:when={number}"),
        Injection::FailOnce => format!("error=EIO:when={number}"),
        Injection::FailOn => format!("error=EIO:when={number}+"),
    };
    let inject = format!("inject={calls}:{what}");
    let trace = format!("trace={calls}");
    let mut tool = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    if injection != Injection::Kill {
        // Leaves all other calls alone, which is much faster; but then no signal comes.
        tool.push("--seccomp-bpf");
    }
    tool.into_iter().map(String::from).collect()
}

/// What the rig needs, and the Debian package that has it.
pub(crate) fn require() -> anyhow::Result<()> {
    crate::tools::require(&[("strace", "strace")], false)
}
