//! SIGTERM under load: no accepted task is lost or made twice, and no answer breaks off half-way.
//!
//! Clients submit, poll, wait and follow streams without a pause, while the service is told to end
//! and is started again, ten times; `ARTOS_DRAIN_RESTARTS` says how often instead.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    api::{Api, copy_samples},
    service::{PATIENCE, Service, program, sled},
    wire::{Answer, Lost, Wire},
};

const RESTARTS: usize = 10;
/// Tasks that are submitted between two restarts, at most.
const TASKS: usize = 12;
/// Answers of each sort that are waited for before the service is told to end.
const ANSWERS: usize = 10;
const SUBMITTERS: usize = 3;
const BASE: &str = "/api/v1/documents";

/// What clients do, each over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Submit,
    Poll,
    Wait,
    Stream,
}

/// What everybody knows.
#[derive(Default)]
struct Shared {
    place: Mutex<Place>,
    changed: Condvar,
    is_over: AtomicBool,
    next: AtomicUsize,
    /// The task of each key that was answered with 202.
    accepted: Mutex<BTreeMap<usize, String>>,
    findings: Mutex<Vec<String>>,
    unanswered: AtomicUsize,
    refused: AtomicUsize,
}

#[derive(Default)]
struct Place {
    address: Option<SocketAddr>,
    starts: usize,
    /// Whole answers since the service was started.
    answers: BTreeMap<Sort, usize>,
}

impl Shared {
    fn moved_to(&self, address: SocketAddr) {
        let mut place = self.place.lock().unwrap();
        *place = Place { address: Some(address), starts: place.starts + 1, ..Place::default() };
        self.changed.notify_all();
    }

    /// Waits for the service to be somewhere else than at its last start.
    fn after(&self, starts: usize) -> Option<(usize, SocketAddr)> {
        let is_old =
            |place: &mut Place| place.starts <= starts && !self.is_over.load(Ordering::SeqCst);
        let place = self.place.lock().unwrap();
        let (place, waited) = self.changed.wait_timeout_while(place, PATIENCE, is_old).unwrap();
        assert!(!waited.timed_out(), "the service was not started again");
        (place.starts > starts).then(|| (place.starts, place.address.unwrap()))
    }

    /// Waits until clients of every sort got their answers.
    fn under_load(&self) {
        let is_idle = |place: &mut Place| {
            let sorts = [Sort::Submit, Sort::Poll, Sort::Wait, Sort::Stream];
            !sorts.iter().all(|sort| place.answers.get(sort).is_some_and(|n| *n >= ANSWERS))
        };
        let place = self.place.lock().unwrap();
        let (place, waited) = self.changed.wait_timeout_while(place, PATIENCE, is_idle).unwrap();
        assert!(!waited.timed_out(), "no load: {:?}", place.answers);
    }

    fn answered(&self, sort: Sort, starts: usize) {
        let mut place = self.place.lock().unwrap();
        if place.starts == starts {
            *place.answers.entry(sort).or_default() += 1;
            self.changed.notify_all();
        }
    }

    fn find(&self, finding: String) {
        self.findings.lock().unwrap().push(finding);
    }

    /// Returns one of the tasks that were accepted last.
    fn recent(&self, back: usize) -> Option<String> {
        let accepted = self.accepted.lock().unwrap();
        accepted.values().rev().nth(back % accepted.len().max(1)).cloned()
    }
}

/// A client that goes where the service is.
struct Client<'a> {
    shared: &'a Shared,
    sort: Sort,
    starts: usize,
    wire: Wire,
}

impl<'a> Client<'a> {
    fn new(shared: &'a Shared, sort: Sort) -> Self {
        let (starts, address) = shared.after(0).unwrap();
        Self { shared, sort, starts, wire: Wire::new(address) }
    }

    /// Sends a request until it is answered; `None` when all is over.
    fn call(&mut self, head: &str, body: &str) -> Option<Answer> {
        loop {
            match self.wire.call(head, body) {
                Ok(answer) if answer.status == 503 => {
                    // It says that it ends; the next one will take it.
                    if answer.json()["code"] != "draining" {
                        self.shared.find(format!("{head}: {}", answer.text()));
                    }
                    self.shared.refused.fetch_add(1, Ordering::SeqCst);
                }
                Ok(answer) => {
                    self.shared.answered(self.sort, self.starts);
                    return Some(answer);
                }
                Err(Lost::Unanswered) => {
                    self.shared.unanswered.fetch_add(1, Ordering::SeqCst);
                    // A kept connection may have ended before the service did.
                    if !self.is_listening() {
                        let (starts, address) = self.shared.after(self.starts)?;
                        (self.starts, self.wire) = (starts, Wire::new(address));
                    }
                    continue;
                }
                Err(Lost::Broken(what)) => self.shared.find(format!("an answer broke off: {what}")),
            }
            let (starts, address) = self.shared.after(self.starts)?;
            (self.starts, self.wire) = (starts, Wire::new(address));
        }
    }

    fn is_listening(&mut self) -> bool {
        self.wire.call("GET /livez HTTP/1.1", "").is_ok()
    }

    fn submit(&mut self) -> Option<()> {
        let number = self.shared.next.fetch_add(1, Ordering::SeqCst);
        let head = format!("POST {BASE}/generate HTTP/1.1\r\nIdempotency-Key: drain-{number}");
        let folder = "demo/documents";
        let body = format!(
            "{{\"document_type\": \"Protocol\", \
             \"file_paths\": [\"{folder}/protocol.pdf\", \"{folder}/investigator-summary.md\"], \
             \"output_name\": \"Report {number}\"}}"
        );
        let answer = self.call(&head, &body)?;
        let id = answer.json()["task_id"].as_str().map(str::to_owned);
        match id {
            Some(id) if answer.status == 202 => {
                self.shared.accepted.lock().unwrap().insert(number, id);
            }
            _ => self.shared.find(format!("{head}: {} {}", answer.status, answer.text())),
        }
        Some(())
    }

    /// Reads how a task is, now, after a wait, or as a stream.
    fn read(&mut self, back: usize) -> Option<()> {
        let Some(id) = self.shared.recent(back) else {
            thread::yield_now();
            return (!self.shared.is_over.load(Ordering::SeqCst)).then_some(());
        };
        let (more, header) = match self.sort {
            Sort::Wait => ("", "\r\nPrefer: wait=20"),
            Sort::Stream => ("/events", ""),
            Sort::Submit | Sort::Poll => ("", ""),
        };
        let head = format!("GET {BASE}/status/{id}{more} HTTP/1.1{header}");
        let answer = self.call(&head, "")?;
        let text = answer.text();
        if answer.status != 200 || !text.contains(&id) {
            self.shared.find(format!("{head}: {} {text}", answer.status));
        }
        Some(())
    }

    fn run(mut self) {
        let mut back = 0;
        while !self.shared.is_over.load(Ordering::SeqCst) {
            let room = TASKS * self.starts;
            let is_submitting =
                self.sort == Sort::Submit && self.shared.next.load(Ordering::SeqCst) < room;
            back += 1;
            let went_on = if is_submitting { self.submit() } else { self.read(back) };
            if went_on.is_none() {
                return;
            }
        }
    }
}

fn restarts() -> usize {
    match std::env::var("ARTOS_DRAIN_RESTARTS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("ARTOS_DRAIN_RESTARTS is {text:?}")),
        Err(_) => RESTARTS,
    }
}

#[test]
fn a_service_that_is_told_to_end_under_load_loses_no_task_and_breaks_no_answer() {
    let data = tempfile::tempdir().unwrap();
    copy_samples(data.path());
    let store = sled(data.path());
    let options = ["--concurrency", "1"];
    let shared = Shared::default();
    let service = Service::start(program(), &store, &options);
    shared.moved_to(service.address);
    let restarts = restarts();
    let service = thread::scope(|scope| {
        let mut service = service;
        let sorts = [Sort::Poll, Sort::Wait, Sort::Wait, Sort::Stream, Sort::Stream];
        for sort in sorts.into_iter().chain([Sort::Submit; SUBMITTERS]) {
            let shared = &shared;
            scope.spawn(move || Client::new(shared, sort).run());
        }
        // Whatever goes wrong in here, the clients must hear that it is over.
        let over = Over(&shared);
        for _ in 0..restarts {
            shared.under_load();
            let (code, said) = service.stop();
            assert_eq!(code, Some(0), "{}", said.join("\n"));
            service = Service::start(program(), &store, &options);
            shared.moved_to(service.address);
        }
        drop(over);
        service
    });
    let api = Api::new(service.address);
    let accepted = shared.accepted.into_inner().unwrap();
    for (number, id) in &accepted {
        let status = api.finished(id);
        assert_eq!(status["status"], "Complete", "task {number}: {status}");
    }
    let mut listed = api.list("");
    let mut expected: Vec<_> = accepted.into_values().collect();
    listed.sort_unstable();
    expected.sort_unstable();
    // A request that was sent again, because nobody answered, made no second task.
    assert_eq!(listed, expected);
    println!(
        "{restarts} restarts, {} tasks, {} requests refused and {} unanswered meanwhile",
        expected.len(),
        shared.refused.into_inner(),
        shared.unanswered.into_inner(),
    );
    let findings = shared.findings.into_inner().unwrap();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{}", said.join("\n"));
}

/// Says that it is over when it is dropped.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.changed.notify_all();
    }
}
