//! A disk that says no: the service stops working, says why, stays alive, and loses nothing.

use tempfile::tempdir;

use crate::{
    api::{Api, copy_samples, json_of},
    service::{Service, program, program_with_file_limit, sled},
};

/// Largest file that the service may write, in KiB: more than any document has, and less than the
/// store needs for all of them.
const FILE_KIB_MAX: u64 = 600;
/// More documents than the store can have room for.
const DOCUMENTS_MAX: usize = 500;

#[test]
fn a_store_that_stopped_makes_the_service_unready_with_the_cause_and_loses_nothing() {
    let folder = tempdir().unwrap();
    copy_samples(folder.path());
    let store = sled(folder.path());
    let options = ["--lease-seconds", "2"];
    let mut service = Service::start(program_with_file_limit(FILE_KIB_MAX), &store, &options);
    let api = Api::new(service.address);
    let mut accepted = Vec::new();
    for number in 0..DOCUMENTS_MAX {
        let (code, body) = api.generate("full", number).unwrap();
        if code != 202 {
            assert_eq!(code, 503, "{}", String::from_utf8_lossy(&body));
            break;
        }
        accepted.push(json_of(&body)["task_id"].as_str().unwrap().to_owned());
    }
    assert!(accepted.len() < DOCUMENTS_MAX, "the store was never full");

    let (code, body) = api.get("/readyz").unwrap();
    let detail = json_of(&body)["detail"].to_string();
    assert_eq!(code, 503, "{detail}");
    // What the operating system said, word for word.
    assert!(detail.contains("File too large"), "{detail}");
    assert_eq!(api.get("/livez").unwrap().0, 200);
    let status = format!("/api/v1/documents/status/{}", accepted[0]);
    assert_eq!(api.get(&status).unwrap().0, 503, "what it says may not be true any more");

    // It has been told of the failure of a claim; from then on nothing starts.
    service.wait_for(|line| line.contains("claiming failed"));
    let told = service.seen().len();
    service.wait_for(|line| line.contains("claiming failed"));
    let since = &service.seen()[told..];
    assert!(!since.iter().any(|line| line.contains("stage started")), "{since:?}");
    let is_cause = |line: &&String| line.contains("ERROR") && line.contains("File too large");
    assert!(service.seen().iter().any(|line| is_cause(&line)), "the log must have the cause");
    assert!(service.is_running());
    service.kill();

    let service = Service::start(program(), &store, &options);
    let api = Api::new(service.address);
    for id in &accepted {
        assert_eq!(api.finished(id)["status"], "Complete", "{id}");
        assert!(!api.file(id).is_empty());
    }
    assert_eq!(api.get("/readyz").unwrap().0, 200);
}
