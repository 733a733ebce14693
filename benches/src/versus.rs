//! The sled store beside raw sled: the same bytes, groups and syncs, in turns in one run.

use crate::{
    ceiling,
    load::{self, Submitting},
    stores::StoreChoice,
};

/// Bytes that a no-op task of this benchmark takes in the store, once it is completed.
const TASK_BYTES: usize = 400;

/// Runs both in turns, and prints medians and ratios.
pub(crate) async fn sled(tasks: u64, turns: usize, slots: usize) -> anyhow::Result<()> {
    let mut ceilings = Vec::new();
    let (mut completed, mut acknowledged, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let whole = Submitting { tasks, callers: 64, batch: 100, slots };
        let rates = load::submit(StoreChoice::Sled, whole).await?;
        let ceiling = ceiling::sled(tasks, 256, TASK_BYTES)?;
        let single = Submitting { tasks: tasks / 4, callers: 256, batch: 1, slots };
        acknowledged.push(load::submit(StoreChoice::Sled, single).await?.acknowledged);
        ratios.push(rates.completed / ceiling);
        completed.push(rates.completed);
        ceilings.push(ceiling);
    }
    println!("medians of {turns}, with what is acknowledged outliving power cuts:");
    println!("  ceiling, raw sled, an insert and an overwrite: {:.0} tasks/s", median(ceilings));
    println!("  submitted, run and completed:                  {:.0} tasks/s", median(completed));
    println!("  ratio of the two:                              {:.2}", median(ratios));
    println!("  256 callers, one by one: {:.0} acknowledged/s", median(acknowledged));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
