//! What metering and the record cost a query: a governed point query over the PostgreSQL protocol with
//! the ledger, limits, a budget and a price, against the same without any of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::{POLICIES, Server};
use crate::{Result, data, percentiles};

const POINT: &str = "SELECT id, status, amount FROM bench.events WHERE id = $1";

/// Pairs of queries that are measured, and those before that aren't.
const ROUNDS: usize = 1_000;
const WARM: usize = 100;

/// The largest part of the median that metering may add.
const TARGET: f64 = 0.05;

/// One of the gateways.
struct Kind {
    name: &'static str,
    ledger: &'static str,
    costs: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { name: "nothing", ledger: "none", costs: "" },
    Kind {
        name: "ledger and price",
        ledger: "sqlite",
        costs: "CREATE PRICE p TO PUBLIC PER QUERY 0.0001 PER GB SCANNED 0.005 \
                  PER MILLION ROWS RETURNED 0.10 CURRENCY 'USD';
                CREATE LIMIT l TO PUBLIC MAX ROWS 100000 ON EXCEED ERROR MAX RUNTIME '60 s' \
                  MAX CONCURRENT 64 RATE 1000000 PER SECOND PER USER;",
    },
    Kind {
        name: "and a budget",
        ledger: "sqlite",
        costs: "CREATE PRICE p TO PUBLIC PER QUERY 0.0001 PER GB SCANNED 0.005 \
                  PER MILLION ROWS RETURNED 0.10 CURRENCY 'USD';
                CREATE LIMIT l TO PUBLIC MAX ROWS 100000 ON EXCEED ERROR MAX RUNTIME '60 s' \
                  MAX CONCURRENT 64 RATE 1000000 PER SECOND PER USER \
                  MAX BYTES SCANNED '1 TB' BUDGET 1000000 PER DAY;",
    },
];

/// A gateway of that kind in a folder of its own, over the same data.
fn start(folder: &Path, data: &Path, kind: &Kind) -> Result<(Server, Client)> {
    let own: PathBuf = folder.join(kind.name.replace(' ', "-"));
    std::fs::create_dir_all(&own)?;
    std::os::unix::fs::symlink(data, own.join("data"))?;
    let ledger = format!("[ledger]\nkind = \"{}\"\n", kind.ledger);
    let server = Server::start_with(&own, &format!("{POLICIES}{}", kind.costs), &ledger)?;
    let mut client = server.connect("ana")?;
    client.prepare("point", POINT)?;
    Ok((server, client))
}

/// `rows` of the large table.
pub(crate) fn run(folder: &Path, rows: i64) -> Result<()> {
    eprintln!("writing {rows} rows of 10 columns as Parquet");
    data::write(folder, rows)?;
    let data = folder.join("data").canonicalize()?;
    let mut gateways = Vec::new();
    for kind in &KINDS {
        gateways.push(start(folder, &data, kind)?);
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(ROUNDS); KINDS.len()];
    for round in 0..ROUNDS + WARM {
        let value = i64::try_from(round)? * 997 % rows.max(1);
        // In turns, each first in its turn, so that the machine's noise falls on all.
        for turn in 0..KINDS.len() {
            let which = (turn + round) % KINDS.len();
            let (Some((_, client)), Some(times)) = (gateways.get_mut(which), times.get_mut(which))
            else {
                continue;
            };
            let start = Instant::now();
            client.execute("point", Some(value), true)?;
            if round >= WARM {
                times.push(start.elapsed());
            }
        }
    }
    println!("\npoint query with metering and record, {ROUNDS} in turns (ratio: to nothing)");
    println!(
        "{:<18} {:>10} {:>8} {:>10} {:>8} {:>10}",
        "with", "p50 µs", "ratio", "p99 µs", "ratio", "added µs"
    );
    let mut base = None;
    for (kind, times) in KINDS.iter().zip(times) {
        let (p50, p99) = percentiles(times);
        let (base50, base99) = *base.get_or_insert((p50, p99));
        let ratio = |time: Duration, base: Duration| time.as_secs_f64() / base.as_secs_f64();
        println!(
            "{:<18} {:>10} {:>8.3} {:>10} {:>8.3} {:>10}",
            kind.name,
            p50.as_micros(),
            ratio(p50, base50),
            p99.as_micros(),
            ratio(p99, base99),
            p50.saturating_sub(base50).as_micros(),
        );
        let met = ratio(p50, base50) <= 1.0 + TARGET;
        if kind.ledger != "none" {
            let most = TARGET * 100.0;
            println!(
                "  at most {most} % more at the median: {}",
                if met { "met" } else { "missed" }
            );
        }
    }
    Ok(())
}
