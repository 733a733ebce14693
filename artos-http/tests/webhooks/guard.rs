//! No request of a caller reaches the network that the service is in.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use artos_store_memory::MemoryStore;
use axum::http::StatusCode;
use serde_json::json;

use crate::support::{BASE, HOOKS, MovedClock, Receiver, Service};

/// Answers for the names below; `turning` is public at first, and private from the second time on.
fn lookup(asked: &AtomicUsize, host: &str) -> std::io::Result<Vec<IpAddr>> {
    let texts: &[&str] = match host.split('.').next().unwrap_or_default() {
        "public" => &["192.0.1.1"],
        "private" => &["127.0.0.1"],
        "both" => &["192.0.1.1", "127.0.0.1"],
        "mapped" => &["::ffff:127.0.0.1"],
        "metadata" => &["169.254.169.254"],
        "turning" if asked.fetch_add(1, Ordering::SeqCst) == 0 => &["192.0.1.1"],
        "turning" => &["127.0.0.1"],
        "localhost" => &["127.0.0.1", "::1"],
        _ => return Err(std::io::Error::other("no such host")),
    };
    Ok(texts.iter().map(|text| text.parse().unwrap()).collect())
}

/// A service without any allowed network, and how often `turning` was asked for.
async fn closed() -> (Service, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let clock = MovedClock::default();
    let store = MemoryStore::with_clock(clock.clone());
    let service = Service::on(store, clock, move |webhooks| {
        webhooks.resolve_by(move |host| {
            let found = lookup(&counted, &host);
            async move { found }
        })
    });
    (service.await, asked)
}

/// Loopback, in every notation that some parser takes.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "private.example",
    "both.example",
    "mapped.example",
    "private.example.",
    "%31%32%37.0.0.1",
    "127。0。0。1",
    "①②⑦.0.0.1",
];

/// Other networks that are not public.
const INSIDE: &[&str] = &[
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[100::1]",
    "[2001::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "metadata.google.internal.",
];

/// Not the right sort of URL.
const ODD: &[&str] = &[
    "file:///etc/passwd",
    "ftp://public.example/",
    "gopher://public.example/",
    "dict://public.example:11211/",
    "ldap://public.example/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "//public.example/",
    "/hook",
    "https://",
    "https:///",
    "",
    "https://user@public.example/",
    "https://user:secret@public.example/",
    "https://public.example:pass@private.example/",
    "https://public.example@127.0.0.1/",
    "https://:@public.example/",
    "http://public.example/",
    "https://public.example:22/",
    "https://public.example:25/",
    "https://public.example:0/",
    // The port of the other scheme.
    "https://public.example:80/",
    "https://public.example:70000/",
    "https://public.example\\@private.example/",
    "https://public.example/\r\nHost: x",
    " https://private.example/",
    "https://pri\tvate.example/",
    "https://[fe80::1%25eth0]/",
];

fn probes(port: u16) -> Vec<String> {
    let loopback = LOOPBACK
        .iter()
        .flat_map(|host| ["https", "http"].map(|scheme| format!("{scheme}://{host}:{port}/")));
    let inside = INSIDE.iter().map(|host| format!("https://{host}/"));
    let odd = ODD.iter().map(|url| String::from(*url));
    let long = format!("https://public.example/{}", "x".repeat(2_048));
    loopback.chain(inside).chain(odd).chain([long]).collect()
}

#[tokio::test]
async fn no_probe_is_taken_and_none_ever_connects() {
    let (service, _) = closed().await;
    let victim = Receiver::start().await;
    let probes = probes(victim.address.port());
    assert!(probes.len() >= 40, "{}", probes.len());
    for url in &probes {
        let (status, body) = service.post(HOOKS, json!({ "url": url })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "registered {url}: {body}");
        assert_eq!(body["errors"][0]["pointer"], "/url", "{url}");
        let request = json!({ "what": "ok", "webhook": url });
        let (status, _) = service.post(&format!("{BASE}/generate"), request).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "accepted {url}");
    }
    assert_eq!(victim.connections.load(Ordering::SeqCst), 0);
    // What is fine is taken.
    for url in ["https://public.example/hook", "https://public.example:8443/", "https://1.1.1.1/"] {
        let (status, _) = service.post(HOOKS, json!({ "url": url })).await;
        assert_eq!(status, StatusCode::CREATED, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_turns_to_the_inside_after_it_was_registered_is_not_called() {
    let (service, asked) = closed().await;
    let victim = Receiver::start().await;
    let url = format!("https://turning.example:{}/", victim.address.port());
    let (endpoint, _) = service.register(&url).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    service.submit("ok", None).await;
    let attempts = service.attempts(&endpoint, 1).await;
    assert_eq!(attempts.last().unwrap()["error"], "the URL leads to an address that is not public");
    assert!(asked.load(Ordering::SeqCst) > 1, "the name was not asked for again");
    assert_eq!(victim.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let service = Service::start().await;
    let (mut receiver, victim) = (Receiver::start().await, Receiver::start().await);
    for status in [301, 302, 303, 307, 308] {
        receiver.answer(status, &[("location", &victim.url())], "");
        let (endpoint, _) = service.register(&receiver.url()).await;
        service.post(&format!("{HOOKS}/{endpoint}/test"), serde_json::Value::Null).await;
        receiver.next().await;
        let attempts = service.attempts(&endpoint, 1).await;
        let first = attempts.last().unwrap();
        assert_eq!(first["status"], status, "{attempts:?}");
        assert_eq!(first["outcome"], "retried", "{attempts:?}");
    }
    assert_eq!(victim.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn each_scheme_has_a_port_of_its_own() {
    let service = Service::start().await;
    for (url, status) in [
        ("http://127.0.0.1:443/", 422),
        ("https://127.0.0.1:80/", 422),
        ("http://127.0.0.1:80/", 201),
        ("http://127.0.0.1/", 201),
        ("https://127.0.0.1:443/", 201),
        ("https://127.0.0.1:1024/", 201),
        ("http://127.0.0.1:1023/", 422),
    ] {
        let (found, body) = service.post(HOOKS, json!({ "url": url })).await;
        assert_eq!(found.as_u16(), status, "{url}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_resolve_slowly_take_only_so_much_room() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let clock = MovedClock::default();
    let store = MemoryStore::with_clock(clock.clone());
    let service = Service::on(store, clock, move |webhooks| {
        webhooks.resolve_by(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        })
    });
    let service = service.await;
    let register = async |number: usize| {
        let url = format!("https://slow-{number}.example/");
        service.post(HOOKS, json!({ "url": url })).await.0
    };
    // Some are beyond the number of endpoints; none waits longer than for a name.
    let began = tokio::time::Instant::now();
    let answers = futures::future::join_all((0..100).map(register)).await;
    let is_fine = |status: &StatusCode| [201, 409].contains(&status.as_u16());
    assert!(answers.iter().all(is_fine), "{answers:?}");
    assert!(began.elapsed().as_secs() <= 2, "{:?}", began.elapsed());
    assert_eq!(asked.load(Ordering::SeqCst), 32);
    // The resolver still works on them, though nobody waits any more.
    register(100).await;
    assert_eq!(asked.load(Ordering::SeqCst), 32);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    register(101).await;
    assert_eq!(asked.load(Ordering::SeqCst), 33);
}
