//! The rigs that need no root, through the program itself: a store that is sound passes.

use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

fn run(arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("result.json");
    let output = Command::new(env!("CARGO_BIN_EXE_artos-crash"))
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .arg("--evidence")
        .arg(folder.path().join("evidence"))
        .output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let text = std::fs::read_to_string(json).with_context(said)?;
    Ok((output.status.code(), serde_json::from_str(&text)?))
}

#[test]
fn kills_lose_nothing() -> anyhow::Result<()> {
    let (code, result) = run(&["kill", "--rounds", "6", "--workers", "2", "--seed", "3"])?;
    assert_eq!(code, Some(0), "{result:#}");
    assert_eq!(result["passed"], true);
    assert_eq!(result["faults"], 6);
    assert!(result["tasks"].as_u64() > Some(0), "{result:#}");
    Ok(())
}

#[test]
fn a_run_without_a_fault_has_proved_nothing() -> anyhow::Result<()> {
    let (code, result) = run(&["kill", "--rounds", "0"])?;
    assert_eq!((code, &result["passed"]), (Some(1), &Value::Bool(false)));
    Ok(())
}
