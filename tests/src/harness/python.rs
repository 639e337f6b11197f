//! Clients written in Python.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The interpreter that has the clients installed.
pub fn interpreter() -> PathBuf {
    found("TOLLGATE_TEST_PYTHON", "venv")
}

/// The one that has flightsql-dbapi, which wants other versions than the rest.
pub fn flightsql() -> PathBuf {
    found("TOLLGATE_TEST_FLIGHTSQL", "flightsql")
}

fn found(variable: &str, environment: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_default();
            PathBuf::from(home).join(".cache/tollgate").join(environment).join("bin/python")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "there is no Python with the clients at {}: run `cargo xtask setup`, or set {variable}",
        path.display()
    );
    path
}

/// Runs a script of `cases/clients` with arguments and an input.
pub async fn run(script: &str, arguments: &[&str], input: &str) -> Output {
    run_by(interpreter(), script, arguments, input).await
}

/// The same by an interpreter.
pub async fn run_by(interpreter: PathBuf, script: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(interpreter)
        .arg(super::cases().join("clients").join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = tokio::spawn(async move {
        // A script that fails early doesn't read its input.
        let _ = stdin.write_all(input.as_bytes()).await;
    });
    let output = child.wait_with_output().await.unwrap();
    writer.await.unwrap();
    output
}
