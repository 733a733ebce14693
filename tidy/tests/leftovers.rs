//! The rules about leftovers find unfinished work, sleeping tests and machine paths.

use artos_tidy::{Rule, Tree, leftovers};

fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    let tree = Tree::of(&[(path, text)]);
    rule(&tree).into_iter().filter_map(|one| one.line).collect()
}

#[test]
fn unfinished_work_is_found_in_code_and_comments_but_not_in_strings() {
    let text = "fn a() { todo!() }\n#[ignore = \"slow\"]\n// FIXME\nlet a = \"FIXME todo!\";\n\
                /// ```ignore\n#[should_panic(expected = \"x\")]\n";
    assert_eq!(lines(leftovers::nothing_is_unfinished, "a.rs", text), [1, 2, 6, 3, 5]);
}

#[test]
fn a_test_that_sleeps_is_found() {
    let rule = leftovers::no_test_sleeps;
    let sleeping = "async fn a() {\n    tokio::time::sleep(SECOND).await;\n}\n";
    assert_eq!(lines(rule, "a/tests/b.rs", sleeping), [2]);
    assert_eq!(lines(rule, "a/src/b.rs", sleeping), [0_usize; 0]);
    let unit_test = format!("{sleeping}#[cfg(test)]\nmod tests {{\n{sleeping}}}\n");
    assert_eq!(lines(rule, "a/src/b.rs", &unit_test), [7]);
    let paused = format!("#[tokio::test(start_paused = true)]\n{sleeping}");
    assert_eq!(lines(rule, "a/tests/b.rs", &paused), [0_usize; 0]);
    assert_eq!(lines(rule, "a/src/b.rs", "std::thread::sleep(SECOND);\n"), [1]);
}

#[test]
fn a_path_of_one_machine_is_found_but_not_an_address() {
    let rule = leftovers::no_path_of_one_machine;
    let text = "cd /home/ada\n\"/root/x\"\nhttps://example.org/home/ada\n/homework/\nC:\\x\n";
    assert_eq!(lines(rule, "a.md", text), [1, 2, 5]);
}
