//! What the gateway adds to a query, against the same query run by DataFusion in this process.

use std::path::Path;
use std::time::Instant;

use datafusion::common::ScalarValue;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

use crate::server::Server;
use crate::{Result, percentiles};

const POINT: &str = "SELECT id, status, amount FROM bench.events WHERE id = $1";
const AGGREGATE: &str = "SELECT day, count(*), sum(amount) FROM bench.events \
     WHERE id < $1 GROUP BY day ORDER BY day LIMIT 20";
const ROUNDS: usize = 300;

pub(crate) fn run(server: &Server, folder: &Path) -> Result<()> {
    println!("\nlatency, median and p99 of {ROUNDS} (ratio: governed / in-process)");
    println!(
        "{:<12} {:>22} {:>22} {:>8} {:>10}",
        "query", "in-process µs", "governed µs", "ratio", "added µs"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let context = SessionContext::new_with_config(
        SessionConfig::new().with_create_default_catalog_and_schema(true),
    );
    runtime.block_on(async {
        context.sql("CREATE SCHEMA bench").await?.collect().await?;
        let path = folder.join("data/bench/events.parquet");
        let path = path.to_str().ok_or("the folder's name is not UTF-8")?.to_owned();
        context.register_parquet("bench.events", path, ParquetReadOptions::default()).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    let mut client = server.connect("ana")?;
    for (name, sql, filter, step) in [
        ("point", POINT, "code >= 0 AND tenant < 50", 997),
        ("aggregate", AGGREGATE, "code >= 0 AND tenant < 50", 100_000),
    ] {
        client.prepare(name, sql)?;
        // The same work: the row policy by hand.
        let plain = sql.replace("WHERE ", &format!("WHERE {filter} AND "));
        let mut direct = Vec::with_capacity(ROUNDS);
        let mut governed = Vec::with_capacity(ROUNDS);
        let frame = runtime.block_on(context.sql(&plain))?;
        for round in 0..ROUNDS + 20 {
            let value = if name == "point" { i64::try_from(round)? * step } else { step };
            // In turns, so that the machine's noise falls on both.
            let start = Instant::now();
            let bound = frame.clone().with_param_values(vec![ScalarValue::Int64(Some(value))])?;
            let batches = runtime.block_on(bound.collect())?;
            std::hint::black_box(batches);
            let elapsed = start.elapsed();
            let start = Instant::now();
            client.execute(name, Some(value), true)?;
            if round >= 20 {
                direct.push(elapsed);
                governed.push(start.elapsed());
            }
        }
        let (direct50, direct99) = percentiles(direct);
        let (governed50, governed99) = percentiles(governed);
        println!(
            "{name:<12} {:>14} / {:>5} {:>14} / {:>5} {:>8.2} {:>10}",
            direct50.as_micros(),
            direct99.as_micros(),
            governed50.as_micros(),
            governed99.as_micros(),
            governed50.as_secs_f64() / direct50.as_secs_f64(),
            governed50.saturating_sub(direct50).as_micros(),
        );
    }
    Ok(())
}
