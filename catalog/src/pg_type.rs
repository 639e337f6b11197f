//! The PostgreSQL type that an Arrow type is on the wire and in the catalogs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit};
use arrow::error::ArrowError;

/// A PostgreSQL type: OIDs are those of PostgreSQL's `pg_type.dat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// `pg_type.oid`.
    pub oid: u32,
    /// `pg_type.typlen`: bytes, or -1 for variable length.
    pub length: i16,
    /// `atttypmod`: -1 for none; for numeric `((precision << 16) | scale) + 4`.
    pub modifier: i32,
    /// `pg_type.typname`.
    pub name: &'static str,
    /// The name as `format_type` prints it, without modifier.
    pub display: &'static str,
}

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $oid:literal, $len:literal, $typname:literal, $display:literal;)*) => {
        $($(#[$doc])* pub const $name: PgType =
            PgType { oid: $oid, length: $len, modifier: -1, name: $typname, display: $display };)*

        /// The type with this OID, if the gateway knows it.
        pub fn by_oid(oid: u32) -> Option<PgType> {
            match oid { $($oid => Some($name),)* _ => None }
        }

        /// All types that the gateway knows.
        pub const ALL: &[PgType] = &[$($name,)*];
    };
}

types! {
    /// bool
    BOOL = 16, 1, "bool", "boolean";
    /// bytea
    BYTEA = 17, -1, "bytea", "bytea";
    /// "char"
    CHAR = 18, 1, "char", "\"char\"";
    /// name
    NAME = 19, 64, "name", "name";
    /// int8
    INT8 = 20, 8, "int8", "bigint";
    /// int2
    INT2 = 21, 2, "int2", "smallint";
    /// int2vector
    INT2VECTOR = 22, -1, "int2vector", "int2vector";
    /// int4
    INT4 = 23, 4, "int4", "integer";
    /// regproc
    REGPROC = 24, 4, "regproc", "regproc";
    /// text
    TEXT = 25, -1, "text", "text";
    /// oid
    OID = 26, 4, "oid", "oid";
    /// json
    JSON = 114, -1, "json", "json";
    /// json[]
    JSON_ARRAY = 199, -1, "_json", "json[]";
    /// float4
    FLOAT4 = 700, 4, "float4", "real";
    /// float8
    FLOAT8 = 701, 8, "float8", "double precision";
    /// unknown
    UNKNOWN = 705, -2, "unknown", "unknown";
    /// bool[]
    BOOL_ARRAY = 1000, -1, "_bool", "boolean[]";
    /// bytea[]
    BYTEA_ARRAY = 1001, -1, "_bytea", "bytea[]";
    /// "char"[]
    CHAR_ARRAY = 1002, -1, "_char", "\"char\"[]";
    /// name[]
    NAME_ARRAY = 1003, -1, "_name", "name[]";
    /// int2[]
    INT2_ARRAY = 1005, -1, "_int2", "smallint[]";
    /// int4[]
    INT4_ARRAY = 1007, -1, "_int4", "integer[]";
    /// text[]
    TEXT_ARRAY = 1009, -1, "_text", "text[]";
    /// int8[]
    INT8_ARRAY = 1016, -1, "_int8", "bigint[]";
    /// float4[]
    FLOAT4_ARRAY = 1021, -1, "_float4", "real[]";
    /// float8[]
    FLOAT8_ARRAY = 1022, -1, "_float8", "double precision[]";
    /// oid[]
    OID_ARRAY = 1028, -1, "_oid", "oid[]";
    /// bpchar
    BPCHAR = 1042, -1, "bpchar", "character";
    /// varchar
    VARCHAR = 1043, -1, "varchar", "character varying";
    /// date
    DATE = 1082, 4, "date", "date";
    /// time
    TIME = 1083, 8, "time", "time without time zone";
    /// timestamp
    TIMESTAMP = 1114, 8, "timestamp", "timestamp without time zone";
    /// timestamp[]
    TIMESTAMP_ARRAY = 1115, -1, "_timestamp", "timestamp without time zone[]";
    /// date[]
    DATE_ARRAY = 1182, -1, "_date", "date[]";
    /// time[]
    TIME_ARRAY = 1183, -1, "_time", "time without time zone[]";
    /// timestamptz
    TIMESTAMPTZ = 1184, 8, "timestamptz", "timestamp with time zone";
    /// timestamptz[]
    TIMESTAMPTZ_ARRAY = 1185, -1, "_timestamptz", "timestamp with time zone[]";
    /// interval
    INTERVAL = 1186, 16, "interval", "interval";
    /// interval[]
    INTERVAL_ARRAY = 1187, -1, "_interval", "interval[]";
    /// numeric[]
    NUMERIC_ARRAY = 1231, -1, "_numeric", "numeric[]";
    /// numeric
    NUMERIC = 1700, -1, "numeric", "numeric";
    /// regclass
    REGCLASS = 2205, 4, "regclass", "regclass";
    /// regtype
    REGTYPE = 2206, 4, "regtype", "regtype";
    /// record
    RECORD = 2249, -1, "record", "record";
    /// record[]
    RECORD_ARRAY = 2287, -1, "_record", "record[]";
    /// uuid
    UUID = 2950, 16, "uuid", "uuid";
    /// jsonb
    JSONB = 3802, -1, "jsonb", "jsonb";
    /// jsonb[]
    JSONB_ARRAY = 3807, -1, "_jsonb", "jsonb[]";
}

/// The PostgreSQL type of values of an Arrow type.
///
/// Structs, maps and unions travel as `jsonb` unless they have another [`Shape`]; types without an
/// equivalent travel as `text`.
pub fn of(data_type: &DataType) -> PgType {
    match shape(data_type) {
        Some(Shape::Record) => return RECORD,
        Some(Shape::Json | Shape::Document) => return JSON,
        None => {}
    }
    match data_type {
        DataType::Null => TEXT,
        DataType::Boolean => BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => INT2,
        DataType::Int32 | DataType::UInt16 => INT4,
        // The catalogs' oid columns are 32-bit unsigned.
        DataType::UInt32 => OID,
        DataType::Int64 => INT8,
        DataType::UInt64 => NUMERIC,
        DataType::Float16 | DataType::Float32 => FLOAT4,
        DataType::Float64 => FLOAT8,
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => numeric(*p, *s),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => TEXT,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => BYTEA,
        DataType::Date32 | DataType::Date64 => DATE,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => TIMESTAMPTZ,
        DataType::Interval(
            IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
        )
        | DataType::Duration(_) => INTERVAL,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => array(field.data_type()),
        DataType::Dictionary(_, values) => of(values),
        DataType::RunEndEncoded(_, values) => of(values.data_type()),
        DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => JSONB,
    }
}

/// What a struct or a list is besides a `jsonb` object or an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A struct that is a row of a relation.
    Record,
    /// A struct or a list that travels as `json`.
    Json,
    /// A struct of one text, the JSON of a semi-structured value of a warehouse.
    Document,
}

/// The metadata key of the fields of a struct, or of the item of a list, that has a shape. It stands
/// in the type itself, so that nothing that moves values loses it.
const SHAPE: &str = "tollgate:shape";

/// A field of a struct, or the item of a list, of that shape.
pub fn shaped(field: Field, shape: Shape) -> Field {
    let name = match shape {
        Shape::Record => "record",
        Shape::Json => "json",
        Shape::Document => "document",
    };
    field.with_metadata([(SHAPE.to_owned(), name.to_owned())].into())
}

/// The shape of a struct, of which all fields must have it, or of a list.
pub fn shape(data_type: &DataType) -> Option<Shape> {
    let of = |field: &FieldRef| match field.metadata().get(SHAPE).map(String::as_str) {
        Some("record") => Some(Shape::Record),
        Some("json") => Some(Shape::Json),
        Some("document") => Some(Shape::Document),
        Some(_) | None => None,
    };
    match data_type {
        DataType::Struct(fields) => {
            let first = fields.first().and_then(of)?;
            fields.iter().all(|field| of(field) == Some(first)).then_some(first)
        }
        DataType::List(item) => of(item).filter(|shape| *shape == Shape::Json),
        _ => None,
    }
}

/// The type of semi-structured values: `VARIANT`, `OBJECT` and `ARRAY` of a Snowflake.
pub fn document() -> DataType {
    let text = Field::new("json", DataType::Utf8, true);
    DataType::Struct(vec![shaped(text, Shape::Document)].into())
}

/// Whether a type is the one of semi-structured values.
pub fn is_document(data_type: &DataType) -> bool {
    *data_type == document()
}

/// The texts of semi-structured values as such values.
pub fn documents(texts: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = document() else {
        return Err(ArrowError::SchemaError("a document is a struct".to_owned()));
    };
    let nulls = texts.logical_nulls();
    Ok(Arc::new(StructArray::try_new(fields, vec![texts], nulls)?))
}

/// The texts of an array of semi-structured values.
pub fn document_texts(array: &dyn Array) -> Option<&ArrayRef> {
    if !is_document(array.data_type()) {
        return None;
    }
    array.as_struct_opt()?.columns().first()
}

/// Whether a type is, or has in it, one with a shape.
pub fn holds_shape(data_type: &DataType) -> bool {
    let inside = |field: &FieldRef| holds_shape(field.data_type());
    shape(data_type).is_some()
        || match data_type {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => inside(item),
            DataType::Struct(fields) => fields.iter().any(inside),
            DataType::Map(entries, _) => inside(entries),
            DataType::Union(fields, _) => fields.iter().any(|(_, field)| inside(field)),
            DataType::Dictionary(_, values) => holds_shape(values),
            DataType::RunEndEncoded(_, values) => inside(values),
            _ => false,
        }
}

fn numeric(precision: u8, scale: i8) -> PgType {
    let modifier = match u16::try_from(scale) {
        Ok(scale) => ((i32::from(precision) << 16) | i32::from(scale)) + 4,
        Err(_) => -1,
    };
    PgType { modifier, ..NUMERIC }
}

/// The array type over elements of an Arrow type; nested lists are arrays of more dimensions.
fn array(element: &DataType) -> PgType {
    match of(element).oid {
        16 => BOOL_ARRAY,
        17 => BYTEA_ARRAY,
        18 => CHAR_ARRAY,
        19 => NAME_ARRAY,
        20 => INT8_ARRAY,
        21 => INT2_ARRAY,
        23 => INT4_ARRAY,
        26 => OID_ARRAY,
        114 => JSON_ARRAY,
        700 => FLOAT4_ARRAY,
        701 => FLOAT8_ARRAY,
        1082 => DATE_ARRAY,
        1083 => TIME_ARRAY,
        1114 => TIMESTAMP_ARRAY,
        1184 => TIMESTAMPTZ_ARRAY,
        1186 => INTERVAL_ARRAY,
        1700 => NUMERIC_ARRAY,
        2249 => RECORD_ARRAY,
        3802 => JSONB_ARRAY,
        _ if is_list(element) => of(element),
        _ => TEXT_ARRAY,
    }
}

fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
    )
}

/// The name with its modifier, as PostgreSQL's `format_type` prints it.
pub fn format_type(pg_type: PgType) -> String {
    if pg_type.oid == NUMERIC.oid && pg_type.modifier >= 4 {
        let bits = pg_type.modifier - 4;
        return format!("numeric({},{})", (bits >> 16) & 0xffff, bits & 0x7ff);
    }
    pg_type.display.to_owned()
}
