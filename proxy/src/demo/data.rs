//! The demo's data: made up, and the same on every machine.
//!
//! Each value is a function of its table, column and row, so no state runs along. Rows lie sorted
//! by tenant in several row groups: a query of one tenant skips most of a file.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use indicatif::{ProgressBar, ProgressStyle};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::tables;

/// Tenants: short name, name, partner, share of the rows in percent. Sorted by short name.
const TENANTS: &[(&str, &str, &str, u64)] = &[
    ("acme", "Acme Corporation", "north", 25),
    ("globex", "Globex", "north", 20),
    ("hooli", "Hooli", "south", 15),
    ("initech", "Initech", "south", 12),
    ("soylent", "Soylent", "west", 10),
    ("stark", "Stark Industries", "west", 8),
    ("umbrella", "Umbrella", "south", 6),
    ("wayne", "Wayne Enterprises", "north", 4),
];
const PARTNERS: &[&str] = &["north", "south", "west"];
const FIRST: &[&str] = &[
    "Ada", "Ben", "Carla", "Dmitri", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Keiko",
    "Luis", "Mona", "Nils", "Olga", "Pavel",
];
const LAST: &[&str] = &[
    "Almeida",
    "Berg",
    "Chen",
    "Dubois",
    "Evans",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
];
const ROW_GROUP: usize = 10_000;
const DAYS_BEFORE_1970: i32 = 719_528; // of year 0, in the proleptic Gregorian calendar
const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// One table.
pub(super) struct Spec {
    pub(super) schema: &'static str,
    pub(super) table: &'static str,
    pub(super) comment: &'static str,
    /// Column names with commas between.
    pub(super) primary_key: &'static str,
    pub(super) rows: Rows,
    /// Name, comment, content.
    pub(super) columns: Vec<(&'static str, &'static str, Make)>,
}

/// How many rows a table has.
#[derive(Clone, Copy)]
pub(super) enum Rows {
    OnePerTenant,
    /// That many for each tenant.
    EachTenant(u64),
    /// That many for each percent of a tenant's share.
    PerPercent(u64),
    /// That many, of no tenant.
    Fixed(u64),
}

/// What a column holds.
pub(super) enum Make {
    /// The row's number from 1.
    Id,
    Tenant,
    TenantName,
    Partner,
    PartnerOfRow,
    /// A row of the same tenant in a table with that many rows per percent.
    Ref {
        percent: u64,
    },
    Pick(&'static [&'static str]),
    PersonName,
    Email,
    Phone,
    NationalId,
    Int {
        min: u64,
        max: u64,
    },
    Flag {
        percent: u64,
    },
    Money {
        min: u64,
        max: u64,
    },
    Date {
        from: i32,
        days: u64,
    },
    /// Day after day, from the first of January.
    Day {
        from: i32,
    },
    Time {
        from: i32,
        days: u64,
    },
}

/// A row: its tenant, its number among that tenant's rows, and among all.
#[derive(Clone, Copy)]
struct Row {
    tenant: usize,
    number: u64,
    id: u64,
}

impl Rows {
    fn of_tenant(self, share: u64) -> u64 {
        match self {
            Rows::OnePerTenant => 1,
            Rows::EachTenant(rows) => rows,
            Rows::PerPercent(rows) => rows * share,
            Rows::Fixed(_) => 0,
        }
    }

    fn list(self) -> Vec<Row> {
        if let Rows::Fixed(rows) = self {
            return (0..rows).map(|n| Row { tenant: 0, number: n, id: n + 1 }).collect();
        }
        let tenants = TENANTS.iter().enumerate();
        let rows = tenants.flat_map(|(tenant, (.., share))| {
            (0..self.of_tenant(*share)).map(move |number| (tenant, number))
        });
        (1..).zip(rows).map(|(id, (tenant, number))| Row { tenant, number, id }).collect()
    }
}

/// Writes all tables below `folder`, as `<schema>/<table>.parquet`.
pub(super) fn write(folder: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let specs = tables::all();
    let rows: usize = specs.iter().map(|spec| spec.rows.list().len()).sum();
    let bar = ProgressBar::new(rows as u64);
    let style = ProgressStyle::with_template("{msg:24} {bar:30} {pos:>7}/{len} rows {elapsed}")?;
    bar.set_style(style);
    for spec in &specs {
        bar.set_message(format!("{}.{}", spec.schema, spec.table));
        write_table(folder, spec, &bar)?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn write_table(
    folder: &Path,
    spec: &Spec,
    bar: &ProgressBar,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let folder = folder.join(spec.schema);
    fs::create_dir_all(&folder)?;
    let file = File::create(folder.join(format!("{}.parquet", spec.table)))?;
    let schema = Arc::new(schema(spec));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
    for rows in spec.rows.list().chunks(ROW_GROUP) {
        let columns = spec.columns.iter();
        let columns = columns.map(|(name, _, make)| column(make, &seed(spec, name), rows));
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        bar.inc(rows.len() as u64);
    }
    let file = writer.into_inner()?;
    Ok(file.sync_all()?)
}

fn schema(spec: &Spec) -> Schema {
    let fields: Vec<_> = spec
        .columns
        .iter()
        .map(|(name, comment, make)| {
            let metadata = HashMap::from([("comment".to_owned(), (*comment).to_owned())]);
            Field::new(*name, data_type(make), false).with_metadata(metadata)
        })
        .collect();
    let metadata = [("tollgate.primary_key", spec.primary_key), ("tollgate.comment", spec.comment)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Schema::new_with_metadata(fields, HashMap::from(metadata))
}

fn data_type(make: &Make) -> DataType {
    match make {
        Make::Id | Make::Ref { .. } => DataType::Int64,
        Make::Int { .. } => DataType::Int32,
        Make::Flag { .. } => DataType::Boolean,
        Make::Money { .. } => DataType::Decimal128(12, 2),
        Make::Date { .. } | Make::Day { .. } => DataType::Date32,
        Make::Time { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
        Make::Tenant
        | Make::TenantName
        | Make::Partner
        | Make::PartnerOfRow
        | Make::Pick(_)
        | Make::PersonName
        | Make::Email
        | Make::Phone
        | Make::NationalId => DataType::Utf8,
    }
}

fn column(make: &Make, seed: &u64, rows: &[Row]) -> Result<ArrayRef, ArrowError> {
    let dice = |row: &Row| mix(seed.wrapping_add(row.id.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let texts = |text: &dyn Fn(&Row) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
    };
    let within = |row: &Row, min: u64, max: u64| min + dice(row) % (max - min + 1).max(1);
    Ok(match make {
        Make::Id => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id as i64))),
        Make::Ref { percent } => Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| referenced(row, *percent, dice(row)) as i64),
        )),
        Make::Tenant => texts(&|row| tenant(row).0.to_owned()),
        Make::TenantName => texts(&|row| tenant(row).1.to_owned()),
        Make::Partner => texts(&|row| tenant(row).2.to_owned()),
        Make::PartnerOfRow => texts(&|row| pick(PARTNERS, row.number).to_owned()),
        Make::Pick(values) => texts(&|row| pick(values, dice(row)).to_owned()),
        Make::PersonName => texts(&|row| {
            let (first, last) = person(row);
            format!("{first} {last}")
        }),
        Make::Email => texts(&|row| {
            let (first, last) = person(row);
            format!("{first}.{last}{}@example.com", row.id).to_lowercase()
        }),
        Make::Phone => texts(&|row| format!("+49 30 {:07}", dice(row) % 10_000_000)),
        Make::NationalId => texts(&|row| format!("{:09}", dice(row) % 1_000_000_000)),
        Make::Int { min, max } => Arc::new(Int32Array::from_iter_values(
            rows.iter().map(|row| within(row, *min, *max) as i32),
        )),
        Make::Flag { percent } => Arc::new(BooleanArray::from(
            rows.iter().map(|row| dice(row) % 100 < *percent).collect::<Vec<_>>(),
        )),
        Make::Money { min, max } => {
            let cents = rows.iter().map(|row| i128::from(within(row, min * 100, max * 100)));
            Arc::new(Decimal128Array::from_iter_values(cents).with_precision_and_scale(12, 2)?)
        }
        Make::Date { from, days } => Arc::new(Date32Array::from_iter_values(
            rows.iter().map(|row| january_first(*from) + (dice(row) % days) as i32),
        )),
        Make::Day { from } => Arc::new(Date32Array::from_iter_values(
            rows.iter().map(|row| january_first(*from) + row.number as i32),
        )),
        Make::Time { from, days } => {
            let first = i64::from(january_first(*from)) * MICROSECONDS_A_DAY;
            let second = |row: &Row| (dice(row) % (days * 86_400)) as i64;
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.iter().map(|row| first + second(row) * 1_000_000),
            ))
        }
    })
}

fn tenant(row: &Row) -> (&'static str, &'static str, &'static str) {
    TENANTS.get(row.tenant).map_or(("", "", ""), |(id, name, partner, _)| (id, name, partner))
}

/// Name and e-mail address of one row are of one person.
fn person(row: &Row) -> (&'static str, &'static str) {
    let dice = mix(row.id);
    (pick(FIRST, dice), pick(LAST, dice >> 32))
}

fn pick(values: &'static [&'static str], dice: u64) -> &'static str {
    let index = dice % (values.len() as u64).max(1);
    values.get(index as usize).copied().unwrap_or_default()
}

/// The id of a row of the same tenant in a table of `percent` rows per percent.
fn referenced(row: &Row, percent: u64, dice: u64) -> u64 {
    let before: u64 = TENANTS.iter().take(row.tenant).map(|(.., share)| share * percent).sum();
    let own = TENANTS.get(row.tenant).map_or(1, |(.., share)| share * percent);
    before + dice % own.max(1) + 1
}

fn january_first(year: i32) -> i32 {
    let before = year - 1;
    year * 365 + before / 4 - before / 100 + before / 400 + 1 - DAYS_BEFORE_1970
}

fn seed(spec: &Spec, column: &str) -> u64 {
    let name = [spec.schema, ".", spec.table, ".", column].concat();
    name.bytes().fold(0x746f_6c6c, |seed, byte| mix(seed ^ u64::from(byte)))
}

/// One step of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
