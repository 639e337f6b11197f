//! Of what the CPU time of a streamed row consists: reading, filtering and masking, encoding. What the
//! streaming benchmark shows beyond these is the socket's and the scheduler's.

use std::path::Path;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use tollgate_proxy::pg::encode::{Format, RowEncoder};
use tollgate_warehouse::Warehouse;
use tollgate_warehouse::admission::Admission;
use tollgate_warehouse::embedded::{Embedded, Options};

use crate::Result;
use crate::rewriting::Road;
use crate::server::cpu;

const ALL: &str = "SELECT * FROM bench.events";
/// How many batches are kept to be encoded, and how often they are.
const KEPT: usize = 24;
const REPEATED: usize = 25;

pub(crate) fn run(folder: &Path, rows: i64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let scanned = f64::from(u32::try_from(rows)?);
    println!("\nstages of {rows} rows of 10 columns, ns of CPU per row");
    let report = |name: &str, used: Duration, rows: f64| {
        println!("{name:<44} {:>8.1}", used.as_secs_f64() * 1e9 / rows);
    };

    let path = folder.join("data/bench/events.parquet");
    let path = path.to_str().ok_or("the folder's name is not UTF-8")?.to_owned();
    let mut settings = SessionConfig::new();
    settings.options_mut().execution.parquet.schema_force_view_types = false;
    let context = SessionContext::new_with_config(settings);
    let before = cpu(std::process::id())?;
    runtime.block_on(async {
        context.register_parquet("events", path, ParquetReadOptions::default()).await?;
        let mut batches = context.sql("SELECT * FROM events").await?.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            std::hint::black_box(batch?);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    report("engine alone: read", cpu(std::process::id())?.saturating_sub(before), scanned);

    let road = Road::new(folder)?;
    let warehouse = Embedded::open(&Options::default())?;
    let admission = Admission::new(1);
    let mut kept: Vec<RecordBatch> = Vec::new();
    for (user, name) in
        [("root", "ours, no policy: read"), ("ana", "ours: read, filter, mask (per row read)")]
    {
        let principal = road.principal(user)?;
        let standing = road.standing(&principal)?;
        let secured = road.prepare(&principal, &standing, ALL)?.bind(Vec::new())?;
        let before = cpu(std::process::id())?;
        kept.clear();
        runtime.block_on(async {
            let admitted = admission.admit(secured).await?;
            let mut batches = warehouse.run(&admitted).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                if kept.len() < KEPT {
                    kept.push(batch);
                }
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
        report(name, cpu(std::process::id())?.saturating_sub(before), scanned);
    }

    let types: Vec<_> = kept
        .first()
        .ok_or("no rows")?
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    let mut out = BytesMut::new();
    for (format, name) in [(Format::Text, "encode as text"), (Format::Binary, "encode as binary")] {
        let mut encoder = RowEncoder::new(&types, &[format], "UTC")?;
        let mut encoded: u32 = 0;
        let before = cpu(std::process::id())?;
        for batch in kept.iter().cycle().take(KEPT * REPEATED) {
            // As the session does: a slice, then the socket.
            for start in (0..batch.num_rows()).step_by(256) {
                let end = batch.num_rows().min(start + 256);
                encoder.encode(batch, start..end, &mut out)?;
                encoded += u32::try_from(end - start)?;
                if out.len() >= 64 * 1024 {
                    std::hint::black_box(&out);
                    out.clear();
                }
            }
        }
        let used = cpu(std::process::id())?.saturating_sub(before);
        report(name, used, f64::from(encoded));
    }
    Ok(())
}
