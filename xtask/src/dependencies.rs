//! Which dependencies may be used: licences, bans, duplicates, sources.
//!
//! `cargo-deny` does this by `deny.toml` where it is installed. Building it takes minutes, so where
//! it isn't, the same lists are checked here from `cargo metadata`; advisories are not.

use std::process::Command;

use serde_json::Value;

use crate::licence;
use crate::run::{Outcome, cargo, command, on_path, output, root};

const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "CC0-1.0",
    "Unicode-3.0",
    "BSL-1.0",
];
const BANNED: [&str; 4] = ["openssl", "openssl-sys", "native-tls", "aws-lc-rs"];
/// Two versions of these would be two incompatible sets of types.
const ONCE: [&str; 5] = ["arrow", "datafusion", "parquet", "rustls", "sqlparser"];
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks all dependencies.
pub(crate) fn check() -> Outcome {
    if on_path("cargo-deny") {
        let mut deny = Command::new("cargo-deny");
        return command(deny.args(["check", "bans", "licenses", "sources"]).current_dir(root()));
    }
    println!(
        "cargo-deny is not installed: checking licences, bans, duplicates and sources from `cargo metadata`"
    );
    let metadata = output(&mut cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_slice(&metadata)
        .map_err(|error| format!("could not read `cargo metadata`: {error}"))?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let problems = problems(packages.ok_or("`cargo metadata` named no packages")?);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn problems(packages: &[Value]) -> Vec<String> {
    let text = |package: &Value, key: &str| {
        package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut problems = Vec::new();
    for package in packages {
        let name = format!("{} {}", text(package, "name"), text(package, "version"));
        let licence = text(package, "license");
        if !licence::is_met(&licence, &LICENCES) {
            problems.push(format!("{name}: the licence \"{licence}\" is not allowed"));
        }
        if BANNED.contains(&text(package, "name").as_str()) {
            problems.push(format!("{name} is banned: TLS is rustls with ring only"));
        }
        let source = text(package, "source");
        if !source.is_empty() && source != SOURCE {
            problems.push(format!("{name} comes from \"{source}\", not from crates.io"));
        }
    }
    for name in ONCE {
        let found = packages.iter().filter(|package| text(package, "name") == name);
        let versions: Vec<_> = found.map(|package| text(package, "version")).collect();
        if versions.len() > 1 {
            problems.push(format!("{name} is there in several versions: {}", versions.join(", ")));
        }
    }
    problems
}
