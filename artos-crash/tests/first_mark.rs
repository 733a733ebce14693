//! The mark of a new store is on the disk before anything is acknowledged: a mark of zero says that
//! there is nothing to lose.

use std::sync::{Mutex, PoisonError};

use artos_store_sled::{
    SledStore,
    failpoints::{Point, on_reached},
};

static REACHED: Mutex<Vec<Point>> = Mutex::new(Vec::new());

#[test]
fn the_first_mark_is_synced_before_the_first_answer() -> anyhow::Result<()> {
    let reached = || REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(on_reached(move |point| reached().push(point)));
    let folder = tempfile::tempdir()?;
    // Once it is closed, its threads have gone past every point.
    drop(SledStore::open(folder.path())?);
    let points = reached().clone();
    let first = |wanted: Point| points.iter().position(|point| *point == wanted);
    let synced = first(Point::MarkSynced);
    assert!(synced.is_some() && synced < first(Point::Answered), "{points:?}");
    Ok(())
}
