//! Clients written for Node.js.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// How long a script may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of the packages.
fn modules() -> PathBuf {
    let path = std::env::var_os("TOLLGATE_TEST_NODE").map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_default();
            PathBuf::from(home).join(".cache/tollgate/node/node_modules")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "there are no packages of Node.js at {}: run `cargo xtask setup`, or set TOLLGATE_TEST_NODE",
        path.display()
    );
    path
}

/// Runs a script of `cases/clients` with arguments; Node.js trusts what is in the file of certificates, too.
pub async fn run(script: &str, arguments: &[&str], trusted: Option<&Path>) -> Output {
    let mut node = Command::new("node");
    node.arg(super::cases().join("clients").join(script))
        .args(arguments)
        .env("NODE_PATH", modules())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(trusted) = trusted {
        node.env("NODE_EXTRA_CA_CERTS", trusted);
    }
    let ended = node.output();
    tokio::time::timeout(PATIENCE, ended)
        .await
        .unwrap_or_else(|_| panic!("{script} hangs"))
        .expect("node is missing: run `cargo xtask setup`")
}
