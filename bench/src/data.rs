//! Rows to measure with: ten mixed columns, the same in Parquet and in PostgreSQL.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::Result;

/// The select list that makes the same rows in PostgreSQL, over `generate_series(0::bigint, n - 1) i`.
pub(crate) const POSTGRES_ROWS: &str = "i::bigint AS id, (i % 100)::int AS tenant, \
     'customer ' || i % 5000 AS name, CASE WHEN i % 7 = 0 THEN NULL ELSE 'status ' || i % 5 END AS status, \
     ((i * 37) % 1000000)::numeric(12,0) / 100 AS amount, (i % 1000) / 8.0::float8 AS score, \
     i % 3 = 0 AS active, date '2020-01-01' + (i % 2000)::int AS day, \
     timestamp '2024-01-01' + i * interval '1.000001 second' AS at, (i * 7919) % 1000003 AS code";

const BATCH: usize = 65_536;

/// Writes `folder/data/bench/events.parquet`.
pub(crate) fn write(folder: &Path, rows: i64) -> Result<()> {
    write_events(&folder.join("data/bench/events.parquet"), 0..rows, false)
}

/// The tenant of the row with that number.
pub(crate) fn tenant(id: i64) -> i64 {
    id % 100
}

/// Writes the rows with these numbers, in this order; if `masked`, with the names as the bench's mask
/// shows them.
pub(crate) fn write_events(
    path: &Path,
    mut ids: impl Iterator<Item = i64>,
    masked: bool,
) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("tenant", DataType::Int32, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("status", DataType::Utf8, true),
        Field::new("amount", DataType::Decimal128(12, 2), false),
        Field::new("score", DataType::Float64, false),
        Field::new("active", DataType::Boolean, false),
        Field::new("day", DataType::Date32, false),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("code", DataType::Int64, false),
    ]));
    let name = |i: i64| match masked {
        true => "cust***".to_owned(),
        false => format!("customer {}", i % 5000),
    };
    let mut writer = writer(path, &schema)?;
    loop {
        let ids: Vec<i64> = ids.by_ref().take(BATCH).collect();
        if ids.is_empty() {
            break;
        }
        let amount = ids.iter().map(|i| i128::from((i * 37) % 1_000_000));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids.clone())),
            Arc::new(ids.iter().map(|i| i32::try_from(tenant(*i)).ok()).collect::<Int32Array>()),
            Arc::new(StringArray::from_iter_values(ids.iter().map(|i| name(*i)))),
            Arc::new(
                ids.iter()
                    .map(|i| (i % 7 != 0).then(|| format!("status {}", i % 5)))
                    .collect::<StringArray>(),
            ),
            Arc::new(Decimal128Array::from_iter_values(amount).with_precision_and_scale(12, 2)?),
            Arc::new(Float64Array::from_iter_values(
                ids.iter().map(|i| f64::from(u16::try_from(i % 1000).unwrap_or(0)) / 8.0),
            )),
            Arc::new(BooleanArray::from_iter(ids.iter().map(|i| Some(i % 3 == 0)))),
            Arc::new(
                ids.iter().map(|i| i32::try_from(18_262 + i % 2000).ok()).collect::<Date32Array>(),
            ),
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                ids.iter().map(|i| 1_704_067_200_000_000 + i * 1_000_001),
            )),
            Arc::new(Int64Array::from_iter_values(ids.iter().map(|i| (i * 7919) % 1_000_003))),
        ];
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    writer.close()?;
    Ok(())
}

/// Writes one row for each tenant.
pub(crate) fn write_tenants(path: &Path) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int32, false),
        Field::new("region", DataType::Utf8, false),
        Field::new("segment", DataType::Utf8, false),
    ]));
    let pick = |id: i32, names: &[&str]| {
        let index = usize::try_from(id).unwrap_or(0) % names.len().max(1);
        names.get(index).map(|name| (*name).to_owned())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(0..100)),
        Arc::new(
            (0..100)
                .map(|id| pick(id, &["north", "east", "south", "west"]))
                .collect::<StringArray>(),
        ),
        Arc::new(
            (0..100).map(|id| pick(id, &["small", "large", "small"])).collect::<StringArray>(),
        ),
    ];
    let mut writer = writer(path, &schema)?;
    writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    writer.close()?;
    Ok(())
}

fn writer(path: &Path, schema: &Arc<Schema>) -> Result<ArrowWriter<File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(262_144))
        .build();
    Ok(ArrowWriter::try_new(File::create(path)?, Arc::clone(schema), Some(properties))?)
}
