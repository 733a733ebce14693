//! What the fuzzer found worth keeping, and what once broke something, again, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::{fs, path::Path};

use artos_fuzz::TARGETS;

/// The corpora together stay small enough for a repository.
const CORPUS_BYTES_MAX: usize = 2_000_000;

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"))
}

/// The inputs of a target, with their paths; none if it has no folder.
fn inputs(sort: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join(sort).join(target);
    let Ok(files) = fs::read_dir(&folder) else { return Vec::new() };
    let paths = files.map(|file| file.unwrap().path());
    paths.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn every_input_of_the_corpora_passes() {
    for (name, target) in TARGETS {
        let inputs = inputs("corpus", name);
        assert!(inputs.len() > 3, "the corpus of {name} has {} inputs", inputs.len());
        for (path, input) in inputs {
            println!("{path}");
            target(&input);
        }
    }
}

#[test]
fn what_broke_something_once_does_so_no_more() {
    let folders = fs::read_dir(fuzz().join("regressions")).unwrap();
    for folder in folders {
        let folder = folder.unwrap().file_name().into_string().unwrap();
        let Some((name, target)) = TARGETS.iter().find(|(name, _)| *name == folder) else {
            panic!("fuzz/regressions/{folder} is of no target");
        };
        for (path, input) in inputs("regressions", name) {
            println!("{path}");
            target(&input);
        }
    }
}

#[test]
fn the_corpora_are_small() {
    let all = TARGETS.iter().flat_map(|(name, _)| inputs("corpus", name));
    let bytes: usize = all.map(|(_, input)| input.len()).sum();
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes: minimise them with `./scripts/soak fuzz`");
}

#[test]
fn every_target_has_a_program_for_the_fuzzer() {
    for (name, _) in TARGETS {
        let path = fuzz().join(format!("fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert!(program.contains(&format!("artos_fuzz::{name}(")), "{path:?} calls another one");
    }
}
