//! The task runner: `cargo xtask test`, `cargo xtask bench NAME`, `cargo xtask fuzz`.
//!
//! It depends on `serde_json` only, so that it builds in seconds.

mod dependencies;
mod licence;
mod run;
mod setup;

use std::process::ExitCode;
use std::time::SystemTime;

use run::{Outcome, Step, cargo};

const USAGE: &str = "usage: cargo xtask COMMAND

  test             set up, check format, lints and dependencies, run all tests
  setup            only the set-up of what the tests need
  dependencies     only the licences, bans and duplicates
  bench NAME …     run a benchmark in the release profile, as `overhead`
  fuzz [COUNT]     compare that many random statements (default 5000) with PostgreSQL's answers

Build output goes to ~/.cache/tollgate/target unless CARGO_TARGET_DIR is set.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments.iter().map(String::as_str);
    let rest = |from: usize| arguments.get(from..).unwrap_or_default();
    let outcome = match words.next() {
        Some("test") => run::steps(&TEST),
        Some("setup") => setup::all(),
        Some("dependencies") => dependencies::check(),
        Some("bench") if arguments.len() > 1 => {
            run::command(cargo(&["run", "--release", "-p", "tollgate-bench", "--"]).args(rest(1)))
        }
        Some("fuzz") => fuzz(rest(1)),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        Some(_) | None => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

const TEST: [Step; 5] = [
    Step { name: "set-up", run: setup::all },
    Step { name: "format", run: || run::command(&mut cargo(&["fmt", "--all", "--check"])) },
    Step { name: "dependencies", run: dependencies::check },
    Step { name: "lints", run: lints },
    Step { name: "tests", run: || run::command(&mut cargo(&["test", "--workspace"])) },
];

fn lints() -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::command(&mut cargo(&arguments))
}

/// Random statements against PostgreSQL and against other hidden data, from a seed that is new each time.
fn fuzz(arguments: &[String]) -> Outcome {
    let queries = arguments.first().map_or("5000", String::as_str);
    if queries.parse::<u64>().is_err() {
        return Err(format!("\"{queries}\" is not a number of statements"));
    }
    setup::all()?;
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = elapsed.as_secs().to_string();
    println!(
        "the seed is {seed}: TOLLGATE_SEED={seed} TOLLGATE_QUERIES={queries} repeats this run"
    );
    for tests in ["differential", "noninterference"] {
        let mut command = cargo(&["test", "-p", "tollgate-tests", tests, "--", "--nocapture"]);
        run::command(command.env("TOLLGATE_SEED", &seed).env("TOLLGATE_QUERIES", queries))?;
    }
    Ok(())
}
