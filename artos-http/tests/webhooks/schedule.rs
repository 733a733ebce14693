//! When deliveries are tried again, and when they are given up.

use std::time::Duration;

use artos_core::Clock;

use crate::support::{HOOKS, Receiver, Service};

const SCHEDULE: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// Waits for attempt `made` to be over, and returns how long after it the next is due.
async fn wait_of_next(service: &Service, endpoint: &str, made: usize) -> f64 {
    let attempts = service.attempts(endpoint, made + 1).await;
    assert_eq!(attempts.len(), made + 1);
    assert_eq!(attempts[0]["outcome"], "scheduled");
    assert_eq!(attempts[1]["outcome"], "retried");
    let seconds = |at: usize| {
        let text = attempts[at]["at"].as_str().unwrap();
        let (clock, fraction) = text.trim_end_matches('Z').split_once('.').unwrap_or((text, "0"));
        let mut parts = clock.rsplit(['T', ':', '-']).map(|part| part.parse::<f64>().unwrap_or(0.));
        let mut next = || parts.next().unwrap_or(0.);
        let (second, minute, hour, day) = (next(), next(), next(), next());
        ((day * 24. + hour) * 60. + minute) * 60.
            + second
            + format!("0.{fraction}").parse::<f64>().unwrap()
    };
    seconds(0) - seconds(1)
}

#[tokio::test]
async fn a_receiver_that_fails_four_times_gets_exactly_one_success() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, secret) = service.register(&receiver.url()).await;
    for status in [500, 302, 429, 503] {
        receiver.answer(status, &[("location", "http://127.0.0.1:1/")], "not now");
    }
    service.submit("ok", None).await;
    let first = receiver.next().await;
    for (made, seconds) in SCHEDULE.iter().copied().enumerate().take(4) {
        let wait = wait_of_next(&service, &endpoint, made + 1).await;
        let expected = seconds as f64;
        assert!((expected..expected * 1.2 + 2.).contains(&wait), "{wait} after attempt {made}");
        assert!(receiver.is_empty(), "tried before its time");
        service.clock.advance(Duration::from_secs_f64(wait));
        let again = receiver.next().await;
        assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
        assert_ne!(again.header("webhook-timestamp"), first.header("webhook-timestamp"));
        assert_eq!(again.body, first.body);
        assert!(again.verify(&secret));
    }
    let attempts = service.attempts(&endpoint, 5).await;
    let outcomes: Vec<_> = attempts.iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(outcomes, [204, 503, 429, 302, 500]);
    assert_eq!(attempts[0]["outcome"], "delivered");
    assert_eq!(attempts[4]["response"], "not now");
    service.clock.advance(Duration::from_secs(7 * 24 * 3_600));
    service.nothing_but_a_test(&endpoint, &mut receiver).await;
}

#[tokio::test]
async fn after_ten_attempts_a_delivery_is_given_up_and_the_endpoint_says_so() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = service.register(&receiver.url()).await;
    for _ in 0..10 {
        receiver.answer(500, &[], "broken");
    }
    service.submit("ok", None).await;
    receiver.next().await;
    for (made, seconds) in SCHEDULE.iter().enumerate() {
        service.attempts(&endpoint, made + 2).await;
        service.clock.advance(Duration::from_secs(seconds * 6 / 5 + 1));
        receiver.next().await;
    }
    loop {
        let attempts = service.attempts(&endpoint, 10).await;
        if attempts[0]["outcome"] == "given_up" {
            assert_eq!(attempts.len(), 10);
            break;
        }
        tokio::task::yield_now().await;
    }
    let shown = service.get(&format!("{HOOKS}/{endpoint}")).await;
    assert!(shown["failing"].as_str().unwrap().contains("the receiver answered 500"), "{shown}");
    assert_eq!(shown["enabled"], true);
    // A success takes the flag away.
    service.submit("ok", None).await;
    receiver.next().await;
    while !service.get(&format!("{HOOKS}/{endpoint}")).await["failing"].is_null() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = service.register(&receiver.url()).await;
    receiver.answer(503, &[("retry-after", "3600")], "");
    service.submit("ok", None).await;
    receiver.next().await;
    let wait = wait_of_next(&service, &endpoint, 1).await;
    assert!((3_600. ..3_602.).contains(&wait), "{wait}");
    assert!(service.clock.now() > artos_core::Timestamp::MIN);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_called_again() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = service.register(&receiver.url()).await;
    receiver.answer(410, &[], "");
    service.submit("ok", None).await;
    receiver.next().await;
    let attempts = service.attempts(&endpoint, 1).await;
    assert_eq!(attempts[0]["outcome"], "given_up");
    let shown = service.get(&format!("{HOOKS}/{endpoint}")).await;
    assert_eq!(shown["enabled"], false);
    assert_eq!(shown["disabled_reason"], "the receiver answered 410 Gone");
    let id = service.submit("ok", None).await;
    service.until(&id, artos_core::TaskRecord::is_terminal).await;
    service.post(&format!("{HOOKS}/{endpoint}/enable"), serde_json::Value::Null).await;
    service.nothing_but_a_test(&endpoint, &mut receiver).await;
}
