//! What a router does not accept.

use artos_core::Client;
use artos_http::{Auth, BuildError, Resource};
use artos_store_memory::MemoryStore;

use crate::support::{GenerateDocument, documents};

fn build(auth: Auth, resources: Vec<Resource<GenerateDocument>>) -> Result<(), BuildError> {
    let mut router = artos_http::router(Client::new(MemoryStore::default()), auth);
    for resource in resources {
        router = router.resource(resource);
    }
    router.build().map(|_| ())
}

fn at(base: &str) -> Resource<GenerateDocument> {
    Resource::new(base)
}

#[test]
fn bad_bases_are_named() {
    for base in ["", "/", "documents", "/a/", "/a//b", "/a/{id}", "/a/*rest", "/a b", "/ä", "/a?b"]
    {
        let error = build(Auth::open(), vec![at(base)]).unwrap_err();
        assert!(error.to_string().contains(&format!("{base:?} is no good path")), "{error}");
    }
}

#[test]
fn resources_that_get_in_each_others_way_are_named() {
    let bases = [
        ["/a", "/a"],
        ["/a", "/a/status"],
        ["/livez", "/b"],
        ["/problems", "/b"],
        ["/api/v1/openapi.json", "/b"],
    ];
    for [one, other] in bases {
        let error = build(Auth::open(), vec![at(one), at(other)]).unwrap_err();
        assert!(error.to_string().contains("two resources claim the path"), "{error}");
    }
    let twice = documents().download("file", "text/plain", async |_, _| Ok(()));
    assert!(build(Auth::open(), vec![twice]).is_err());
    let cancel = at("/a").download("cancel", "text/plain", async |_, _| Ok(()));
    assert!(build(Auth::open(), vec![cancel]).is_err());
    assert_eq!(build(Auth::open(), vec![at("/a"), at("/a/b"), at("/b"), at("/api/v1")]), Ok(()));
}

#[test]
fn bad_tokens_are_named_all_at_once_and_never_shown() {
    let auth =
        Auth::tokens([("acme", "secret"), ("", "other"), ("globex", ""), ("initech", "secret")]);
    let error = build(auth, vec![at("/a")]).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(!error.to_string().contains("secret"));
    let none: [(&str, &str); 0] = [];
    assert!(build(Auth::tokens(none), vec![at("/a")]).is_err());
    assert_eq!(format!("{:?}", Auth::tokens([("acme", "secret")])), "Auth::tokens(1 tokens)");
}

#[test]
fn a_router_without_resources_is_fine() {
    assert_eq!(build(Auth::open(), Vec::new()), Ok(()));
}
