//! Whatever comes in, what goes out is an answer: never a 5xx, never another error body.

use std::sync::OnceLock;

use axum::http::{HeaderName, HeaderValue, Method};
use proptest::{collection::vec, prelude::*, string::string_regex};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime as Tokio;

use crate::support::{Answer, BASE, NOBODY, Service};

/// One service for all cases, so that they can get in each other's way.
fn service() -> &'static (Tokio, Service, [String; 2]) {
    static SERVICE: OnceLock<(Tokio, Service, [String; 2])> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let tokio = tokio.unwrap();
        let service = tokio.block_on(Service::start());
        let ids = [service.finished("CSR"), service.finished("INCOMPLETE")];
        let ids = ids.map(|id| tokio.block_on(id));
        (tokio, service, ids)
    })
}

fn regex(pattern: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(pattern).unwrap()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("CSR")),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let keys = prop_oneof![
            Just("document_type".to_owned()),
            Just("file_paths".to_owned()),
            Just("output_name".to_owned()),
            any::<String>(),
        ];
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            vec((keys, inner), 0..8).prop_map(|entries| Value::Object(Map::from_iter(entries))),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        // Almost right: a good body with one byte changed, or cut short.
        (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(at, byte, cut)| {
            let mut body = json!({ "document_type": "CSR", "file_paths": ["a", "b"] })
                .to_string()
                .into_bytes();
            let at = at.index(body.len());
            if cut {
                body.truncate(at);
            } else {
                body[at] = byte;
            }
            body
        }),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just(NOBODY.to_owned()),
        Just("COMPLETE".to_owned()),
        Just("FAILED".to_owned()),
        Just("generate".to_owned()),
        Just("status".to_owned()),
        Just("cancel".to_owned()),
        Just("retry".to_owned()),
        Just("file".to_owned()),
        regex("[a-zA-Z0-9%._~!$&'()*+,;=:@{}-]{0,40}"),
    ];
    let query = prop_oneof![
        Just(String::new()),
        regex(r"\?(limit|status|cursor|x)=[a-zA-Z0-9%._-]{0,30}(&(limit|status)=[a-z0-9%]{0,9})?"),
        regex(r"\?[!-~&&[^#<>\\^`{|}\x22]]{0,40}"),
    ];
    let start = prop_oneof![
        6 => Just(BASE.to_owned()),
        1 => Just(String::new()),
        1 => Just("/livez".to_owned()),
        1 => Just("/problems".to_owned()),
        1 => Just("/api/v1".to_owned()),
    ];
    (start, vec(segment, 0..4), any::<bool>(), query).prop_map(|(start, segments, slash, query)| {
        let rest: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        let slash = if slash || (start.is_empty() && rest.is_empty()) { "/" } else { "" };
        format!("{start}{rest}{slash}{query}")
    })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "prefer",
        "range",
        "te",
        "transfer-encoding",
        "x-forwarded-for",
        "x-request-id",
    ]);
    let value = prop_oneof![
        vec(prop_oneof![Just(9u8), 32u8..=126, 128u8..=255], 0..60),
        prop::sample::select(vec![
            "application/json",
            "*",
            "\"1\"",
            "W/\"1\"",
            "wait=0",
            "respond-async",
            "bytes=0-1",
            "Bearer token-of-acme",
            "Bearer token-of-globex",
            "0",
            "18446744073709551616",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec((name, value), 0..5)
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        4 => Just(Method::GET),
        4 => Just(Method::POST),
        1 => Just(Method::HEAD),
        1 => regex("PUT|DELETE|PATCH|OPTIONS|TRACE|CONNECT|[A-Z]{1,12}")
            .prop_map(|name| name.parse().unwrap()),
    ]
}

fn waits(preference: &[u8]) -> bool {
    let text = preference.to_ascii_lowercase();
    text.windows(4).any(|four| four == b"wait") && preference != b"wait=0"
}

fn check(method: &Method, answer: &Answer) {
    let status = answer.status;
    assert!(!status.is_server_error(), "{answer:?}");
    if *method == Method::HEAD {
        assert!(answer.body.is_empty(), "{answer:?}");
    } else if status.is_client_error() {
        answer.check_problem();
    } else if status != 304 && answer.header("content-type") != "text/plain" {
        // Everything this service answers with is JSON, but for the one download.
        answer.json();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_that_comes_in_breaks_it(
        method in method(),
        path in path(),
        headers in headers(),
        is_known in prop::bool::weighted(0.8),
        is_json in prop::bool::weighted(0.8),
        body in body(),
    ) {
        // Waiting is tested elsewhere, and would only make this slow.
        prop_assume!(!headers.iter().any(|(name, value)| *name == "prefer" && waits(value)));
        prop_assume!(path.parse::<axum::http::Uri>().is_ok());
        let (tokio, service, [complete, failed]) = service();
        let path = path.replace("COMPLETE", complete).replace("FAILED", failed);
        let mut call = service.call(method.clone(), &path).body(body);
        if !is_known {
            call = call.anonymous();
        }
        if is_json {
            call = call.header("content-type", "application/json");
        }
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                call = call.raw_header(HeaderName::from_static(name), value);
            }
        }
        let answer = tokio.block_on(call.send());
        check(&method, &answer);
    }
}
