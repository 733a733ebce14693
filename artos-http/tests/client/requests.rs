//! Submitting, waiting, fetching, and what is tried again.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use artos_http::client::{ClientError, HttpClient, Status};
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

use crate::support::{BASE, NOBODY, Service, TOKEN, builder, documents, request, serve};

#[tokio::test]
async fn a_document_is_submitted_waited_for_and_fetched() {
    let service = Service::start().await;
    let (url, _serving) = serve(service.app.clone()).await;
    let documents = documents(&builder(&url).build().unwrap());
    let submitted = documents.submit(&request("CSR")).await.unwrap();
    assert!(!submitted.is_replayed);
    let id = submitted.task_id;
    let status = documents.wait(id).await.unwrap();
    assert_eq!((status.status, status.state.as_ref()), (Status::Complete, "completed"));
    assert_eq!(documents.status(id).await.unwrap(), status);
    assert_eq!(documents.cancel(id).await.unwrap(), status);
    assert_eq!(documents.document(id).await.unwrap(), "a CSR");
    let file = documents.download(id, "file").await.unwrap();
    assert_eq!(file.content_type(), Some("text/plain"));
    assert_eq!(file.bytes(5).await.unwrap(), "a CSR");
    let file = documents.download(id, "file").await.unwrap();
    assert!(matches!(file.bytes(4).await, Err(ClientError::TooLarge { limit: 4 })));

    let failed = documents.submit(&request("INCOMPLETE")).await.unwrap().task_id;
    let status = documents.wait(failed).await.unwrap();
    assert_eq!(status.status, Status::Failed);
    assert!(status.error.unwrap().contains("Safety Analysis"));
    let again = documents.retry(failed).await.unwrap().task_id;
    assert_eq!(documents.status(again).await.unwrap().retry_of, Some(failed.to_string()));
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_task() {
    let service = Service::start().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let lose_first = move |request: Request, next: Next| {
        let is_first = seen.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let answer = next.run(request).await;
            // The task is stored by now; the connection is cut before the answer.
            assert!(!is_first, "told to cut the connection");
            answer
        }
    };
    let (url, _serving) = serve(service.app.clone().layer(middleware::from_fn(lose_first))).await;
    let documents = documents(&builder(&url).build().unwrap());
    let submitted = documents.submit(&request("CSR")).await.unwrap();
    assert!(submitted.is_replayed);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(service.tasks().await, 1);
    let same = documents.submit_with_key(&request("CSR"), "order \"7\"").await;
    assert!(matches!(same, Err(ClientError::IdempotencyKey)));
    let first = documents.submit_with_key(&request("CSR"), "\"7\\").await.unwrap();
    let second = documents.submit_with_key(&request("CSR"), "\"7\\").await.unwrap();
    assert_eq!((first.task_id, second.is_replayed), (second.task_id, true));
    assert_eq!(service.tasks().await, 2);
}

/// The time at a service whose clock stands still.
const DATE: &str = "Wed, 21 Oct 2026 07:28:00 GMT";

/// A service that refuses so many requests, and then does as the real one.
fn refusing(app: Router, times: usize, retry_after: &'static str) -> Router {
    let left = Arc::new(AtomicUsize::new(times));
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        let one_less = |left: usize| left.checked_sub(1);
        let refuses = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        async move {
            let headers = [("retry-after", retry_after), ("date", DATE)];
            match refuses {
                true => (StatusCode::SERVICE_UNAVAILABLE, headers, "no").into_response(),
                false => next.run(request).await,
            }
        }
    }))
}

#[tokio::test]
async fn a_service_is_left_alone_for_as_long_as_it_asks() {
    let service = Service::start().await;
    // At once, and at a time that has passed.
    for retry_after in ["0", "Wed, 21 Oct 2026 07:27:00 GMT"] {
        let (url, _serving) = serve(refusing(service.app.clone(), 1, retry_after)).await;
        documents(&builder(&url).build().unwrap()).submit(&request("CSR")).await.unwrap();
    }
    // In an hour, for which this client has not the patience.
    for retry_after in ["3600", "Wed, 21 Oct 2026 08:28:00 GMT"] {
        let (url, _serving) = serve(refusing(service.app.clone(), usize::MAX, retry_after)).await;
        let refused = documents(&builder(&url).build().unwrap()).submit(&request("CSR")).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, ClientError::GaveUp { attempts: 1, .. }), "{error:?}");
        let refusal = error.refusal().unwrap();
        assert_eq!((refusal.status, &refusal.code), (StatusCode::SERVICE_UNAVAILABLE, &None));
    }
    let (url, _serving) = serve(refusing(service.app.clone(), usize::MAX, "0")).await;
    let client = builder(&url).attempts_max(3).build().unwrap();
    let error = documents(&client).submit(&request("CSR")).await.unwrap_err();
    assert!(matches!(error, ClientError::GaveUp { attempts: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn where_too_many_wait_it_polls() {
    let service = Service::start_with(|router| router.waiters_max(0)).await;
    let (waits, looks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (refused, answered) = (Arc::clone(&waits), Arc::clone(&looks));
    let release = service.release.clone();
    let count = move |request: Request, next: Next| {
        let is_status = request.uri().path().contains("/status/");
        let is_wait = request.headers().contains_key("prefer");
        let (refused, answered) = (Arc::clone(&refused), Arc::clone(&answered));
        let release = release.clone();
        async move {
            let mut answer = next.run(request).await;
            if is_status && is_wait && answer.status() == StatusCode::TOO_MANY_REQUESTS {
                refused.fetch_add(1, Ordering::SeqCst);
            } else if is_status && answered.fetch_add(1, Ordering::SeqCst) == 3 {
                release.send_replace(true);
            }
            answer.headers_mut().remove("retry-after");
            answer
        }
    };
    let (url, _serving) = serve(service.app.clone().layer(middleware::from_fn(count))).await;
    let documents = documents(&builder(&url).build().unwrap());
    let id = documents.submit(&request("HELD")).await.unwrap().task_id;
    assert_eq!(documents.wait(id).await.unwrap().status, Status::Complete);
    // The first look does not ask to wait; each later one does, and looks again without.
    let (waits, looks) = (waits.load(Ordering::SeqCst), looks.load(Ordering::SeqCst));
    assert!(waits >= 3 && looks > waits, "{waits} waits were refused, {looks} looks answered");
}

#[tokio::test]
async fn a_proxy_that_knows_no_wait_is_polled() {
    let service = Service::start().await;
    let looks = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&looks);
    let app =
        service.app.clone().layer(middleware::from_fn(move |mut request: Request, next: Next| {
            request.headers_mut().remove("prefer");
            let look = seen.fetch_add(1, Ordering::SeqCst);
            async move {
                let is_status = request.uri().path().contains("/status/");
                let answer = next.run(request).await;
                let (mut parts, body) = answer.into_parts();
                parts.headers.remove("retry-after");
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                // What the first looks see is a task that is still at it.
                let body = String::from_utf8(body.to_vec()).unwrap();
                let body = match is_status && look < 4 {
                    true => body.replace("Complete", "Generating"),
                    false => body,
                };
                parts.headers.remove("content-length");
                parts.headers.remove("etag");
                Response::from_parts(parts, axum::body::Body::from(body))
            }
        }));
    let (url, _serving) = serve(app).await;
    let documents = documents(&builder(&url).build().unwrap());
    let id = documents.submit(&request("CSR")).await.unwrap().task_id;
    assert_eq!(documents.wait(id).await.unwrap().status, Status::Complete);
    assert!(looks.load(Ordering::SeqCst) >= 5);
}

#[tokio::test]
async fn refusals_are_told_and_not_repeated() {
    let service = Service::start().await;
    let (url, _serving) = serve(service.app.clone()).await;
    let client = builder(&url).build().unwrap();
    let error = documents(&client).status(NOBODY.parse().unwrap()).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert!(matches!(error, ClientError::Refused(_)));
    assert_eq!((refusal.status.as_u16(), refusal.code.as_deref()), (404, Some("not_found")));
    assert!(!refusal.detail.is_empty() && refusal.request_id.is_some());

    let strange = client.resource::<u32, String>(BASE).submit(&7).await.unwrap_err();
    let refusal = strange.refusal().unwrap();
    assert_eq!(refusal.code.as_deref(), Some("validation_error"));

    let small = builder(&url).answer_bytes_max(10).build().unwrap();
    let error = documents(&small).submit(&request("CSR")).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { limit: 10 }), "{error:?}");
}

#[tokio::test]
async fn the_token_goes_nowhere_else() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let elsewhere = Router::new().fallback(async move |headers: HeaderMap| {
        told.lock().unwrap().push(headers);
    });
    let (other, _serving) = serve(elsewhere).await;
    let moved = Router::new()
        .fallback(async move || (StatusCode::TEMPORARY_REDIRECT, [("location", other.clone())]));
    let (url, _serving) = serve(moved).await;
    let client = builder(&url).build().unwrap();
    let error = documents(&client).submit(&request("CSR")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, StatusCode::TEMPORARY_REDIRECT);
    assert!(seen.lock().unwrap().is_empty());

    let shown = format!("{client:?} {:?} {:?}", documents(&client), builder(&url));
    assert!(!shown.contains(TOKEN) && shown.contains("127.0.0.1"), "{shown}");
    for bad in ["", "documents", "ftp://a", "http://me:pw@a", "http://a?b", "http://a#b"] {
        let error = HttpClient::new(bad, TOKEN).unwrap_err();
        assert!(matches!(error, ClientError::BaseUrl(_)), "{bad}: {error:?}");
    }
    assert!(matches!(HttpClient::new("http://a", "a\nb"), Err(ClientError::Token)));
}
