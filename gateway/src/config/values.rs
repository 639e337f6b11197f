//! Values that people write: durations, sizes, names of tables.

use std::time::Duration;

use tollgate_catalog::TableName;

use crate::audit::TablePattern;

/// Reads "500ms", "30 s", "5min", "1h", "400 days".
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Reads "512 MiB", "4GB", "1024".
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let bytes: u64 = match unit {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// Reads "schema.table".
pub(super) fn table_name(text: &str) -> Option<TableName> {
    let (schema, table) = text.split_once('.')?;
    let fits = !schema.is_empty() && !table.is_empty() && !table.contains('.');
    fits.then(|| TableName::new(schema, table))
}

/// Reads "schema.table" and "schema.*".
pub(super) fn tables(text: &str) -> Option<TablePattern> {
    let name = table_name(text)?;
    Some(match name.table.as_str() {
        "*" => TablePattern::Schema(name.schema),
        _ => TablePattern::Table(name),
    })
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}
