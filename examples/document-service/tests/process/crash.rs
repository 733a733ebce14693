//! Whatever was answered with 202 survives kill -9, at any moment, and no acknowledged stage is run
//! again.
//!
//! The service is killed at each sort of moment, and then at random ones. `ARTOS_CRASH_KILLS` says
//! how often; without it, 14 times. `ARTOS_CRASH_SEED` chooses the random moments of an earlier
//! run, whose seed is in its output.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use artos_core::Random;
use document_service::extract::extract;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    api::{Api, copy_samples, json_of, output_name},
    journal::{Event, Journal, attempt_under_way},
    moments::Moment,
    service::{PATIENCE, Service, program, sled},
};

/// Documents that are submitted before, while and after the service is killed.
const BATCH: usize = 50;
/// Kills of an everyday run.
const KILLS: u32 = 14;
/// A stage is given up after eight attempts, whoever is to blame. Before that, it is let through.
const ATTEMPTS_MAX: u32 = 5;
/// Silence after which it is worth asking whether everything is done.
const QUIET: Duration = Duration::from_millis(500);
/// Requests on their way at a time.
const CLIENTS: usize = 4;

/// Where the service is now.
#[derive(Default)]
struct Whereabouts {
    place: Mutex<Place>,
    moved: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// How often the service was started.
    starts: usize,
    address: Option<SocketAddr>,
}

impl Whereabouts {
    fn moved_to(&self, address: SocketAddr) {
        let mut place = self.place.lock().unwrap();
        *place = Place { starts: place.starts + 1, address: Some(address) };
        self.moved.notify_all();
    }

    /// Waits until the service was started more often than that.
    fn after(&self, starts: usize) -> (usize, Api) {
        let is_old = |place: &mut Place| place.starts <= starts;
        let place = self.place.lock().unwrap();
        let (place, waited) = self.moved.wait_timeout_while(place, PATIENCE, is_old).unwrap();
        assert!(!waited.timed_out(), "the service was not started again");
        (place.starts, Api::new(place.address.unwrap()))
    }
}

/// Submits documents until all are accepted, as a client does that hears of a crash only as an
/// error: it sends the same again, under the same idempotency key, until that is answered with 202.
fn submit(service: &Whereabouts, name: &str, next: &AtomicUsize, accepted: &Sender<Accepted>) {
    let (mut starts, mut api) = service.after(0);
    loop {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= BATCH {
            return;
        }
        let id = loop {
            match api.generate(name, number) {
                Ok((202, body)) => break json_of(&body)["task_id"].as_str().unwrap().to_owned(),
                Ok((code, body)) => panic!("{code}: {}", String::from_utf8_lossy(&body)),
                Err(_) => (starts, api) = service.after(starts),
            }
        };
        accepted.send(Accepted { number, id }).unwrap();
    }
}

/// A request that was answered with 202.
struct Accepted {
    number: usize,
    id: String,
}

/// A folder on which the service is started and killed again and again.
struct Rig {
    folder: TempDir,
    whereabouts: Arc<Whereabouts>,
    journal: Journal,
    /// Kills so far, and how many of them hit a running stage.
    kills: u32,
    hits: u32,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_samples(folder.path());
        Self { folder, whereabouts: Arc::default(), journal: Journal::default(), kills: 0, hits: 0 }
    }

    fn start(&self) -> Service {
        let store = sled(self.folder.path());
        let service = Service::start(program(), &store, &[]);
        self.whereabouts.moved_to(service.address);
        service
    }

    /// Returns how many documents there are.
    fn count(&self) -> usize {
        let service = self.start();
        Api::new(service.address).list("").len()
    }

    /// Submits a batch, kills the service at these moments while it is worked on, until it was
    /// killed often enough or all is done, and checks that nothing was lost.
    fn batch(&mut self, name: &str, kills: u32, moments: &mut impl Iterator<Item = Moment>) {
        let (sender, accepted) = mpsc::channel();
        let next = Arc::new(AtomicUsize::new(0));
        let mut service = self.start();
        for _ in 0..CLIENTS {
            let (name, sender) = (name.to_owned(), sender.clone());
            let (whereabouts, next) = (Arc::clone(&self.whereabouts), Arc::clone(&next));
            thread::spawn(move || submit(&whereabouts, &name, &next, &sender));
        }
        drop(sender);
        while self.kills < kills && moments.next().is_some_and(|one| reach(&mut service, one)) {
            self.kills += 1;
            self.hits += u32::from(self.journal.read(&service.kill()) > 0);
            service = self.start();
        }
        let accepted: Vec<_> = accepted.iter().collect();
        assert_eq!(accepted.len(), BATCH, "a client gave up");
        let api = Api::new(service.address);
        for one in &accepted {
            check_document(&api, name, one);
        }
        let (code, lines) = service.stop();
        assert_eq!(code, Some(0), "{}", lines.join("\n"));
        self.journal.read(&lines);
        for one in &accepted {
            assert!(self.journal.is_over(&one.id), "{} is complete and was not run", one.id);
        }
    }
}

/// Waits for a moment. Returns false if it does not come, because everything is done.
fn reach(service: &mut Service, moment: Moment) -> bool {
    let api = Api::new(service.address);
    let mut lines_left = moment.lines();
    while lines_left > 0 || attempt_under_way(service.seen()) > ATTEMPTS_MAX {
        match service.next(QUIET) {
            Some(line) => {
                lines_left = lines_left.saturating_sub(usize::from(moment.is_brought_by(line)));
            }
            // Nothing may be said for a while, as when tasks wait for their leases to lapse.
            None if api.list("&status=Generating").is_empty() => {
                return false;
            }
            None => {}
        }
    }
    service.next(moment.pause());
    true
}

/// Checks that a document is complete, can be fetched, and is what the service says it is.
fn check_document(api: &Api, name: &str, accepted: &Accepted) {
    let Accepted { number, id } = accepted;
    let status = api.finished(id);
    assert_eq!(status["status"], "Complete", "{status}");
    let document = api.document(id);
    assert_eq!(document["document_id"], id.as_str());
    assert_eq!(document["document_name"], output_name(name, *number));
    let file = api.file(id);
    let digest = Sha256::digest(&file);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(document["metadata"]["sha256"], digest, "{id}");
    let read_back = extract("report.docx", &file).unwrap();
    assert!(read_back.blocks.len() > 20, "{id}: {} blocks", read_back.blocks.len());
}

/// Reads a number from the environment.
fn from_environment(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is `{text}`: expected a whole number")))
}

#[test]
fn a_task_whose_process_was_killed_goes_on_as_soon_as_the_service_is_back() {
    let folder = tempfile::tempdir().unwrap();
    copy_samples(folder.path());
    // Longer than anybody would wait: nobody else can have the folder, so nothing has to lapse.
    let options = ["--lease-seconds", "3600"];
    let store = sled(folder.path());
    let mut service = Service::start(program(), &store, &options);
    let (code, body) = Api::new(service.address).generate("orphan", 0).unwrap();
    assert_eq!(code, 202);
    let id = json_of(&body)["task_id"].as_str().unwrap().to_owned();
    service.wait_for(|line| matches!(Event::parse(line), Some(Event::Started { .. })));
    service.kill();

    let mut service = Service::start(program(), &store, &options);
    service.wait_for(|line| line.contains("attempt settled") && line.contains(&id));
    check_document(&Api::new(service.address), "orphan", &Accepted { number: 0, id });
}

#[test]
fn what_was_accepted_survives_kill_9_at_any_moment() {
    let kills = from_environment("ARTOS_CRASH_KILLS").unwrap_or(KILLS);
    // Other moments in each run, unless an earlier one is to be repeated.
    let seed = from_environment("ARTOS_CRASH_SEED").unwrap_or_else(std::process::id);
    println!("ARTOS_CRASH_SEED={seed} repeats these moments");
    let started = Instant::now();
    let mut rig = Rig::new();
    let random = Random::from_seed(u64::from(seed));
    let at_random = std::iter::repeat_with(|| Moment::random(&random));
    let mut moments = Moment::each().into_iter().chain(at_random);
    let mut batches = 0;
    while rig.kills < kills {
        rig.batch(&format!("batch-{batches}"), kills, &mut moments);
        batches += 1;
    }
    println!(
        "{} kills, {} of them while stages ran; {batches} batches of {BATCH} documents; {} \
         acknowledged checkpoints; {} stages ran again, with at most {} attempts; {:?}",
        rig.kills,
        rig.hits,
        rig.journal.acknowledged,
        rig.journal.repeated.len(),
        rig.journal.attempts_max,
        started.elapsed(),
    );
    // Else it was killed when there was nothing to lose.
    assert!(rig.hits * 2 >= kills, "only {} of {kills} kills hit a running stage", rig.hits);
    assert_eq!(rig.count(), batches * BATCH, "a request that was sent again became two documents");
}
