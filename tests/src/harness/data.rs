//! Tables of PostgreSQL as Parquet files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tokio_postgres::SimpleQueryMessage;

use super::client::Client;

/// Rows of a row group: few, so that even small tables have several and statistics can prune.
const ROW_GROUP: usize = 16;

/// Writes every table of a database to `<folder>/<schema>/<table>.parquet`.
pub async fn export(client: &Client, folder: &Path) {
    let tables = texts(
        client,
        "SELECT table_schema, table_name FROM information_schema.tables \
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    )
    .await;
    for table in tables {
        let (schema, name) = (table[0].clone().unwrap(), table[1].clone().unwrap());
        let batch = read(client, &schema, &name).await;
        let folder = folder.join(&schema);
        std::fs::create_dir_all(&folder).unwrap();
        write(&folder.join(format!("{name}.parquet")), &batch);
    }
}

async fn read(client: &Client, schema: &str, table: &str) -> RecordBatch {
    let columns = texts(
        client,
        &format!(
            "SELECT column_name, data_type FROM information_schema.columns \
             WHERE table_schema = '{schema}' AND table_name = '{table}' ORDER BY ordinal_position"
        ),
    )
    .await;
    let rows = texts(client, &format!("SELECT * FROM {schema}.{table} ORDER BY 1")).await;
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let values = rows.iter().map(|row| row[index].as_deref());
            let array = array(column[1].as_deref().unwrap(), values);
            (Field::new(column[0].as_deref().unwrap(), array.data_type().clone(), true), array)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn array<'a>(kind: &str, values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    match kind {
        "bigint" => Arc::new(
            values.map(|value| value.map(|value| value.parse().unwrap())).collect::<Int64Array>(),
        ),
        "integer" => Arc::new(
            values.map(|value| value.map(|value| value.parse().unwrap())).collect::<Int32Array>(),
        ),
        "smallint" => Arc::new(
            values.map(|value| value.map(|value| value.parse().unwrap())).collect::<Int16Array>(),
        ),
        "double precision" => Arc::new(
            values.map(|value| value.map(|value| value.parse().unwrap())).collect::<Float64Array>(),
        ),
        "boolean" => {
            Arc::new(values.map(|value| value.map(|value| value == "t")).collect::<BooleanArray>())
        }
        "text" => Arc::new(values.collect::<StringArray>()),
        "numeric" => Arc::new(
            values
                .map(|value| value.map(decimal))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(18, 2)
                .unwrap(),
        ),
        "date" => Arc::new(values.map(|value| value.map(date)).collect::<Date32Array>()),
        "timestamp with time zone" => Arc::new(
            // The server's zone is UTC.
            values
                .map(|value| value.map(|value| timestamp(value.strip_suffix("+00").unwrap())))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        "timestamp without time zone" => Arc::new(
            values.map(|value| value.map(timestamp)).collect::<TimestampMicrosecondArray>(),
        ),
        other => panic!("a column of type {other} has no Arrow type here"),
    }
}

fn write(path: &Path, batch: &RecordBatch) {
    debug_assert!(!matches!(
        batch.schema().field(0).data_type(),
        DataType::Timestamp(TimeUnit::Nanosecond, _)
    ));
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(ROW_GROUP)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties))
            .unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The rows of a query, as texts.
pub async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.inner.simple_query(sql).await.unwrap();
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
            }
            _ => None,
        })
        .collect()
}

fn decimal(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 2, "{text} has more than two decimals");
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

fn date(text: &str) -> i32 {
    let parts: Vec<i64> = text.split('-').map(|part| part.parse().unwrap()).collect();
    let [year, month, day] = parts[..] else { panic!("{text} is no date") };
    // Days since 1970-01-01, with years that start in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    i32::try_from(days).unwrap()
}

fn timestamp(text: &str) -> i64 {
    let (day, time) = text.split_once(' ').unwrap();
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let seconds = time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    let micros: i64 = format!("{fraction:0<6}").parse().unwrap();
    (i64::from(date(day)) * 86_400 + seconds) * 1_000_000 + micros
}
