//! The types of columns (`XdbcTypeInfo`), as JDBC and ODBC describe types.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::Result;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode,
};

/// The types that a client asks for.
pub(crate) fn batch(command: &CommandGetXdbcTypeInfo) -> Result<RecordBatch> {
    data()?.record_batch(command.data_type)
}

/// The schema of the answer.
pub(crate) fn schema() -> Result<SchemaRef> {
    data().map(|data| data.schema())
}

/// A row: name, code, size, radix of its digits if it is a number, whether its literals are quoted.
type Type = (&'static str, XdbcDataType, i32, Option<i32>, bool);

const TYPES: &[Type] = &[
    ("boolean", XdbcDataType::XdbcBit, 1, None, false),
    ("smallint", XdbcDataType::XdbcSmallint, 5, Some(10), false),
    ("integer", XdbcDataType::XdbcInteger, 10, Some(10), false),
    ("bigint", XdbcDataType::XdbcBigint, 19, Some(10), false),
    ("real", XdbcDataType::XdbcReal, 24, Some(2), false),
    ("double precision", XdbcDataType::XdbcDouble, 53, Some(2), false),
    ("numeric", XdbcDataType::XdbcNumeric, 38, Some(10), false),
    ("text", XdbcDataType::XdbcVarchar, i32::MAX, None, true),
    ("bytea", XdbcDataType::XdbcVarbinary, i32::MAX, None, true),
    ("date", XdbcDataType::XdbcDate, 10, None, true),
    ("time without time zone", XdbcDataType::XdbcTime, 15, None, true),
    ("timestamp without time zone", XdbcDataType::XdbcTimestamp, 29, None, true),
    ("timestamp with time zone", XdbcDataType::XdbcTimestamp, 35, None, true),
    ("interval", XdbcDataType::XdbcInterval, 49, None, true),
];

fn data() -> Result<XdbcTypeInfoData> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (name, code, size, radix, quoted) in TYPES {
        let number = radix.is_some();
        let quote = quoted.then(|| "'".to_owned());
        let scaled = *code == XdbcDataType::XdbcNumeric;
        builder.append(XdbcTypeInfo {
            type_name: (*name).to_owned(),
            data_type: *code,
            column_size: Some(*size),
            literal_prefix: quote.clone(),
            literal_suffix: quote,
            create_params: scaled.then(|| vec!["precision".to_owned(), "scale".to_owned()]),
            nullable: Nullable::NullabilityNullable,
            case_sensitive: *code == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            unsigned_attribute: number.then_some(false),
            fixed_prec_scale: false,
            auto_increment: number.then_some(false),
            local_type_name: Some((*name).to_owned()),
            minimum_scale: scaled.then_some(0),
            maximum_scale: scaled.then_some(38),
            sql_data_type: *code,
            datetime_subcode: subcode(name),
            num_prec_radix: *radix,
            interval_precision: None,
        });
    }
    builder.build()
}

fn subcode(name: &str) -> Option<XdbcDatetimeSubcode> {
    match name {
        "date" => Some(XdbcDatetimeSubcode::XdbcSubcodeYear),
        "time without time zone" => Some(XdbcDatetimeSubcode::XdbcSubcodeTime),
        "timestamp without time zone" => Some(XdbcDatetimeSubcode::XdbcSubcodeTimestamp),
        "timestamp with time zone" => Some(XdbcDatetimeSubcode::XdbcSubcodeTimestampWithTimezone),
        _ => None,
    }
}
