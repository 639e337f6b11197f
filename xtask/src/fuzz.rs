//! Fuzzing: random statements against PostgreSQL, and coverage-guided runs of two targets.
//!
//! The guided ones need a C++ compiler for libFuzzer, and no nightly toolchain: coverage counters are a
//! pass of the compiler's back end.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use crate::run::{Outcome, cache, cargo, command, output, root, target};
use crate::setup;

/// How each target is built.
enum Target {
    /// With the workspace's build, counters in its own crates only.
    Codec,
    /// From the ground up, counters everywhere.
    Secure,
}

/// `fuzz random|codec|secure [NUMBER]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("\"{text}\" is not a number, see `cargo xtask help`"))
    };
    match words.as_slice() {
        ["random"] => random(5000),
        ["random", count] => random(number(count)?),
        ["codec"] => guided(Target::Codec, 600),
        ["codec", seconds] => guided(Target::Codec, number(seconds)?),
        ["secure"] => guided(Target::Secure, 600),
        ["secure", seconds] => guided(Target::Secure, number(seconds)?),
        _ => Err("fuzz what? `random`, `codec` or `secure`, and a number".to_owned()),
    }
}

/// Random statements against PostgreSQL and against other hidden data, from a seed that is new each time.
fn random(queries: u64) -> Outcome {
    setup::all()?;
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (seed, queries) = (elapsed.as_secs().to_string(), queries.to_string());
    println!(
        "the seed is {seed}: TOLLGATE_SEED={seed} TOLLGATE_QUERIES={queries} repeats this run"
    );
    for tests in ["differential", "noninterference"] {
        let mut command = cargo(&["test", "-p", "tollgate-tests", tests, "--", "--nocapture"]);
        self::command(command.env("TOLLGATE_SEED", &seed).env("TOLLGATE_QUERIES", &queries))?;
    }
    Ok(())
}

/// What puts coverage counters into a crate, in the form that libFuzzer reads.
const COUNTERS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

fn guided(target: Target, seconds: u64) -> Outcome {
    let (name, program) = match target {
        Target::Codec => ("codec", codec()?),
        Target::Secure => ("secure", secure()?),
    };
    let folder = cache().ok_or("HOME is not set")?.join("fuzz").join(name);
    let (corpus, seeds) = (folder.join("corpus"), folder.join("seeds"));
    for folder in [&corpus, &seeds] {
        fs::create_dir_all(folder)
            .map_err(|error| format!("could not make {}: {error}", folder.display()))?;
    }
    println!("what it learns stays in {}", corpus.display());
    let mut run = Command::new(program);
    run.arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", folder.display()))
        // One input has seconds and a bounded memory: a statement that takes more is a finding.
        .args(["-timeout=30", "-rss_limit_mb=4096", "-max_len=8192", "-len_control=0"])
        .arg("-print_final_stats=1")
        .arg(&corpus)
        .arg(&seeds)
        .env("TOLLGATE_SEEDS", &seeds);
    command(&mut run).map_err(|error| {
        format!(
            "{error}\nthe input is in {}; with its name alone as argument the program repeats it.\n\
             Once it is fixed, add it to the seeds: tests/cases/fuzz/secure.sql, or `FOUND` in \
             proxy/src/pg/fuzz.rs",
            folder.display()
        )
    })
}

/// The proxy needs the whole engine, so this uses what the ordinary build has built, and instruments
/// the workspace's own crates only.
fn codec() -> Result<PathBuf, String> {
    let wrapper = root().join("fuzz/codec/with-counters");
    let mut build = cargo(&["build", "-p", "tollgate-fuzz-codec", "--features", "libfuzzer"]);
    build.env("RUSTC_WORKSPACE_WRAPPER", wrapper).env("TOLLGATE_COUNTERS", COUNTERS.join(" "));
    command(&mut build)?;
    Ok(target().join("debug/codec"))
}

/// The thinking crates build fast enough to be built anew with all that they use.
fn secure() -> Result<PathBuf, String> {
    let about = output(Command::new("rustc").arg("-vV"))?;
    let about = String::from_utf8_lossy(&about).into_owned();
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc names no host")?;
    let folder = target().join("fuzz");
    // With a target, build scripts and procedural macros stay as they are.
    let manifest = "fuzz/secure/Cargo.toml";
    let mut build = cargo(&["build", "--release", "--manifest-path", manifest, "--target", host]);
    command(build.env("RUSTFLAGS", COUNTERS.join(" ")).env("CARGO_TARGET_DIR", &folder))?;
    Ok(folder.join(host).join("release/secure"))
}
