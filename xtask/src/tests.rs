//! Runs all tests, and again those that depend on what the machine does besides.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::run::{self, Outcome, cargo};

/// Modules of `tollgate-tests` about processes, connections and clocks. None of them decides who sees
/// what: a test of that fails for good.
const UNSTEADY: [&str; 23] = [
    "audit",
    "certificates",
    "clients",
    "corrections",
    "costs",
    "credits",
    "export",
    "fetched_keys",
    "flight_cancels",
    "flight_hostile",
    "flight_polls",
    "flight_replicas",
    "flight_sessions",
    "ledger",
    "lifetimes",
    "limits",
    "pooled",
    "reload",
    "routing",
    "tokens",
    "traces",
    "warehouse_faults",
    "wire",
];

/// More than these are no accident.
const MOST: usize = 2;

/// How often a test has to pass by itself after it failed among all others.
const TIMES: usize = 3;

/// Runs all tests of the workspace.
///
/// One or two unsteady tests that fail among all others, two processors for hundreds of processes and
/// connections, are run again alone and named; they must pass every time.
pub(crate) fn all() -> Outcome {
    let (failed, output) = passed_on(&mut cargo(&["test", "--workspace", "--no-fail-fast"]))?;
    let Err(why) = failed else { return Ok(()) };
    let again = unsteady(&output).ok_or(why)?;
    for name in &again {
        println!("== {name} failed among all others: {TIMES} times by itself");
        for _ in 0..TIMES {
            alone(name)?;
        }
    }
    println!(
        "== unsteady, each failed once and passed {TIMES} times by itself: {}",
        again.join(", ")
    );
    Ok(())
}

fn alone(name: &str) -> Outcome {
    let arguments = ["test", "-p", "tollgate-tests", "--lib", name, "--", "--exact"];
    let (outcome, output) = passed_on(&mut cargo(&arguments))?;
    outcome?;
    // A name that isn't found is no test that passed.
    match output.iter().any(|line| line.starts_with("test result: ok. 1 passed")) {
        true => Ok(()),
        false => Err(format!("no test is named `{name}`")),
    }
}

/// The names of the failed tests, if there are few and all are unsteady.
fn unsteady(output: &[String]) -> Option<Vec<String>> {
    let failed = |line: &String| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_owned())
    };
    let names: Vec<String> = output.iter().filter_map(failed).collect();
    // A process that is killed says no result.
    let count = |start: &str| output.iter().filter(|line| line.starts_with(start)).count();
    let whole = count("running ") == count("test result: ") && count("test result: FAILED.") == 1;
    let known =
        |name: &String| name.split_once("::").is_some_and(|(module, _)| UNSTEADY.contains(&module));
    let few = (1..=MOST).contains(&names.len()) && names.iter().all(known);
    (few && whole).then_some(names)
}

/// Runs a command, passes on what it prints and keeps its standard output's lines.
fn passed_on(command: &mut Command) -> Result<(Outcome, Vec<String>), String> {
    let shown = run::show(command);
    println!("$ {shown}");
    let failed = |error| format!("could not run `{shown}`: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut lines = Vec::new();
    let mut out = std::io::stdout();
    let Some(printed) = child.stdout.take() else {
        return Err(format!("could not read what `{shown}` prints"));
    };
    for line in BufReader::new(printed).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(failed)?).into_owned();
        writeln!(out, "{line}").map_err(failed)?;
        lines.push(line);
    }
    let status = child.wait().map_err(failed)?;
    let outcome = match status.success() {
        true => Ok(()),
        false => Err(format!("`{shown}` ended with {status}")),
    };
    Ok((outcome, lines))
}

#[cfg(test)]
mod unit {
    use super::unsteady;

    fn check(output: &str, expected: &[&str]) {
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        assert_eq!(unsteady(&lines).unwrap_or_default(), expected, "{output}");
    }

    #[test]
    fn few_unsteady_tests_are_run_again() {
        let (start, end) = ("running 4 tests\n", "\ntest result: FAILED. 3 passed; 1 failed");
        let (red, green) = ("test wire::a ... FAILED", "test wire::a ... ok");
        check(&format!("{start}{red}{end}"), &["wire::a"]);
        check(&format!("{start}{red}\ntest ledger::b ... FAILED{end}"), &["wire::a", "ledger::b"]);
        check(&format!("{start}{green}\ntest result: ok.\n{start}{red}{end}"), &["wire::a"]);
        // Who sees what is no accident, nor are many, nor is what nobody names.
        check(&format!("{start}test attacks::a ... FAILED{end}"), &[]);
        check(&format!("{start}{red}\ntest attacks::a ... FAILED{end}"), &[]);
        check(&format!("{start}{red}\n{red}\n{red}{end}"), &[]);
        check(&format!("{start}{end}"), &[]);
        check(&format!("{start}{red}"), &[]);
        check(&format!("{start}{red}{end}\n{start}{red}{end}"), &[]);
        check(&format!("{start}{green}\n{start}{red}{end}"), &[]);
    }
}
