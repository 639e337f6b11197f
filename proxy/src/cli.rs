//! The command line.

mod audit;
mod compare;
mod diff;
mod explain;
mod rehearse;
mod simulate;
mod test;
mod time;
mod usage;
mod user;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tollgate_gateway::config;

use crate::{demo, load, serve, traces};

/// Worker threads plan queries; deep ones recurse deeply.
const STACK: usize = 8 << 20;

#[derive(Parser)]
#[command(
    name = "tollgate",
    version,
    about = "A SQL gateway that decides who sees which rows and columns"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients as a configuration file says
    Serve(ConfigFile),
    /// Make up data, users and policies, and serve them
    Demo(demo::Options),
    /// Check configuration, users, tables and policies, and print all errors
    Check(ConfigFile),
    /// Run the tests that stand beside the policies (TEST POLICY), as a client would
    Test(test::Options),
    /// Say who would see more, and who less, under other policies
    Diff(diff::Options),
    /// Say which policies decide what about each table and column of a query, and what runs instead
    Explain(explain::Options),
    /// Run a query under the policies in force and under others, and say how the rows differ
    Simulate(simulate::Options),
    /// Verify, export and prune the ledger
    #[command(subcommand)]
    Audit(audit::Command),
    /// Rate what was used, report it, and print invoices
    #[command(subcommand)]
    Usage(usage::Command),
    /// Manage the file of users
    #[command(subcommand)]
    User(User),
    /// About the configuration file
    #[command(subcommand)]
    Config(Config),
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, default_value = "tollgate.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum User {
    /// Add a user, or give an existing one a new password and new attributes
    Add(user::Add),
}

#[derive(Subcommand)]
enum Config {
    /// Print the JSON schema of the configuration file
    Schema,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs a command line; the first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    run_to(arguments, &mut io::stdout())
}

/// The same with the output of the commands that operate policies written to `out`.
pub fn run_to(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // help and version come this way too, with a code of 0
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Serve(file) => load::load(&file.config).map_err(text).and_then(serve_loaded),
        Command::Demo(options) => demo::prepare(&options).and_then(|demo| {
            run_server(demo.loaded, |server| println!("{}", demo.instructions.at(server)))
        }),
        Command::Check(file) => load::load(&file.config).map_err(text).map(|loaded| {
            println!("{}", loaded.summary());
        }),
        Command::Test(options) => test::run(&options, out),
        Command::Diff(options) => match diff::run(&options, out) {
            Ok(code) => return code,
            Err(message) => Err(message),
        },
        Command::Explain(options) => explain::run(&options, out),
        Command::Simulate(options) => simulate::run(&options, out),
        Command::Audit(command) => audit::run(&command, out),
        Command::Usage(command) => usage::run(&command, out),
        Command::User(User::Add(add)) => user::add(&add),
        Command::Config(Config::Schema) => {
            print!("{}", config::schema_json());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn text(errors: load::Errors) -> String {
    errors.to_string()
}

fn serve_loaded(loaded: load::Loaded) -> Result<(), String> {
    run_server(loaded, |server| {
        tracing::info!(pg = %server.pg(), "serving PostgreSQL clients");
        if let Some(flight) = server.flight() {
            tracing::info!(%flight, "serving Flight SQL clients");
        }
    })
}

/// How long threads may take to end once all is drained.
const GRACE: Duration = Duration::from_secs(5);

fn run_server(loaded: load::Loaded, started: impl FnOnce(&serve::Server)) -> Result<(), String> {
    let runtime = runtime()?;
    let sending = {
        let _inside = runtime.enter();
        traces::start(&loaded.config)?
    };
    let served = runtime.block_on(async {
        let signals = serve::Signals::hear()?;
        let server = serve::start(loaded).await?;
        started(&server);
        server.until_signal(signals).await
    });
    drop(sending);
    // All is drained; a reload that waits for a warehouse is not waited for.
    runtime.shutdown_timeout(GRACE);
    served
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|error| format!("error: could not start the runtime: {error}"))
}
