//! The warehouse's types that a plan's types are, and the casts that mean the same there.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use tollgate_catalog::Error;
use tollgate_catalog::pg_type::is_document;

use super::Dialect;

/// What kind of values a type has; each arm of the table of casts names two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Whole,
    Float,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Zoned,
    Interval,
    List,
    /// A semi-structured value.
    Document,
}

impl Dialect {
    /// The kind of a type; an error for the types that the warehouse has no counterpart of.
    pub(super) fn kind(self, data_type: &DataType) -> Result<Kind, Error> {
        let Some(kind) = kind(data_type) else {
            return Err(self.unsupported(&format!("a value of the engine's type {data_type}")));
        };
        match (self, kind) {
            (Self::Postgres, Kind::Document) => Err(self.unsupported("a semi-structured value")),
            (Self::Postgres, _) => Ok(kind),
            (Self::Snowflake, Kind::Interval) => Err(self.unsupported("an interval")),
            (Self::Snowflake, Kind::List) => Err(self.unsupported("an array")),
            (Self::Snowflake, Kind::Float) if *data_type == DataType::Float32 => {
                Err(self.unsupported("a value of the type real"))
            }
            (
                Self::Snowflake,
                Kind::Null
                | Kind::Bool
                | Kind::Whole
                | Kind::Float
                | Kind::Decimal
                | Kind::Text
                | Kind::Bytes
                | Kind::Date
                | Kind::Time
                | Kind::Timestamp
                | Kind::Zoned
                | Kind::Document,
            ) => Ok(kind),
        }
    }

    /// The name of a type; a numeric of PostgreSQL has its digits only if they are `exact`.
    pub(super) fn name(self, data_type: &DataType, exact: bool) -> Result<String, Error> {
        match self {
            Self::Postgres => self.postgres_name(data_type, exact),
            Self::Snowflake => self.snowflake_name(data_type),
        }
    }

    /// Whether a cast means the same in the warehouse as in the plan.
    pub(super) fn casts(self, from: &DataType, to: &DataType) -> Result<bool, Error> {
        let kinds = (self.kind(from)?, self.kind(to)?);
        Ok(match self {
            Self::Postgres => postgres_casts(kinds, from, to),
            Self::Snowflake => snowflake_casts(kinds, from, to),
        })
    }

    fn postgres_name(self, data_type: &DataType, exact: bool) -> Result<String, Error> {
        Ok(match self.kind(data_type)? {
            Kind::Null | Kind::Text => "text".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Whole => match data_type {
                DataType::Int16 => "smallint",
                DataType::Int32 => "integer",
                // Ranks and counts of the engine, which PostgreSQL has as bigint.
                _ => "bigint",
            }
            .to_owned(),
            Kind::Float => {
                let single = *data_type == DataType::Float32;
                if single { "real" } else { "double precision" }.to_owned()
            }
            Kind::Decimal => match data_type {
                DataType::Decimal128(precision, scale) if exact => {
                    format!("numeric({precision},{scale})")
                }
                _ => "numeric".to_owned(),
            },
            Kind::Bytes => "bytea".to_owned(),
            Kind::Date => "date".to_owned(),
            Kind::Time => "time".to_owned(),
            Kind::Timestamp => "timestamp".to_owned(),
            Kind::Zoned => "timestamp with time zone".to_owned(),
            Kind::Interval => "interval".to_owned(),
            Kind::List => match data_type {
                DataType::List(item) if self.kind(item.data_type())? != Kind::List => {
                    format!("{}[]", self.postgres_name(item.data_type(), exact)?)
                }
                _ => return Err(self.unsupported("an array of arrays")),
            },
            Kind::Document => return Err(Error::internal("a type that was refused")),
        })
    }

    fn snowflake_name(self, data_type: &DataType) -> Result<String, Error> {
        Ok(match self.kind(data_type)? {
            Kind::Null | Kind::Text => "VARCHAR".to_owned(),
            Kind::Bool => "BOOLEAN".to_owned(),
            // As many digits as the type's largest value has.
            Kind::Whole => match data_type {
                DataType::Int16 => "NUMBER(5,0)",
                DataType::Int32 => "NUMBER(10,0)",
                _ => "NUMBER(19,0)",
            }
            .to_owned(),
            Kind::Float => "FLOAT".to_owned(),
            // Without digits it would be a whole number there.
            Kind::Decimal => match data_type {
                DataType::Decimal128(precision, scale) if (0..=37).contains(scale) => {
                    format!("NUMBER({precision},{scale})")
                }
                _ => return Err(self.unsupported("a numeric with this scale")),
            },
            Kind::Bytes => "BINARY".to_owned(),
            Kind::Date => "DATE".to_owned(),
            Kind::Time => "TIME(6)".to_owned(),
            Kind::Timestamp => "TIMESTAMP_NTZ(6)".to_owned(),
            // The session's zone is UTC.
            Kind::Zoned => "TIMESTAMP_LTZ(6)".to_owned(),
            Kind::Document => "VARIANT".to_owned(),
            Kind::Interval | Kind::List => return Err(Error::internal("a type that was refused")),
        })
    }
}

fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Null => Kind::Null,
        DataType::Boolean => Kind::Bool,
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Kind::Whole,
        DataType::Float32 | DataType::Float64 => Kind::Float,
        DataType::Decimal128(..) => Kind::Decimal,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Bytes,
        DataType::Date32 => Kind::Date,
        DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => Kind::Time,
        DataType::Timestamp(_, None) => Kind::Timestamp,
        DataType::Timestamp(_, Some(_)) => Kind::Zoned,
        // What the engine makes of a difference of times, which is an interval.
        DataType::Interval(IntervalUnit::MonthDayNano) | DataType::Duration(_) => Kind::Interval,
        DataType::List(_) => Kind::List,
        document if is_document(document) => Kind::Document,
        DataType::Int8
        | DataType::Float16
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(TimeUnit::Second | TimeUnit::Millisecond)
        | DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime)
        | DataType::FixedSizeBinary(_)
        | DataType::ListView(_)
        | DataType::FixedSizeList(..)
        | DataType::LargeList(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Union(..)
        | DataType::Dictionary(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal256(..)
        | DataType::Map(..)
        | DataType::RunEndEncoded(..) => return None,
    })
}

fn postgres_casts(kinds: (Kind, Kind), from: &DataType, to: &DataType) -> bool {
    let (from_kind, to_kind) = kinds;
    match from_kind {
        Kind::Null => true,
        Kind::Bool => match to_kind {
            Kind::Bool | Kind::Text => true,
            Kind::Whole => *to == DataType::Int32,
            _ => false,
        },
        Kind::Whole => match to_kind {
            Kind::Whole | Kind::Float | Kind::Decimal | Kind::Text => true,
            Kind::Bool => *from == DataType::Int32,
            _ => false,
        },
        Kind::Float | Kind::Decimal => {
            matches!(to_kind, Kind::Whole | Kind::Float | Kind::Decimal | Kind::Text)
        }
        Kind::Text => !matches!(to_kind, Kind::Null | Kind::Bytes | Kind::Document),
        Kind::Bytes => to_kind == Kind::Bytes,
        Kind::Date => {
            matches!(to_kind, Kind::Date | Kind::Timestamp | Kind::Zoned | Kind::Text)
        }
        Kind::Time => matches!(to_kind, Kind::Time | Kind::Interval | Kind::Text),
        Kind::Timestamp | Kind::Zoned => {
            matches!(to_kind, Kind::Timestamp | Kind::Zoned | Kind::Date | Kind::Time | Kind::Text)
        }
        Kind::Interval => matches!(to_kind, Kind::Interval | Kind::Time | Kind::Text),
        Kind::List => to_kind == Kind::List,
        Kind::Document => false,
    }
}

/// Texts of what isn't a text, and numbers of floats, are spelled and rounded in other ways there.
fn snowflake_casts(kinds: (Kind, Kind), from: &DataType, to: &DataType) -> bool {
    let (from_kind, to_kind) = kinds;
    match from_kind {
        Kind::Null => true,
        Kind::Bool => match to_kind {
            Kind::Bool | Kind::Text => true,
            Kind::Whole => *to == DataType::Int32,
            _ => false,
        },
        Kind::Whole => match to_kind {
            Kind::Whole | Kind::Float | Kind::Decimal | Kind::Text => true,
            Kind::Bool => *from == DataType::Int32,
            _ => false,
        },
        Kind::Float => to_kind == Kind::Float,
        Kind::Decimal => {
            matches!(to_kind, Kind::Whole | Kind::Float | Kind::Decimal | Kind::Text)
        }
        Kind::Text => to_kind == Kind::Text,
        Kind::Bytes => to_kind == Kind::Bytes,
        Kind::Date => {
            matches!(to_kind, Kind::Date | Kind::Timestamp | Kind::Zoned | Kind::Text)
        }
        Kind::Time => to_kind == Kind::Time,
        Kind::Timestamp | Kind::Zoned => {
            matches!(to_kind, Kind::Timestamp | Kind::Zoned | Kind::Date | Kind::Time)
        }
        Kind::Interval | Kind::List => false,
        Kind::Document => matches!(
            to_kind,
            Kind::Text | Kind::Decimal | Kind::Float | Kind::Bool | Kind::Date | Kind::Timestamp
        ),
    }
}

/// Whether a cast changes the type of a value and nothing else: a comparison, a sum and an average
/// say the same without it, and without it they can use an index.
pub(super) fn widens(from: &DataType, to: &DataType) -> bool {
    let rank = |of: &DataType| match of {
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (DataType::Decimal128(precision, scale), DataType::Decimal128(wide, wide_scale)) => {
            let digits = |precision: &u8, scale: &i8| i16::from(*precision) - i16::from(*scale);
            scale <= wide_scale && digits(precision, scale) <= digits(wide, wide_scale)
        }
        // PostgreSQL has one precision only.
        (DataType::Timestamp(_, from), DataType::Timestamp(_, to)) => {
            from.is_some() == to.is_some()
        }
        (whole, DataType::Decimal128(precision, scale)) => {
            rank(whole).is_some_and(|digits| digits <= i16::from(*precision) - i16::from(*scale))
        }
        (from, to) => match (rank(from), rank(to)) {
            (Some(from), Some(to)) => from <= to,
            _ => false,
        },
    }
}
