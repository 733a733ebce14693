//! Waiting for a change instead of polling.

use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::Instant;

use crate::support::{BASE, GLOBEX, SECOND, Service};

/// Lets what was spawned run until it waits.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_the_moment_the_task_does() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let waiting = service.status(&id).header("prefer", "wait=50").spawn();
    settle().await;
    tokio::time::sleep(2 * SECOND).await;
    assert!(!waiting.is_finished());
    let released = Instant::now();
    service.script.permits.add_permits(1);
    let answer = waiting.await.unwrap();
    assert_eq!(released.elapsed(), Duration::ZERO, "woken by a poll, not by the change");
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("preference-applied"), "wait=50");
    assert_eq!(answer.header("vary"), "Prefer");
    // The stages follow each other, so the first change may be that of the first stage.
    let etag = answer.header("etag").to_owned();
    if answer.json()["status"] == "Generating" {
        let call = service.status(&id).header("prefer", "wait=50").header("if-none-match", &etag);
        assert_eq!(call.send().await.json()["status"], "Complete");
        assert_eq!(released.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_nothing_ends_when_it_was_asked_to() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let etag = service.status(&id).send().await.header("etag").to_owned();
    for (asked, granted) in [("wait=0", 0), ("wait=7", 7), ("wait=3600", 60)] {
        let started = Instant::now();
        let answer = service.status(&id).header("prefer", asked).send().await;
        assert_eq!(started.elapsed().as_secs(), granted);
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("preference-applied"), format!("wait={granted}"));
        let call = service.status(&id).header("prefer", asked).header("if-none-match", &etag);
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        assert_eq!(answer.header("preference-applied"), format!("wait={granted}"));
    }
    let started = Instant::now();
    let answer = service.status(&id).header("prefer", "wait=soon").send().await;
    assert_eq!((started.elapsed(), answer.header("preference-applied")), (Duration::ZERO, ""));
}

#[tokio::test(start_paused = true)]
async fn what_the_client_does_not_know_yet_is_not_waited_for() {
    let mut service = Service::start().await;
    let held = service.submit("HOLD").await;
    service.holding().await;
    let complete = service.finished("CSR").await;
    let started = Instant::now();
    let call = service.status(&held).header("prefer", "wait=60").header("if-none-match", "\"1\"");
    assert_eq!(call.send().await.status, StatusCode::OK);
    let answer = service.status(&complete).header("prefer", "wait=60").send().await;
    assert_eq!(answer.json()["status"], "Complete");
    let call = service.status(&complete).header("prefer", "wait=60");
    let answer = call.header("if-none-match", answer.header("etag")).send().await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_every_wait_with_how_the_task_is() {
    let mut service = Service::start().await;
    let id = service.submit("HOLD").await;
    service.holding().await;
    let waiting = service.status(&id).header("prefer", "wait=60").spawn();
    settle().await;
    let started = Instant::now();
    service.drain.start();
    let answer = waiting.await.unwrap();
    assert_eq!((started.elapsed(), answer.status), (Duration::ZERO, StatusCode::OK));
    assert_eq!(answer.json()["status"], "Generating");
    service.status(&id).header("prefer", "wait=60").send().await;
    assert_eq!(started.elapsed(), Duration::ZERO, "a new wait ends at once, too");
}

#[tokio::test(start_paused = true)]
async fn an_organization_cannot_take_all_the_places() {
    let mut service = Service::start_with(|router| router.waiters_max(2)).await;
    let id = service.submit("HOLD").await;
    let theirs = service.generate("HOLD").token(GLOBEX).send().await.task_id();
    service.holding().await;
    service.holding().await;
    let wait = |id: &str| service.status(id).header("prefer", "wait=60");
    let waiting = [wait(&id).spawn(), wait(&id).spawn()];
    settle().await;
    let refused = wait(&id).send().await;
    assert_eq!(refused.problem(429)["code"], "too_many_waiters");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(service.status(&id).send().await.status, StatusCode::OK, "polls are not counted");
    let other = wait(&theirs).token(GLOBEX).spawn();
    settle().await;
    assert!(!other.is_finished(), "another organization has places of its own");
    // A client that goes away makes room.
    for waiting in waiting {
        waiting.abort();
        let _ = waiting.await;
    }
    let again = wait(&id).spawn();
    settle().await;
    assert!(!again.is_finished());
    service.post(&format!("{BASE}/{id}/cancel")).send().await;
    assert_eq!(again.await.unwrap().status, StatusCode::OK);
}
