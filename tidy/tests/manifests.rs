//! The rules about manifests find forbidden arrows and missing entries.

use artos_tidy::{Rule, Tree, manifests};

const GOOD: &str = "[package]\nname = \"NAME\"\nversion.workspace = true\n\
                    edition.workspace = true\nrust-version.workspace = true\n\
                    license.workspace = true\npublish = false\n[lints]\nworkspace = true\n";

fn found(rule: Rule, name: &str, more: &str) -> Vec<String> {
    let own = format!("{}{more}", GOOD.replace("NAME", name));
    let other = |name| GOOD.replace("NAME", name);
    let tree = Tree::of(&[
        ("own/Cargo.toml", &own),
        ("http/Cargo.toml", &other("artos-http")),
        ("memory/Cargo.toml", &other("artos-store-memory")),
        ("core/Cargo.toml", &other("artos-core")),
    ]);
    let own = rule(&tree).into_iter().filter(|one| one.path == "own/Cargo.toml");
    own.map(|one| one.found).collect()
}

#[test]
fn an_arrow_from_core_to_a_store_is_found_except_in_its_tests() {
    let rule = manifests::crates_follow_the_arrows;
    let uses = "[dependencies]\nartos-store-memory.workspace = true\n";
    let tests_use = "[dev-dependencies]\nartos-store-memory.workspace = true\n";
    assert_eq!(found(rule, "artos-core", uses).len(), 1);
    assert!(found(rule, "artos-core", tests_use).is_empty());
    assert_eq!(found(rule, "artos-http", uses).len(), 1);
    assert!(found(rule, "document-service", uses).is_empty());
}

#[test]
fn renamed_and_platform_dependencies_do_not_escape() {
    let rule = manifests::crates_follow_the_arrows;
    let renamed = "[dependencies]\nweb = { package = \"artos-http\", path = \"../http\" }\n";
    let on_unix = "[target.'cfg(unix)'.dependencies]\nartos-http.path = \"../http\"\n";
    assert_eq!(found(rule, "artos-store-memory", renamed).len(), 1);
    assert_eq!(found(rule, "artos-store-memory", on_unix).len(), 1);
}

#[test]
fn a_crate_without_arrows_is_found() {
    assert_eq!(found(manifests::crates_follow_the_arrows, "artos-new", "").len(), 1);
}

#[test]
fn a_web_framework_outside_its_door_is_found() {
    let rule = manifests::outside_crates_enter_through_their_doors;
    let axum = "[dependencies]\naxum = \"0.8\"\n";
    assert_eq!(found(rule, "artos-core", axum).len(), 1);
    assert!(found(rule, "artos-http", axum).is_empty());
    assert!(found(rule, "artos-core", "[dev-dependencies]\naxum = \"0.8\"\n").is_empty());
}

#[test]
fn an_incomplete_manifest_is_found() {
    let rule = manifests::manifests_are_complete;
    let bare =
        Tree::of(&[("Cargo.toml", "[workspace]\n"), ("a/Cargo.toml", "[package]\nname = \"a\"\n")]);
    // Four inherited entries, the lints, and three entries of a published crate.
    assert_eq!(rule(&bare).len(), 8);
    assert!(found(rule, "artos-http", "").is_empty());
    let program = GOOD.replace("[lints]\nworkspace = true\n", "[lints.rust]\n");
    let own_lints = |lint| Tree::of(&[("a/Cargo.toml", &format!("{program}{lint}"))]);
    assert_eq!(rule(&own_lints("unsafe_code = \"warn\"\n")).len(), 1);
    assert!(rule(&own_lints("unsafe_code = \"forbid\"\n")).is_empty());
    assert_eq!(rule(&Tree::of(&[("Cargo.toml", "[package")])).len(), 1);
}
