//! Tests of the module beside.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod boundary;

use chrono::NaiveDateTime;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use tollgate_rewriter::UdfSource;

use super::Functions;
use super::moment::{Moment, MomentPattern};
use super::number::{NumberPattern, decimal};

/// Kind, value, pattern, result: recorded from PostgreSQL 15.
const RECORDED: &str = include_str!("postgres.tsv");

fn recorded(kind: &str) -> Vec<(&str, &str, &str)> {
    RECORDED
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('\t');
            (cells.next() == Some(kind)).then(|| {
                (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap_or_default())
            })
        })
        .collect()
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
}

fn compare(differences: &[String], of: usize) {
    assert!(of > 0);
    assert!(differences.is_empty(), "{} of {of}:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn numbers_are_written_as_postgresql_writes_them() {
    let cases = recorded("n");
    let mut differences = Vec::new();
    for (value, pattern, expected) in &cases {
        let value = if *value == "1e6" { "1000000" } else { value };
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let unscaled: i128 = format!("{whole}{fraction}").parse().unwrap();
        let unscaled = if value.starts_with("-0") { -unscaled.abs() } else { unscaled };
        let prepared = NumberPattern::new(pattern).unwrap();
        let scale = i8::try_from(fraction.len()).unwrap();
        let (negative, whole, fraction) = decimal(unscaled, scale, prepared.scale()).unwrap();
        let written = prepared.write(negative, &whole, &fraction);
        if written != *expected {
            differences.push(format!("{value} {pattern:?}: {written:?}, not {expected:?}"));
        }
    }
    compare(&differences, cases.len());
}

#[test]
fn times_are_written_as_postgresql_writes_them() {
    let cases = recorded("t");
    let mut differences = Vec::new();
    for (value, pattern, expected) in &cases {
        let moment = Moment { local: time(value), zone: None };
        let written = MomentPattern::new(pattern).write(&moment);
        if written != *expected {
            differences.push(format!("{value} {pattern:?}: {written:?}, not {expected:?}"));
        }
    }
    compare(&differences, cases.len());
}

#[test]
fn times_are_read_as_postgresql_reads_them() {
    let cases = recorded("p");
    let mut differences = Vec::new();
    for (text, pattern, expected) in &cases {
        let read = MomentPattern::new(pattern).read(text);
        if read != Some(time(expected)) {
            differences.push(format!("{text} {pattern:?}: {read:?}, not {expected:?}"));
        }
    }
    compare(&differences, cases.len());
    for (text, pattern) in [("2024-13-01", "YYYY-MM-DD"), ("x", "YYYY"), ("", "YYYY-MM-DD")] {
        assert_eq!(MomentPattern::new(pattern).read(text), None, "{text}");
    }
}

async fn value(sql: &str) -> String {
    let functions = Functions::new();
    let scalars = ["date_part", "to_char", "to_date", "to_timestamp", "now", "arrow_typeof"]
        .map(|name| functions.scalar(name).unwrap());
    let state = SessionStateBuilder::new_with_default_features()
        .with_expr_planners(functions.expr_planners())
        .with_scalar_functions(scalars.to_vec())
        .build();
    let context = SessionContext::new_with_state(state);
    for udf in scalars {
        context.register_udf(udf.as_ref().clone());
    }
    let sql =
        format!("SELECT {sql} FROM (VALUES (TIMESTAMP '2024-02-03 04:05:06.789', 1234.5)) v(t, n)");
    let batches = match context.sql(&sql).await {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    };
    match batches {
        Ok(batches) => {
            let column = batches.first().unwrap().column(0).clone();
            arrow::util::display::array_value_to_string(&column, 0).unwrap()
        }
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[tokio::test]
async fn functions_work_in_queries() {
    for (sql, expected) in [
        ("extract(second from t)", "6.789000"),
        ("extract(year from t)", "2024"),
        ("extract(milliseconds from t)", "6789.000"),
        ("extract(epoch from t)", "1706933106.789000"),
        ("extract(century from t)", "21"),
        ("extract(decade from t)", "202"),
        ("extract(millennium from t)", "3"),
        ("extract(year from t) = 2024", "true"),
        ("date_part('second', t)", "6.789"),
        ("date_part('year', t)", "2024.0"),
        ("date_part('hour', time '04:05:06')", "4.0"),
        ("date_part('DAY', interval '3 days 4 hours')", "3.0"),
        ("arrow_typeof(extract(day from t))", "Decimal128(10, 0)"),
        ("arrow_typeof(now())", "Timestamp(ns, \"+00:00\")"),
        ("to_char(t, 'FMMonth DD, YYYY')", "February 03, 2024"),
        ("to_char(n, '9,999.00')", " 1,234.50"),
        ("to_char(12, '00000')", " 00012"),
        ("to_char(date '2024-02-03', 'Day')", "Saturday "),
        (
            "to_char(to_timestamp(1706933106.789), 'YYYY-MM-DD HH24:MI:SS.MS TZ')",
            "2024-02-03 04:05:06.789 UTC",
        ),
        ("to_date('03/02/2024', 'DD/MM/YYYY')", "2024-02-03"),
        ("to_timestamp('2024-02-03 14', 'YYYY-MM-DD HH24')", "2024-02-03T14:00:00Z"),
        ("to_char(CAST(NULL AS timestamp), 'YYYY')", ""),
    ] {
        assert_eq!(value(sql).await, expected, "{sql}");
    }
}
