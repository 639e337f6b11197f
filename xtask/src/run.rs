//! Running commands and steps, with timing.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Fine, or what went wrong.
pub(crate) type Outcome = Result<(), String>;

/// One step of a task.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Outcome,
}

/// Runs steps until one fails, and prints a summary of all.
pub(crate) fn steps(steps: &[Step]) -> Outcome {
    let mut summary = Vec::new();
    let mut outcome = Ok(());
    for step in steps {
        if outcome.is_err() {
            summary.push(format!("  {:14} not run", step.name));
            continue;
        }
        println!("== {}", step.name);
        let start = Instant::now();
        outcome = (step.run)();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        let line = format!("  {:14} {word:7} {}", step.name, seconds(start.elapsed()));
        println!("{line}\n");
        summary.push(line);
    }
    println!("== summary\n{}", summary.join("\n"));
    outcome
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

/// `cargo` in the workspace, with its output in the user's cache folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command.env("CARGO_TARGET_DIR", target());
    command
}

/// The folder of build output.
pub(crate) fn target() -> PathBuf {
    match (env::var_os("CARGO_TARGET_DIR"), cache()) {
        (Some(folder), _) => root().join(folder),
        (None, Some(cache)) => cache.join("target"),
        (None, None) => root().join("target"),
    }
}

/// Runs a command with this process's output.
pub(crate) fn command(command: &mut Command) -> Outcome {
    let shown = show(command);
    println!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("could not run `{shown}`: {error}")),
    }
}

/// Runs a command for its standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let shown = show(command);
    let output = command.stderr(Stdio::inherit()).output();
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(format!("`{shown}` ended with {}", output.status)),
        Err(error) => Err(format!("could not run `{shown}`: {error}")),
    }
}

/// The words of a command.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or(own.clone(), PathBuf::from)
}

/// The folder for build output and tools.
pub(crate) fn cache() -> Option<PathBuf> {
    env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tollgate"))
}

/// Whether a program of that name can be run.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
