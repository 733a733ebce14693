//! How often callers may call.

use std::{num::NonZeroU32, time::Duration};

use artos_http::{Limits, Quota};
use axum::{Extension, extract::ConnectInfo, http::StatusCode};

use crate::support::{BASE, GLOBEX, Service};

fn few(requests: u32) -> Quota {
    let requests = NonZeroU32::new(requests).unwrap();
    Quota { requests, window: Duration::from_secs(3_600) }
}

fn limits() -> Limits {
    Limits { submit: few(2), poll: few(3), unknown: few(2) }
}

#[tokio::test]
async fn what_is_beyond_the_quota_is_refused_for_that_organization_alone() {
    let service = Service::start_with(|router| router.limits(limits())).await;
    for left in ["r=1;t=1800", "r=0;t=3600"] {
        let answer = service.generate("CSR").send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert_eq!(answer.header("ratelimit-policy"), "\"submit\";q=2;w=3600");
        assert_eq!(answer.header("ratelimit"), format!("\"submit\";{left}"));
    }
    let answer = service.generate("CSR").send().await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let body = answer.json();
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(body["violated-policies"], serde_json::json!(["submit"]));
    assert_eq!(body["code"], "quota_exceeded");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1_799..=1_800).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit"), format!("\"submit\";r=0;t={wait}"));
    // Reading has a quota of its own, and so has everybody else.
    assert_eq!(service.get(BASE).send().await.status, StatusCode::OK);
    let theirs = service.generate("CSR").token(GLOBEX).send().await;
    assert_eq!(theirs.status, StatusCode::ACCEPTED);
    for _ in 0..2 {
        assert_eq!(service.get(BASE).send().await.status, StatusCode::OK);
    }
    assert_eq!(service.get(BASE).send().await.status, StatusCode::TOO_MANY_REQUESTS);
    // Probes are for nobody in particular.
    assert_eq!(service.get("/livez").send().await.header("ratelimit"), "");
}

#[tokio::test]
async fn an_address_can_only_guess_so_often() {
    let service = Service::start_with(|router| router.limits(limits())).await;
    let from = |address: &str| {
        let address: std::net::SocketAddr = address.parse().unwrap();
        service.app.clone().layer(Extension(ConnectInfo(address)))
    };
    let guess = |app: &axum::Router| {
        crate::support::Call::new(app, axum::http::Method::GET, BASE).token("guess").send()
    };
    let (one, other) = (from("192.0.1.1:1000"), from("192.0.1.2:1000"));
    for _ in 0..2 {
        guess(&one).await.problem(401);
    }
    assert_eq!(guess(&one).await.json()["code"], "quota_exceeded");
    // Another port is the same address, also when IPv6 wraps it.
    assert_eq!(guess(&from("[::ffff:192.0.1.1]:2000")).await.status, 429);
    guess(&other).await.problem(401);
    // Whoever has one address of IPv6 has all of its network.
    for address in ["[2001:db8:0:7::1]:1", "[2001:db8:0:7:ffff::2]:1"] {
        guess(&from(address)).await.problem(401);
    }
    assert_eq!(guess(&from("[2001:db8:0:7:1:2:3:4]:1")).await.status, 429);
    guess(&from("[2001:db8:0:8::1]:1")).await.problem(401);
    let known = crate::support::Call::new(&one, axum::http::Method::GET, BASE).send().await;
    assert_eq!(known.status, StatusCode::OK);
}
