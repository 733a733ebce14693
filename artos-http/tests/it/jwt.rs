//! Tokens that somebody else signs.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use artos_http::{Auth, Jwt, JwtAlgorithm, JwtBuilder, JwtError, Scope};
use axum::{Router, routing::get};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::{
    events::Stream,
    support::{BASE, SECOND, Service},
};

const ISSUER: &str = "https://login.example.com/";
const AUDIENCE: &str = "artos";

/// A key that signs tokens.
struct Signer {
    id: &'static str,
    key: EncodingKey,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self { id, key: EncodingKey::from_ec_der(&pair.serialize_der()) }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.into());
        serde_json::to_value(jwk).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.into()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn set(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.public()).collect();
    json!({ "keys": keys }).to_string()
}

fn seconds() -> i64 {
    artos_core::Clock::now(&artos_core::SystemClock).as_micros() / 1_000_000
}

/// What a good token says.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-7", "exp": seconds() + 600, "org_id": "acme",
        "scope": "openid submit read",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn builder() -> JwtBuilder {
    Jwt::builder(ISSUER, AUDIENCE, JwtAlgorithm::Es256)
}

async fn behind(jwt: Jwt) -> Service {
    let service = Service::start().await;
    let router = artos_http::router(service.runtime.client(), Auth::jwt(jwt));
    let app = router.resource(crate::support::documents()).build().unwrap();
    service.behind(app)
}

/// A service with the keys of a file.
struct KeyFile {
    folder: tempfile::TempDir,
    service: Service,
}

impl KeyFile {
    /// Makes the file, with the key of one.
    async fn of(signer: &Signer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        std::fs::write(&path, set(&[signer])).unwrap();
        let service = behind(builder().keys_from_file(&path).build().unwrap()).await;
        Self { folder, service }
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join("jwks.json"), text).unwrap();
    }

    /// Returns how a request with a token is answered.
    async fn call(&self, token: &str) -> u16 {
        self.service.get(BASE).token(token).send().await.status.as_u16()
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_token_acts_for_its_organization_with_its_scopes() {
    let signer = Signer::new("one");
    let service = behind(builder().keys(set(&[&signer])).build().unwrap()).await;
    let token = signer.sign(&claims());
    let id = service.generate("CSR").token(&token).send().await.task_id();
    let status = service.status(&id);
    assert_eq!(status.token(&token).send().await.status, 200);
    let refused = service.post(&format!("{BASE}/{id}/cancel")).token(&token).send().await;
    assert_eq!(refused.problem(403)["code"], "insufficient_scope");
    let other = signer.sign(&with("org_id", json!("globex")));
    service.status(&id).token(&other).send().await.problem(404);
    for (name, value) in [("permissions", json!(["read"])), ("scope", json!(["read"]))] {
        let mut claims = with("scope", Value::Null);
        claims[name] = value;
        let token = signer.sign(&claims);
        assert_eq!(service.status(&id).token(&token).send().await.status, 200, "{name}");
        service.generate("CSR").token(&token).send().await.problem(403);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_good_is_answered_401_and_one_without_organization_403() {
    let (signer, stranger) = (Signer::new("one"), Signer::new("one"));
    let service = behind(builder().keys(set(&[&signer])).build().unwrap()).await;
    let good = signer.sign(&claims());
    let none = good.split('.').nth(1).unwrap();
    let shared = EncodingKey::from_secret(set(&[&signer]).as_bytes());
    let by_secret = encode(&Header::new(Algorithm::HS256), &claims(), &shared).unwrap();
    let crit = Some(vec![String::from("b64")]);
    let critical = Header { kid: Some("one".into()), crit, ..Header::new(Algorithm::ES256) };
    let critical = encode(&critical, &claims(), &signer.key).unwrap();
    let mut unnamed = Signer::new("one");
    unnamed.id = "other";
    let bad = [
        ("expired", signer.sign(&with("exp", json!(seconds() - 60)))),
        ("without end", signer.sign(&with("exp", Value::Null))),
        ("not yet", signer.sign(&with("nbf", json!(seconds() + 600)))),
        ("of another issuer", signer.sign(&with("iss", json!("https://evil.example/")))),
        ("without issuer", signer.sign(&with("iss", Value::Null))),
        ("for somebody else", signer.sign(&with("aud", json!("other")))),
        ("for nobody", signer.sign(&with("aud", Value::Null))),
        ("of nobody", signer.sign(&with("sub", Value::Null))),
        ("signed by a stranger", stranger.sign(&claims())),
        ("with an unknown key", unnamed.sign(&claims())),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{none}.")),
        ("signed with the public key", by_secret),
        ("with a header that has to be understood", critical),
        ("cut", good[..good.len() - 4].to_owned()),
        ("no token", String::from("a.b.c")),
        ("too long", format!("{}.{}", "x".repeat(9_000), good)),
    ];
    for (what, token) in bad {
        let answer = service.get(BASE).token(&token).send().await;
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{what}");
        assert_eq!(answer.problem(401)["code"], "invalid_token", "{what}");
    }
    for value in [Value::Null, json!(""), json!(7), json!("x".repeat(256)), json!("a\u{0}b")] {
        let token = signer.sign(&with("org_id", value));
        let problem = service.get(BASE).token(&token).send().await.problem(403);
        assert_eq!(problem["detail"], "User has no organization or not authorized");
    }
    // Within the leeway.
    let late = signer.sign(&with("exp", json!(seconds() - 10)));
    assert_eq!(service.get(BASE).token(&late).send().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_says_nothing_of_scopes_may_do_what_the_host_says() {
    let signer = Signer::new("one");
    let keys = || builder().keys(set(&[&signer]));
    let token = signer.sign(&with("scope", Value::Null));
    let strict = behind(keys().build().unwrap()).await;
    strict.get(BASE).token(&token).send().await.problem(403);
    let lenient = behind(keys().scopes_if_absent([Scope::Read]).build().unwrap()).await;
    assert_eq!(lenient.get(BASE).token(&token).send().await.status, 200);
    // It says something, though nothing that is understood here.
    let token = signer.sign(&with("scope", json!("profile")));
    lenient.get(BASE).token(&token).send().await.problem(403);
}

#[tokio::test(start_paused = true)]
async fn of_several_claims_the_first_that_names_a_scope_counts() {
    let signer = Signer::new("one");
    let service = behind(builder().keys(set(&[&signer])).build().unwrap()).await;
    for (claims, may_read, may_submit) in [
        (json!({ "scope": "openid profile", "permissions": ["read"] }), true, false),
        (json!({ "scope": "openid read", "permissions": ["submit", "admin"] }), true, false),
        (json!({ "scp": ["read"], "permissions": ["submit"] }), true, false),
        (json!({ "scp": "read submit" }), true, true),
        (json!({ "scope": "", "scp": [], "permissions": ["read", "submit"] }), true, true),
        (json!({ "scope": "openid", "permissions": ["other"] }), false, false),
        (json!({ "scope": 7, "permissions": ["read"] }), true, false),
    ] {
        let mut all = with("scope", Value::Null);
        for (name, value) in claims.as_object().unwrap() {
            all[name.as_str()] = value.clone();
        }
        let token = signer.sign(&all);
        let read = service.get(BASE).token(&token).send().await.status.as_u16();
        let submit = service.generate("CSR").token(&token).send().await.status.as_u16();
        let expected = (if may_read { 200 } else { 403 }, if may_submit { 202 } else { 403 });
        assert_eq!((read, submit), expected, "{claims}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let signer = Signer::new("one");
    let service = behind(builder().keys(set(&[&signer])).build().unwrap()).await;
    let token = signer.sign(&with("exp", json!(seconds() + 600)));
    service.generate("LATER").token(&token).send().await;
    let mut stream = Stream::open(service.get(&format!("{BASE}/events")).token(&token)).await;
    assert_eq!(stream.next().await.unwrap().name, "snapshot");
    let started = tokio::time::Instant::now();
    assert_eq!(stream.next().await, None);
    // With the leeway.
    assert!((625..=631).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

/// Serves a set of keys, and counts how often.
async fn publish(keys: Arc<Mutex<String>>) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let app = Router::new().route(
        "/jwks.json",
        get(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let set = keys.lock().unwrap().clone();
            async move { set }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::runtime::Handle::current().spawn(async { axum::serve(listener, app).await });
    (url, asked)
}

#[tokio::test]
async fn keys_from_a_url_are_kept_and_read_again_for_a_new_key_but_not_for_every_stranger() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let published = Arc::new(Mutex::new(String::from("not yet")));
    let (url, asked) = publish(Arc::clone(&published)).await;
    let service = behind(builder().keys_from_url(url).build().unwrap()).await;
    let call = async |token: &str| service.get(BASE).token(token).send().await.status.as_u16();
    let (first, second) = (one.sign(&claims()), two.sign(&claims()));
    assert_eq!(call(&first).await, 503);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    *published.lock().unwrap() = set(&[&one]);
    tokio::time::pause();
    tokio::time::advance(10 * SECOND).await;
    tokio::time::resume();
    for _ in 0..3 {
        assert_eq!(call(&first).await, 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // Somebody else's tokens are not a reason to ask for every one of them.
    for _ in 0..3 {
        assert_eq!(call(&second).await, 401);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    *published.lock().unwrap() = set(&[&one, &two]);
    tokio::time::pause();
    tokio::time::advance(10 * SECOND).await;
    tokio::time::resume();
    assert_eq!((call(&second).await, call(&first).await), (200, 200));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // What cannot be read leaves the known keys as they are.
    *published.lock().unwrap() = String::from("broken");
    tokio::time::pause();
    tokio::time::advance(601 * SECOND).await;
    tokio::time::resume();
    assert_eq!(call(&second).await, 200);
    while asked.load(Ordering::SeqCst) < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!((call(&second).await, call(&first).await), (200, 200));
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn while_keys_are_read_again_known_ones_are_good_and_strangers_share_one_reading() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    // The issuer answers the first time, and then only when it is told to.
    let (release, released) = tokio::sync::watch::channel(true);
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, answer) = (Arc::clone(&asked), set(&[&one]));
    let app = Router::new().route(
        "/jwks.json",
        get(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let (mut released, answer) = (released.clone(), answer.clone());
            async move {
                released.wait_for(|is_released| *is_released).await.unwrap();
                answer
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::runtime::Handle::current().spawn(async { axum::serve(listener, app).await });
    let service = behind(builder().keys_from_url(url).build().unwrap()).await;
    let call = async |token: &str| service.get(BASE).token(token).send().await.status.as_u16();
    let (good, unknown) = (one.sign(&claims()), two.sign(&claims()));
    assert_eq!(call(&good).await, 200);
    release.send_replace(false);
    tokio::time::pause();
    tokio::time::advance(601 * SECOND).await;
    tokio::time::resume();
    // Nobody with a good token waits for the answer.
    for _ in 0..3 {
        let answered = tokio::time::timeout(SECOND, call(&good)).await;
        assert_eq!(answered.expect("an answer at once"), 200);
    }
    // Strangers who go away do not make it ask again, and those who wait share the answer.
    for _ in 0..3 {
        let waits = tokio::time::timeout(SECOND / 20, call(&unknown)).await;
        assert!(waits.is_err(), "{waits:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    release.send_replace(true);
    assert_eq!(futures::join!(call(&unknown), call(&unknown), call(&good)), (401, 401, 200));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // After a quiet time a good one waits too, for its key may have been taken back.
    release.send_replace(false);
    tokio::time::pause();
    tokio::time::advance(720 * SECOND).await;
    tokio::time::resume();
    let waits = tokio::time::timeout(SECOND / 20, call(&good)).await;
    assert!(waits.is_err(), "{waits:?}");
    release.send_replace(true);
    assert_eq!(call(&good).await, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn keys_from_a_file_are_read_again_for_a_new_key() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let issuer = KeyFile::of(&one).await;
    let token = two.sign(&claims());
    assert_eq!(issuer.call(&token).await, 401);
    issuer.write(set(&[&two]));
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(issuer.call(&token).await, 200);
    assert_eq!(issuer.call(&one.sign(&claims())).await, 401);
}

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn keys_that_grew_old_while_nobody_called_are_read_again_before_they_are_used() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let issuer = KeyFile::of(&one).await;
    let (first, second) = (one.sign(&claims()), two.sign(&claims()));
    assert_eq!(issuer.call(&first).await, 200);
    // The issuer takes its key back.
    issuer.write(set(&[&two]));
    tokio::time::sleep(12 * MINUTE).await;
    assert_eq!((issuer.call(&first).await, issuer.call(&second).await), (401, 200));
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_read_again_are_good_for_an_hour() {
    let one = Signer::new("one");
    let issuer = KeyFile::of(&one).await;
    let token = one.sign(&claims());
    issuer.write("broken");
    for _ in 0..5 {
        tokio::time::sleep(11 * MINUTE).await;
        assert_eq!(issuer.call(&token).await, 200);
    }
    tokio::time::sleep(6 * MINUTE).await;
    assert_eq!(issuer.call(&token).await, 503);
    issuer.write(set(&[&one]));
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(issuer.call(&token).await, 200);
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_keep_known_keys_from_being_read_again() {
    let (one, two, stranger) = (Signer::new("one"), Signer::new("two"), Signer::new("stranger"));
    let issuer = KeyFile::of(&one).await;
    let (first, unknown) = (one.sign(&claims()), stranger.sign(&claims()));
    for second in 0..720 {
        let unknown = (0..4).map(|_| issuer.service.get(BASE).token(&unknown).spawn());
        for answer in unknown.collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap().status, 401);
        }
        if second == 600 {
            issuer.write(set(&[&two]));
        }
        if second > 611 {
            assert_eq!(issuer.call(&first).await, 401, "{second} seconds");
        }
        tokio::time::sleep(SECOND).await;
    }
}

#[test]
fn what_cannot_be_used_is_said() {
    assert!(matches!(builder().build(), Err(JwtError::NoKeys)));
    for builder in [
        builder().keys("no keys"),
        builder().keys(r#"{"keys": []}"#),
        builder().keys(r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#),
        builder().keys_from_file("/no/such/file"),
        builder().keys_from_url("http://login.example.com/jwks.json"),
        builder().keys_from_url("nonsense"),
        // Keys of another family.
        Jwt::builder(ISSUER, AUDIENCE, JwtAlgorithm::Rs256).keys(set(&[&Signer::new("one")])),
    ] {
        assert!(matches!(builder.build(), Err(JwtError::Keys(_))));
    }
}
