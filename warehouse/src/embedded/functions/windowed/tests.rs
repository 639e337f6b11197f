//! Tests of the module beside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use datafusion::prelude::{SessionConfig, SessionContext};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::UdfSource;

use super::COLLECTING;
use crate::embedded::functions::Functions;
use crate::error::public;

/// The last result over `t(id, text)` of `rows` rows with texts of 100 bytes.
async fn last(call: &str, rows: usize) -> Result<String, Error> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for (name, _) in COLLECTING {
        context.register_udaf(Functions::new().windowed(name).unwrap().as_ref().clone());
    }
    let sql = format!(
        "SELECT v FROM (SELECT id, {call} AS v FROM (SELECT id, lpad('x', 100) AS text FROM \
         (SELECT unnest(generate_series(1, {rows})) AS id) s) t) u ORDER BY id DESC LIMIT 1"
    );
    let frame = context.sql(&sql).await.map_err(public)?;
    let batches = frame.collect().await.map_err(public)?;
    let column = batches.first().unwrap().column(0);
    Ok(arrow::util::display::array_value_to_string(column, 0).unwrap())
}

#[tokio::test]
async fn results_of_windows_are_bounded_together() {
    for (call, rows) in [
        ("string_agg(text, ',') OVER (ORDER BY id)", 5000),
        ("string_agg(text, ',') OVER ()", 5000),
        ("array_agg(text) OVER (ORDER BY id)", 5000),
        ("array_agg(text) OVER ()", 5000),
        ("array_agg(id) OVER ()", 20_000),
    ] {
        let error = match last(call, rows).await {
            Err(error) => error,
            Ok(value) => panic!("{call}: {} characters", value.len()),
        };
        assert_eq!(error.kind(), ErrorKind::ProgramLimit, "{call}: {:?}", error.cause());
    }
    for (call, rows, length) in [
        ("string_agg(text, ',') OVER (ORDER BY id)", 500, 500 * 101 - 1),
        ("string_agg(text, ',') OVER (PARTITION BY id % 100)", 10_000, 100 * 101 - 1),
        ("string_agg(text, ',') OVER ()", 500, 500 * 101 - 1),
        ("array_agg(id) OVER (ORDER BY id)", 3, "[1, 2, 3]".len()),
        ("median(id) OVER (ORDER BY id)", 1000, "500.5".len()),
        ("median(id) OVER ()", 10_000, "5000.5".len()),
    ] {
        match last(call, rows).await {
            Ok(value) => assert_eq!(value.len(), length, "{call}"),
            Err(error) => panic!("{call}: {error}: {:?}", error.cause()),
        }
    }
}
