//! The task runner: `cargo xtask test`, `cargo xtask bench NAME`, `cargo xtask fuzz …`.
//!
//! It depends on `serde_json` only, so that it builds in seconds.

mod dependencies;
mod fuzz;
mod licence;
mod run;
mod setup;
mod tests;

use std::process::ExitCode;

use run::{Outcome, Step, cargo};

const USAGE: &str = "usage: cargo xtask COMMAND

  test             set up, check format, lints and dependencies, run all tests
  setup            only the set-up of what the tests need
  dependencies     only the licences, bans and duplicates
  bench NAME …     run a benchmark in the release profile, as `overhead`
  fuzz random [COUNT]
                   compare that many random statements (default 5000) with PostgreSQL's answers
  fuzz codec [SECONDS]
                   coverage-guided, for 600 seconds unless told: what strangers send
  fuzz secure [SECONDS]
                   coverage-guided: statements, from their text to a secured plan

Build output goes to ~/.cache/tollgate/target unless CARGO_TARGET_DIR is set.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments.iter().map(String::as_str);
    let rest = |from: usize| arguments.get(from..).unwrap_or_default();
    let outcome = match words.next() {
        Some("test") => run::steps(&TEST),
        Some("setup") => setup::all(),
        Some("dependencies") => dependencies::check(),
        Some("bench") if arguments.len() > 1 => bench(rest(1)),
        Some("fuzz") => fuzz::run(rest(1)),
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

/// The gateway is a process of its own beside the benchmark, so both are built.
fn bench(arguments: &[String]) -> Outcome {
    let built = ["--release", "-p", "tollgate-proxy", "-p", "tollgate-bench"];
    run::command(cargo(&["build"]).args(built))?;
    let binary = run::target().join("release").join("tollgate-bench");
    run::command(std::process::Command::new(binary).args(arguments))
}

const TEST: [Step; 5] = [
    Step { name: "set-up", run: setup::all },
    Step { name: "format", run: || run::command(&mut cargo(&["fmt", "--all", "--check"])) },
    Step { name: "dependencies", run: dependencies::check },
    Step { name: "lints", run: lints },
    Step { name: "tests", run: tests::all },
];

fn lints() -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::command(&mut cargo(&arguments))
}
