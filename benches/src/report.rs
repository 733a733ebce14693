//! What a run prints: rates, processor time, memory.

use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Processor time this process has used so far, by the kernel's account.
pub(crate) fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The command's name may hold spaces; the fields after its closing parenthesis do not.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
    // Linux counts in hundredths of a second on every platform we run on.
    Ok(Duration::from_millis(ticks * 10))
}

/// The most memory this process has held, in mebibytes.
pub(crate) fn peak_memory_mib() -> anyhow::Result<u64> {
    Ok(status_kib("VmHWM:")? / 1024)
}

/// The memory this process holds, in bytes.
pub(crate) fn memory_bytes() -> anyhow::Result<u64> {
    Ok(status_kib("VmRSS:")? * 1024)
}

fn status_kib(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    Ok(kib.unwrap_or(0))
}

/// The bytes of all files of a folder.
pub(crate) fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

/// A measurement under way.
pub(crate) struct Stopwatch {
    started: Instant,
    cpu: Duration,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { cpu: cpu_time()?, started: Instant::now() })
    }

    /// Prints how long `count` things took, and returns how many that were each second.
    pub(crate) fn rate(&self, what: &str, count: u64) -> anyhow::Result<f64> {
        let elapsed = self.started.elapsed();
        let cpu = cpu_time()?.saturating_sub(self.cpu);
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let rate = count as f64 / elapsed.as_secs_f64();
        println!(
            "{what}: {count} in {:.3} s = {rate:.0}/s; {:.2} s of processor time; peak {} MiB",
            elapsed.as_secs_f64(),
            cpu.as_secs_f64(),
            peak_memory_mib()?
        );
        Ok(rate)
    }

    /// Prints how long `count` things took.
    pub(crate) fn report(&self, what: &str, count: u64) -> anyhow::Result<()> {
        self.rate(what, count).map(|_| ())
    }
}
