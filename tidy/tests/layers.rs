//! The rule about layers finds arrows that point up, however the import is written.

use artos_tidy::{Tree, layers::core_modules_use_only_what_is_below};

fn found(path: &str, text: &str) -> Vec<String> {
    let tree = Tree::of(&[(path, text)]);
    core_modules_use_only_what_is_below(&tree).into_iter().map(|one| one.to_string()).collect()
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let text =
        "use crate::model::Name;\nuse crate::{\n    model::{TaskId, Lease},\n    Client,\n};\n";
    let findings = found("artos-core/src/machine/mod.rs", text);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].contains("`machine` uses `crate::Client`"), "{}", findings[0]);
    assert_eq!(found("artos-core/src/store.rs", "fn f() { crate::runtime::run() }\n").len(), 1);
}

#[test]
fn links_in_comments_and_tests_are_no_arrows() {
    let text = "/// See [`Task`](crate::Task).\npub struct A;\n\
                #[cfg(test)]\nmod tests {\n    use crate::Client;\n}\n";
    assert!(found("artos-core/src/model/record.rs", text).is_empty());
    assert!(found("artos-core/src/machine/tests.rs", "use crate::Client;\n").is_empty());
    assert!(found("artos-core/src/machine/tests/a.rs", "use crate::machine;\n").is_empty());
    assert!(found("artos-core/src/client.rs", "use crate::runtime::Runtime;\n").is_empty());
}

#[test]
fn time_chance_and_waiting_are_found_in_pure_modules() {
    let findings = found("artos-core/src/machine/mod.rs", "async fn f() { tokio::g().await }\n");
    assert_eq!(findings.len(), 3);
    assert!(found("artos-core/src/store.rs", "async fn f() { g().await }\n").is_empty());
}
