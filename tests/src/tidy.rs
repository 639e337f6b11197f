//! The house rules that a compiler doesn't hold: documentation, sizes, edges between rooms.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from left to right; a room may use what has a higher rank than its own, nothing else.
const RANKS: [(&str, u32); 9] = [
    ("proxy", 0),
    ("flight", 1),
    ("gateway", 2),
    ("warehouse", 3),
    // Beside the warehouse: what is recorded knows nothing of where queries run.
    ("ledger", 5),
    ("rewriter", 4),
    ("policy", 5),
    ("identity", 6),
    ("catalog", 6),
];

/// Rooms that think: synchronous, without IO, clocks, environment or an engine.
const THINKING: [&str; 4] = ["identity", "catalog", "policy", "rewriter"];
const NOT_IN_THINKING: [&str; 9] = [
    "tokio",
    "tokio-rustls",
    "datafusion",
    "axum",
    "hyper",
    "reqwest",
    "object_store",
    "chrono",
    "parquet",
];
const NOT_IN_THINKING_CODE: [&str; 7] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "std::net::Tcp",
];

const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file of the workspace: path below the root, text.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut sources = Vec::new();
    let rooms = RANKS.iter().map(|(room, _)| *room).chain([
        "tests",
        "bench",
        "fuzz/codec",
        "fuzz/secure",
        "xtask",
    ]);
    let mut folders: Vec<_> = rooms.map(|room| root.join(room).join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("/testing.rs")
        || name.contains("/tests/")
}

/// The text before a test module that stands in the file itself.
fn without_tests(text: &str) -> &str {
    let start = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    &text[..start]
}

/// The names of a manifest's dependencies, those of its tests left out.
fn dependencies(room: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
    let mut names = Vec::new();
    let mut counts = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            counts = section == "dependencies]" || section.ends_with(".dependencies]");
        } else if counts && !line.is_empty() && !line.starts_with('#') {
            names.push(line.split(['.', '=', ' ']).next().unwrap().to_owned());
        }
    }
    names
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    report(&silent.map(|(name, _)| format!("{name} doesn't begin with //!")).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !is_test(name)) {
        let lines = without_tests(text).lines().count();
        if lines >= LONGEST {
            problems.push(format!("{name} has {lines} lines"));
        }
    }
    report(&problems);
}

#[test]
fn rooms_use_only_what_stands_right_of_them() {
    let rank = |room: &str| RANKS.iter().find(|(name, _)| *name == room).map(|(_, rank)| *rank);
    let mut problems = Vec::new();
    for (room, own) in RANKS {
        let edges = dependencies(room);
        for other in edges.iter().filter_map(|name| name.strip_prefix("tollgate-")) {
            if rank(other).is_none_or(|rank| rank <= own) {
                problems.push(format!("{room} uses {other}"));
            }
        }
    }
    report(&problems);
}

#[test]
fn thinking_rooms_only_think() {
    let mut problems = Vec::new();
    for room in THINKING {
        let found = dependencies(room).into_iter();
        let found = found.filter(|name| NOT_IN_THINKING.contains(&name.as_str()));
        problems.extend(found.map(|name| format!("{room} depends on {name}")));
    }
    for (name, text) in sources() {
        if is_test(&name) || !THINKING.iter().any(|room| name.starts_with(&format!("{room}/"))) {
            continue;
        }
        let code = without_tests(&text);
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            if let Some(word) = NOT_IN_THINKING_CODE.iter().find(|word| line.contains(**word)) {
                problems.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    report(&problems);
}

/// Private fields hold this already; the test holds that nobody opens them.
#[test]
fn only_identity_makes_principals() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("identity/") || name == "tests/src/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            let Some((before, _)) = line.split_once("Principal {") else { continue };
            let word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let other = ["impl ", "for ", "-> ", "&", "struct ", "enum ", "trait "];
            if !word && !other.iter().any(|other| before.ends_with(other)) {
                problems.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    let principal = fs::read_to_string(root().join("identity/src/principal.rs")).unwrap();
    let fields =
        principal.split_once("pub struct Principal {").unwrap().1.split_once('}').unwrap().0;
    if fields.lines().any(|line| line.trim().starts_with("pub")) {
        problems.push("identity/src/principal.rs: a field of Principal is visible".to_owned());
    }
    report(&problems);
}

/// Whoever can make principals without a proof must not be reachable from a network.
#[test]
fn only_the_command_line_rehearses() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        let may = ["identity/", "proxy/src/cli/", "tests/"].iter().any(|at| name.starts_with(at));
        if !may && text.contains("Rehearsal") {
            problems.push(format!("{name} names Rehearsal"));
        }
    }
    report(&problems);
}

/// Code that names one machine works on that machine only.
#[test]
fn no_file_names_a_developers_folder() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        for word in [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")] {
            if text.contains(word) {
                problems.push(format!("{name} holds \"{word}\""));
            }
        }
    }
    report(&problems);
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}
