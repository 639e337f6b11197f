//! Benchmarks. Each prints ratios against a peer that is measured in the same run.
//!
//! `overhead`: what the gateway adds to a point query and to a small aggregate; what rewriting costs;
//! how fast rows stream out, in text and in binary, and how much memory that takes. With a part's
//! name (`rewriting`, `stages`, `latency`, `streaming`) only that part.
//!
//! `rules`: what securing costs by the number of policies and of tables, and how long a large bundle
//! takes to load.
//!
//! `barrier`: what it costs that no expression of a user passes into a governed table: analytical
//! queries, against a table that holds only the permitted rows.
//!
//! `aggregates`: what it costs that a table answers in aggregates only.
//!
//! `tpc`: what governing the queries of TPC-H and TPC-DS costs.
//!
//! `flight`: how fast a real client reads over Flight SQL, against `pyarrow.flight` and RoAPI.
//!
//! `ledger`: how fast decisions and receipts become durable, and how much room they take.
//!
//! `pooler`: a point query of a PostgreSQL through the gateway, against PgBouncer before row security.
//!
//! `snowflake`: rows of a Snowflake (the emulator) over Flight SQL, against the official connector.
//!
//! `metering`: what the ledger, limits, a price and a budget add to a point query.

mod aggregates;
mod barrier;
mod client;
mod data;
mod flight;
mod latency;
mod ledger;
mod metering;
mod pooler;
mod postgres;
mod rewriting;
mod rules;
mod server;
mod snowflake;
mod stages;
mod streaming;
mod tpc;

use std::path::Path;
use std::process::ExitCode;

/// What every part of a benchmark returns: failures end the run with their text.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["overhead"] => overhead(None),
        ["overhead", part @ ("rewriting" | "latency" | "streaming" | "stages")] => {
            overhead(Some(*part))
        }
        ["rules"] => rules::run(),
        ["barrier"] => in_folder(barrier::run),
        ["aggregates"] => in_folder(aggregates::run),
        ["tpc"] => in_folder(tpc::run),
        ["ledger"] => in_folder(ledger::run),
        ["flight"] => in_folder(flight::run),
        ["pooler"] => in_folder(|folder| pooler::run(folder, rows())),
        ["snowflake"] => in_folder(snowflake::run),
        ["metering"] => in_folder(|folder| metering::run(folder, rows())),
        _ => Err(
            "usage: tollgate-bench overhead [rewriting|stages|latency|streaming] | rules | barrier | \
             aggregates | tpc | ledger | flight | pooler | snowflake | metering"
                .into(),
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs in a folder of its own, which is removed.
fn in_folder(measure: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("tollgate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    result
}

/// How many rows the large table has: `TOLLGATE_BENCH_ROWS`, or five millions.
fn rows() -> i64 {
    let set = std::env::var("TOLLGATE_BENCH_ROWS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(5_000_000)
}

fn overhead(part: Option<&str>) -> Result<()> {
    let wanted = |name: &str| part.is_none_or(|part| part == name);
    in_folder(|folder| {
        let rows = rows();
        eprintln!("writing {rows} rows of 10 columns as Parquet");
        data::write(folder, rows)?;
        if wanted("rewriting") {
            rewriting::run(folder)?;
        }
        if wanted("stages") {
            stages::run(folder, rows)?;
        }
        if !wanted("latency") && !wanted("streaming") {
            return Ok(());
        }
        let server = server::Server::start(folder, server::POLICIES)?;
        if wanted("latency") {
            latency::run(&server, folder)?;
        }
        if wanted("streaming") {
            streaming::run(&server, rows)?;
        }
        Ok(())
    })
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
