//! What a runtime costs that has nothing to do.

use std::{sync::Arc, time::Duration};

use crate::{
    counting::Counting,
    load,
    report::{FIGURES, cpu_time},
    stores::{Opened, StoreChoice},
};

/// For how long it is watched: thrice as long as the pauses of loops that look in case a hint was
/// lost. The pruner looks when the runtime starts, before it is watched, and then once an hour.
pub(crate) const SECONDS: u64 = 60;

/// Lets a runtime do nothing; percent of a core, and calls of the store each second.
pub(crate) async fn measure(
    choice: StoreChoice,
    seconds: u64,
    slots: usize,
) -> anyhow::Result<(f64, f64)> {
    let Opened { store, place: _place } = choice.open().await?;
    let counted = Arc::new(Counting::new(store));
    let runtime = load::runtime(Arc::<Counting>::clone(&counted), slots, 1).start().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, calls) = (cpu_time()?, counted.calls());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let used = cpu_time()?.saturating_sub(before).as_secs_f64();
    let calls = counted.calls() - calls;
    let (percent, each) = (used / seconds as f64 * 100.0, calls as f64 / seconds as f64);
    let what = format!("idle runtime, {choice}, {seconds} s");
    FIGURES.note(&format!("{what}: processor"), percent, "% of a core");
    FIGURES.note(&format!("{what}: calls of the store"), each, "a second");
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok((percent, each))
}
