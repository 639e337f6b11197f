//! Sums as a table for people, and as CSV, JSON and Parquet for programs.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use parquet::arrow::ArrowWriter;
use serde_json::{Map, Value, json};
use tollgate_ledger::billing::{Key, Usage};

/// Columns that are as wide as they must be; the first row is the head.
pub(super) fn print(rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// RFC 4180.
pub(super) fn csv(rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

/// A cell of a CSV. A value that a spreadsheet would run as a formula is kept from that by an
/// apostrophe: names come from tokens and policies of others.
fn quoted(cell: &str) -> String {
    let formula =
        cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// An array of objects; money is text, so that no reader makes a float of it.
pub(super) fn json(keys: &[Key], sums: &[Usage], out: &mut dyn Write) -> io::Result<()> {
    let objects = sums.iter().map(|sum| {
        let mut object = Map::new();
        for (key, value) in keys.iter().zip(&sum.keys) {
            object.insert(key.name().to_owned(), json!(value));
        }
        object.insert("currency".to_owned(), json!(sum.currency));
        object.insert("queries".to_owned(), json!(sum.queries));
        object.insert("rows".to_owned(), json!(sum.rows));
        object.insert("bytes".to_owned(), json!(sum.bytes));
        object.insert("scanned".to_owned(), json!(sum.scanned));
        object.insert("credits_measured".to_owned(), json!(sum.measured.to_string()));
        object.insert("credits".to_owned(), json!(sum.credits.to_string()));
        object.insert("amount".to_owned(), json!(sum.amount.to_string()));
        Value::Object(object)
    });
    writeln!(out, "{:#}", Value::Array(objects.collect()))
}

/// One row group; money is text, exactly.
pub(super) fn parquet(keys: &[Key], sums: &[Usage], out: &mut dyn Write) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("error: could not write Parquet: {error}");
    let text = |of: &dyn Fn(&Usage) -> String| -> ArrayRef {
        Arc::new(sums.iter().map(|sum| Some(of(sum))).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Usage) -> u64| -> ArrayRef {
        Arc::new(sums.iter().map(|sum| Some(of(sum))).collect::<UInt64Array>())
    };
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let values = text(&|sum: &Usage| sum.keys.get(index).cloned().unwrap_or_default());
        columns.push((key.name().to_owned(), values));
    }
    columns.push(("currency".to_owned(), text(&|sum| sum.currency.clone())));
    columns.push(("queries".to_owned(), number(&|sum| sum.queries)));
    columns.push(("rows".to_owned(), number(&|sum| sum.rows)));
    columns.push(("bytes".to_owned(), number(&|sum| sum.bytes)));
    columns.push(("scanned".to_owned(), number(&|sum| sum.scanned)));
    columns.push(("credits_measured".to_owned(), text(&|sum| sum.measured.to_string())));
    columns.push(("credits".to_owned(), text(&|sum| sum.credits.to_string())));
    columns.push(("amount".to_owned(), text(&|sum| sum.amount.to_string())));
    let batch = RecordBatch::try_from_iter(columns).map_err(|error| said(&error))?;
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), None).map_err(|error| said(&error))?;
    writer.write(&batch).map_err(|error| said(&error))?;
    writer.close().map_err(|error| said(&error))?;
    out.write_all(&bytes).map_err(|error| said(&error))
}
