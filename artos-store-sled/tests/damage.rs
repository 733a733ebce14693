//! Whatever happens to a store's files, nothing that was acknowledged is missing without a word,
//! and a store that is refused stays as it is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod tasks;

use std::{fs, path::Path};

use artos_core::{
    model::{ListOrder, ListQuery, NewTask, TaskRecord},
    store::{Part, StoreError, TaskStore as _},
};
use artos_store_sled::{SledStore, offline};
use bytes::Bytes;
use tempfile::TempDir;

use tasks::{claim, complete, new_task};

const TASKS: u128 = 1_000;

/// Makes a store of several segments, in two sittings.
async fn make(folder: &Path) {
    for sitting in 0..2 {
        let store = SledStore::open(folder).unwrap();
        for batch in 0..TASKS / 100 {
            let numbers = (0..50).map(|at| (batch * 2 + sitting) * 50 + at);
            let tasks: Vec<_> = numbers
                .map(|number| NewTask { input: Bytes::from(vec![7; 900]), ..new_task(number) })
                .collect();
            store.insert(&tasks).await.unwrap();
            let leases = claim(&store, 40).await;
            let ends = leases.iter().map(|task| complete(task.record.lease_token(), b"done"));
            store.settle(&ends.collect::<Vec<_>>()).await.unwrap();
        }
    }
}

/// Reads all tasks.
async fn read(store: &SledStore) -> Result<Vec<TaskRecord>, StoreError> {
    let order = ListOrder::OldestFirst;
    let page = store.list(&ListQuery { limit: usize::MAX, order, ..ListQuery::default() }).await?;
    for record in &page.tasks {
        store.get(record.id, Part::Input).await?;
        store.get(record.id, Part::Output).await?;
    }
    Ok(page.tasks)
}

/// Returns the names and contents of all files that are not the lock.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = folder.read_dir().unwrap().map(Result::unwrap);
    let mut contents: Vec<_> = files
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "artos-store.lock")
        .collect();
    contents.sort();
    contents
}

fn write(folder: &Path, contents: &[(String, Vec<u8>)]) {
    fs::create_dir_all(folder.join("blobs")).unwrap();
    for (name, bytes) in contents {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Opens a damaged copy: it is refused and not touched, or says what is damaged, or is whole.
async fn check(good: &[(String, Vec<u8>)], expected: &[TaskRecord], damage: impl Fn(&mut Vec<u8>)) {
    let folder = TempDir::new().unwrap();
    let mut damaged = good.to_vec();
    let (_, data) = damaged.iter_mut().find(|(name, _)| name == "db").unwrap();
    damage(data);
    write(folder.path(), &damaged);
    match SledStore::open(folder.path()) {
        Err(StoreError::Corrupt { message }) => {
            if message.contains("nothing was changed") {
                assert!(message.contains("db"), "{message}");
                assert!(contents(folder.path()) == damaged, "{message}");
            }
        }
        Err(error) => panic!("{error}"),
        Ok(store) => match read(&store).await {
            Ok(tasks) => assert!(tasks == expected, "{} tasks, some changed", tasks.len()),
            Err(StoreError::Corrupt { .. } | StoreError::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        },
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_or_harmless() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let good = contents(folder.path());
    let store = SledStore::open(folder.path()).unwrap();
    let expected = read(&store).await.unwrap();
    assert_eq!(expected.len() as u128, TASKS);
    drop(store);
    let len = good.iter().find(|(name, _)| name == "db").unwrap().1.len();
    for at in (11..len).step_by(len / 40) {
        check(&good, &expected, |data| data[at] ^= 1 << (at % 8)).await;
    }
    // The headers of segments.
    for at in (0..len).step_by(512 * 1024) {
        check(&good, &expected, |data| data[at + 5] ^= 4).await;
    }
}

/// Opens a damaged copy that has to be refused, and returns what it says.
fn refused(damaged: &[(String, Vec<u8>)]) -> String {
    let folder = TempDir::new().unwrap();
    write(folder.path(), damaged);
    let Err(StoreError::Corrupt { message }) = SledStore::open(folder.path()) else {
        panic!("it must be refused");
    };
    assert!(contents(folder.path()) == damaged, "it was changed: {message}");
    // Nor does anybody else change it who only wants to look.
    assert!(offline::info(folder.path()).is_err());
    assert!(contents(folder.path()) == damaged, "`info` changed it");
    let report = offline::verify(folder.path(), &mut |_| ()).unwrap();
    assert!(!report.findings.is_empty());
    assert!(contents(folder.path()) == damaged, "`verify` changed it");
    message
}

#[tokio::test]
async fn a_store_that_was_not_closed_is_not_erased_for_a_lost_sector() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let store = SledStore::open(folder.path()).unwrap();
    for number in TASKS..TASKS + 1_500 {
        let task = NewTask { input: Bytes::from(vec![7; 1_000]), ..new_task(number) };
        store.insert(&[task]).await.unwrap();
    }
    // As a kill would leave it.
    let unclosed = contents(folder.path());
    let len = unclosed.iter().find(|(name, _)| name == "db").unwrap().1.len();
    drop(store);
    let mut refusals = 0;
    for at in (0..len).step_by(512 * 1024) {
        let mut damaged = unclosed.clone();
        let (_, data) = damaged.iter_mut().find(|(name, _)| name == "db").unwrap();
        data[at..at + 512].fill(0);
        let copy = TempDir::new().unwrap();
        write(copy.path(), &damaged);
        let Err(error) = SledStore::open(copy.path()) else { continue };
        if error.to_string().contains("the file `db` is damaged at offset") {
            // A page from before the snapshot: it is found when it is read, and nothing is lost.
            continue;
        }
        refused(&damaged);
        refusals += 1;
    }
    assert!(refusals > 0, "the last segments were written since the snapshot");
}

#[tokio::test]
async fn a_flipped_bit_at_the_end_of_a_store_that_was_not_closed_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    for number in 0..30 {
        store.insert(&[new_task(number)]).await.unwrap();
    }
    let unclosed = contents(folder.path());
    drop(store);
    let mut damaged = unclosed;
    let (_, data) = damaged.iter_mut().find(|(name, _)| name == "db").unwrap();
    let last = data.iter().rposition(|byte| *byte != 0).unwrap();
    data[last / 2] ^= 1;
    let message = refused(&damaged);
    assert!(message.contains("nothing was changed"), "{message}");
}

#[tokio::test]
async fn a_snapshot_that_was_being_written_is_no_snapshot() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    for unfinished in [b"".as_slice(), &[1; 40]] {
        let path = folder.path().join("snap.00000000000FFFFF.generating");
        fs::write(&path, unfinished).unwrap();
        let store = SledStore::open(folder.path()).unwrap();
        assert!(store.get(new_task(1).id, Part::Record).await.unwrap().is_some());
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_payload_that_looks_like_a_head_is_not_taken_for_one() {
    let content = [&2_u32.to_be_bytes()[..], &[9; 16], &[0; 64]].concat();
    let start = [&[0xA7, 1, 1][..], &84_u32.to_be_bytes()].concat();
    let checksum = crc32c::crc32c(&[b"h", start.as_slice(), &content].concat());
    let head = [start.as_slice(), &checksum.to_be_bytes(), &content].concat();
    for _ in 0..10 {
        let folder = TempDir::new().unwrap();
        let store = SledStore::open(folder.path()).unwrap();
        for number in 0..5 {
            store.insert(&[new_task(number)]).await.unwrap();
        }
        let input = Bytes::from(head.clone());
        store.insert(&[NewTask { input, ..new_task(5) }]).await.unwrap();
        drop(store);
        SledStore::open(folder.path()).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let store = SledStore::open(folder.path()).unwrap();
    let expected = read(&store).await.unwrap();
    for number in TASKS..TASKS + 500 {
        store.insert(&[new_task(number)]).await.unwrap();
    }
    // As a kill would leave it, and as it is when it was closed.
    let unclosed = contents(folder.path());
    drop(store);
    for good in [unclosed, contents(folder.path())] {
        let len = good.iter().find(|(name, _)| name == "db").unwrap().1.len();
        let mut refusals = 0;
        for at in (1..len).step_by(len / 25) {
            let mut damaged = good.clone();
            let (_, data) = damaged.iter_mut().find(|(name, _)| name == "db").unwrap();
            data.truncate(at);
            let copy = TempDir::new().unwrap();
            write(copy.path(), &damaged);
            match SledStore::open(copy.path()) {
                // Nothing but free room was behind.
                Ok(store) => {
                    let tasks = read(&store).await.unwrap();
                    assert!(expected.iter().all(|task| tasks.contains(task)), "cut at {at}");
                    assert_eq!(tasks.len() as u128, TASKS + 500, "cut at {at}");
                }
                Err(_) => {
                    let message = refused(&damaged);
                    assert!(message.contains("nothing was changed"), "cut at {at}: {message}");
                    assert!(message.contains("/db "), "cut at {at}: {message}");
                    refusals += 1;
                }
            }
        }
        assert!(refusals > 15, "{refusals} refusals");
    }
}

#[tokio::test]
async fn a_damaged_file_beside_the_data_is_named() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    drop(SledStore::open(folder.path()).unwrap());
    let good = contents(folder.path());
    assert!(good.iter().any(|(name, _)| name.starts_with("snap.")));
    for (name, bytes) in &good {
        if name != "conf" && !name.starts_with("snap.") {
            continue;
        }
        for at in [3, bytes.len() / 2, bytes.len() - 2] {
            let mut damaged = good.clone();
            let (_, bytes) = damaged.iter_mut().find(|(other, _)| other == name).unwrap();
            bytes[at] ^= 16;
            let message = refused(&damaged);
            assert!(message.contains(&format!("/{name} is damaged; nothing was")), "{message}");
        }
    }
}

#[tokio::test]
async fn a_mark_that_was_behind_is_right_once_the_store_is_open() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let (name, older_mark) =
        contents(folder.path()).into_iter().find(|(name, _)| name == "artos-store.mark").unwrap();
    make(folder.path()).await;
    fs::write(folder.path().join(&name), &older_mark).unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let copy = TempDir::new().unwrap();
    write(copy.path(), &contents(folder.path()));
    drop(store);
    let overview = offline::info(copy.path()).unwrap();
    assert_eq!(overview.acknowledged, Some(overview.sequence));
}

#[tokio::test]
async fn a_file_that_was_cut_short_or_zeroed_in_part_is_found() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let good = contents(folder.path());
    let store = SledStore::open(folder.path()).unwrap();
    let expected = read(&store).await.unwrap();
    drop(store);
    let len = good.iter().find(|(name, _)| name == "db").unwrap().1.len();
    for part in 0..12 {
        let at = len / 12 * part;
        check(&good, &expected, |data| data.truncate(at)).await;
        check(&good, &expected, |data| data[at..(at + 4_096).min(len)].fill(0)).await;
    }
}

/// Returns the number of each segment of a database, and where it is.
fn segments(data: &[u8]) -> Vec<(i64, usize)> {
    let headers = (0..data.len()).step_by(512 * 1024).filter_map(|at| {
        let header: &[u8; 20] = data.get(at..)?.first_chunk()?;
        (*header != [0; 20]).then_some((at, header))
    });
    let mut segments: Vec<_> = headers
        .map(|(at, header)| {
            let [_, _, _, _, lsn @ .., _, _, _, _, _, _, _, _] = *header;
            (i64::from_le_bytes(lsn) ^ i64::MAX, at)
        })
        .collect();
    segments.sort_unstable();
    segments
}

#[tokio::test]
async fn a_power_cut_that_leaves_a_gap_costs_only_what_was_not_acknowledged() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let store = SledStore::open(folder.path()).unwrap();
    let insert = async |numbers: std::ops::Range<u128>| {
        for number in numbers {
            let task = NewTask { input: Bytes::from(vec![7; 1_000]), ..new_task(number) };
            store.insert(&[task]).await.unwrap();
        }
    };
    insert(TASKS..TASKS + 1_000).await;
    let expected = read(&store).await.unwrap();
    let acknowledged = contents(folder.path());
    insert(TASKS + 1_000..TASKS + 2_500).await;
    let later = contents(folder.path());
    drop(store);

    // The last segment says that the one before it is stable, but the disk has not got that one;
    // or it has got that, and nothing, or only the first half, of the one before that.
    let data = |contents: &[(String, Vec<u8>)]| {
        contents.iter().find(|(name, _)| name == "db").unwrap().1.clone()
    };
    let mut cut = data(&later);
    let segments_then = segments(&data(&acknowledged));
    let segments_now = segments(&cut);
    let [.., half_at, (_, at), _] = segments_now.as_slice() else { panic!("{segments_now:?}") };
    assert!(segments_then.iter().all(|segment| segment < half_at), "{segments_now:?}");
    let replaced = |base: &[(String, Vec<u8>)], cut: &[u8]| -> Vec<_> {
        let all = base.iter().cloned();
        all.map(|(name, bytes)| if name == "db" { (name, cut.to_vec()) } else { (name, bytes) })
            .collect()
    };
    let mut half = cut.clone();
    half[half_at.1 + 256 * 1024..half_at.1 + 512 * 1024].fill(0);
    let mut early = cut.clone();
    early[half_at.1..half_at.1 + 512 * 1024].fill(0);
    cut[*at..*at + 512 * 1024].fill(0);
    let message = refused(&replaced(&later, &cut));
    assert!(message.contains("older than what it had acknowledged"), "{message}");
    let copy = TempDir::new().unwrap();
    write(copy.path(), &replaced(&later, &half));
    if let Ok(store) = SledStore::open(copy.path()) {
        // By chance sled had given up what is missing: then nothing is.
        assert_eq!(read(&store).await.unwrap().len() as u128, TASKS + 2_500);
    } else {
        let message = refused(&replaced(&later, &half));
        assert!(message.contains("is damaged at offset"), "{message}");
    }

    let cuts = [&cut, &half, &early];
    for (cut, by_operator) in cuts.into_iter().flat_map(|cut| [(cut, false), (cut, true)]) {
        let copy = TempDir::new().unwrap();
        write(copy.path(), &replaced(&acknowledged, cut));
        if by_operator {
            let report = offline::verify(copy.path(), &mut |_| ()).unwrap();
            assert!(report.findings.is_empty(), "{:?}", report.findings);
        }
        let store = SledStore::open(copy.path()).unwrap();
        let left = read(&store).await.unwrap();
        assert!(expected.iter().all(|task| left.contains(task)), "{} tasks left", left.len());
        store.insert(&[new_task(1_000_000)]).await.unwrap();
        drop(store);
        let store = SledStore::open(copy.path()).unwrap();
        assert_eq!(read(&store).await.unwrap().len(), left.len() + 1);
    }
}
