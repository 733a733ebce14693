//! What a run prints: rates, processor time, memory.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::time::ClockId;
use serde_json::{Value, json};

/// Processor time this process has used so far, by the kernel's account.
pub(crate) fn cpu_time() -> anyhow::Result<Duration> {
    // To the nanosecond; the counters in `/proc` know hundredths of a second, and an idle runtime
    // is held to six of them in the minute for which it is watched.
    let used = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    Ok(Duration::try_from(used)?)
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
        FIGURES.keep(what, rate, "per second");
        Ok(rate)
    }

    /// Prints how long `count` things took.
    pub(crate) fn report(&self, what: &str, count: u64) -> anyhow::Result<()> {
        self.rate(what, count).map(|_| ())
    }
}

/// What a run found, for `--json` and for plots.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Vec<Value>>);

/// The figures of this run.
pub(crate) static FIGURES: Figures = Figures(Mutex::new(Vec::new()));

impl Figures {
    /// Prints a figure and keeps it.
    pub(crate) fn note(&self, what: &str, value: f64, unit: &str) {
        println!("{what}: {} {unit}", short(value));
        self.keep(what, value, unit);
    }

    pub(crate) fn keep(&self, what: &str, value: f64, unit: &str) {
        let figure = json!({ "what": what, "value": value, "unit": unit });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(figure);
    }

    /// Takes over the figures that another process of this program wrote to a file.
    pub(crate) fn adopt(&self, path: &Path) -> anyhow::Result<()> {
        let mut written: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        if let Some(Value::Array(figures)) = written.get_mut("figures").map(Value::take) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(figures);
        }
        Ok(())
    }

    /// What this run took, and the machine it ran on.
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        Ok(json!({
            "artos": env!("CARGO_PKG_VERSION"),
            "machine": machine()?,
            "peak_memory_mib": peak_memory_mib()?,
            "processor_seconds": cpu_time()?.as_secs_f64(),
            "bytes_written": bytes_written()?,
            "figures": *self.0.lock().unwrap_or_else(PoisonError::into_inner),
        }))
    }

    /// Writes everything that was found, with the machine it was found on.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let all = self.run()?;
        std::fs::write(path, serde_json::to_vec_pretty(&all)?)?;
        Ok(())
    }
}

/// A number as one would say it.
pub(crate) fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The processor, the number of them, and the kernel.
pub(crate) fn machine() -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let model = model.trim_start_matches(['\t', ' ', ':']);
    Ok(format!("{cores} x {model}, Linux {}", kernel.trim()))
}

/// Bytes this process had written to disks.
fn bytes_written() -> anyhow::Result<u64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0))
}

/// The one in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 500)
}

/// The least of the values that so many of a thousand are no larger than: 990 is the 99th
/// percentile, which two of 200 values exceed, and 1,000 is the largest.
pub(crate) fn percentile(values: &[f64], permille: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let rank = (values.len() * permille).div_ceil(1_000).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The fewest values of which a 99th percentile is told: two of 200 are larger.
const VALUES_FOR_P99: usize = 200;

/// The percentiles that are told of as many values as there are, by name.
pub(crate) fn percentiles(values: &[f64]) -> Vec<(&'static str, f64)> {
    let mut names = vec![("p50", 500), ("p95", 950), ("p99", 990), ("max", 1_000)];
    names.retain(|(name, _)| *name != "p99" || values.len() >= VALUES_FOR_P99);
    names.into_iter().map(|(name, permille)| (name, percentile(values, permille))).collect()
}

/// A bar that shows how much is done; nothing where nobody looks.
pub(crate) fn bar(what: &str, count: u64) -> ProgressBar {
    let bar = ProgressBar::new(count).with_message(String::from(what));
    let template = "{msg} {wide_bar} {human_pos}/{human_len} {eta}";
    bar.with_style(ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_no_99th_percentile() {
        let names = |count| {
            let told = percentiles(&vec![1.0; count]);
            told.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(200), ["p50", "p95", "p99", "max"]);
        assert_eq!(names(199), ["p50", "p95", "max"]);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(median(&values), 100.0);
        assert_eq!(percentile(&values, 990), 198.0);
        assert_eq!(percentile(&values, 1_000), 200.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(percentile(&[4.0], 990), 4.0);
        assert!(median(&[]).is_nan());
    }
}
