//! Benchmarks. Each prints ratios against a peer that is measured in the same run.
//!
//! `overhead`: what the gateway adds to a point query and to a small aggregate; what rewriting costs;
//! how fast rows stream out, in text and in binary, and how much memory that takes.

mod client;
mod data;
mod latency;
mod postgres;
mod rewriting;
mod server;
mod streaming;

use std::process::ExitCode;

/// What every part of a benchmark returns: failures end the run with their text.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match (arguments.next().as_deref(), arguments.next()) {
        (Some("overhead"), None) => overhead(),
        _ => Err("usage: tollgate-bench overhead".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn overhead() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("tollgate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn measure(folder: &std::path::Path) -> Result<()> {
    let rows = std::env::var("TOLLGATE_BENCH_ROWS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5_000_000);
    eprintln!("writing {rows} rows of 10 columns as Parquet");
    data::write(folder, rows)?;
    rewriting::run(folder)?;
    let server = server::Server::start(folder)?;
    latency::run(&server, folder)?;
    streaming::run(&server, rows)?;
    Ok(())
}

/// The median and the 99th percentile.
fn percentiles(
    mut samples: Vec<std::time::Duration>,
) -> (std::time::Duration, std::time::Duration) {
    samples.sort_unstable();
    let at = |share: usize| {
        let index = (samples.len() * share / 100).min(samples.len().saturating_sub(1));
        samples.get(index).copied().unwrap_or_default()
    };
    (at(50), at(99))
}
