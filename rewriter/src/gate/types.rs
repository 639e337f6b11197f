//! The types that a cast may name, brought to the planner's spelling with PostgreSQL's meaning.

use datafusion_sql::sqlparser::ast::{ArrayElemTypeDef, DataType, ExactNumberInfo, TimezoneInfo};
use tollgate_catalog::{Error, ErrorKind};

use super::parts;

/// The precision and scale of `numeric` without either. PostgreSQL's has no bound.
const UNBOUND_NUMERIC: ExactNumberInfo = ExactNumberInfo::PrecisionAndScale(38, 10);

/// The most digits of a numeric.
const MAX_PRECISION: u64 = 38;

/// `numeric(precision, scale)` if values of it can be held.
fn exact(precision: u64, scale: i64) -> Result<ExactNumberInfo, Error> {
    if precision == 0 || precision > 1_000 {
        return Err(Error::new(
            ErrorKind::InvalidParameterValue,
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    let fits = u64::try_from(scale).is_ok_and(|scale| scale <= precision);
    if precision > MAX_PRECISION || !fits {
        return Err(Error::not_supported(&format!("numeric({precision},{scale})")).with_hint(
            format!(
                "use a precision of at most {MAX_PRECISION} and a scale from 0 to the precision"
            ),
        ));
    }
    Ok(ExactNumberInfo::PrecisionAndScale(precision, scale))
}

/// Replaces a type by the planner's word for it, or refuses it.
pub(super) fn normalise(data_type: &mut DataType) -> Result<(), Error> {
    let replaced = match data_type {
        DataType::Character(None)
        | DataType::Char(None)
        | DataType::Text
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Varchar(_)
        | DataType::JSON
        | DataType::JSONB
        | DataType::Uuid => DataType::Text,
        DataType::Character(Some(_)) | DataType::Char(Some(_)) => {
            return Err(Error::not_supported("a cast to char(n)").with_hint("use text"));
        }
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            DataType::Numeric(match *info {
                ExactNumberInfo::None => UNBOUND_NUMERIC,
                ExactNumberInfo::Precision(precision) => exact(precision, 0)?,
                ExactNumberInfo::PrecisionAndScale(precision, scale) => exact(precision, scale)?,
            })
        }
        // PostgreSQL: float(1) to float(24) is real, wider is double precision.
        DataType::Float(info) => match *info {
            ExactNumberInfo::Precision(1..=24) => DataType::Real,
            ExactNumberInfo::None | ExactNumberInfo::Precision(_) => DataType::DoublePrecision,
            ExactNumberInfo::PrecisionAndScale(..) => {
                return Err(Error::not_supported("float with a scale"));
            }
        },
        DataType::SmallInt(_) | DataType::Int2(_) => DataType::SmallInt(None),
        DataType::Int(_) | DataType::Int4(_) | DataType::Integer(_) => DataType::Integer(None),
        DataType::BigInt(_) | DataType::Int8(_) => DataType::BigInt(None),
        DataType::Float4 | DataType::Real => DataType::Real,
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(ExactNumberInfo::None) => {
            DataType::DoublePrecision
        }
        DataType::Double(_) => return Err(Error::not_supported("double with a precision")),
        DataType::Bool | DataType::Boolean => DataType::Boolean,
        DataType::Date => DataType::Date,
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Time(None, TimezoneInfo::None)
        }
        DataType::Time(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
            return Err(Error::not_supported("time with time zone"));
        }
        DataType::Timestamp(_, zone) => DataType::Timestamp(
            Some(6),
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => TimezoneInfo::None,
                TimezoneInfo::Tz | TimezoneInfo::WithTimeZone => TimezoneInfo::WithTimeZone,
            },
        ),
        DataType::Interval { .. } => DataType::Interval { fields: None, precision: None },
        DataType::Bytea => DataType::Bytea,
        DataType::Array(element) => {
            let inner = match element {
                ArrayElemTypeDef::AngleBracket(inner)
                | ArrayElemTypeDef::SquareBracket(inner, _)
                | ArrayElemTypeDef::Parenthesis(inner) => inner.as_mut(),
                ArrayElemTypeDef::None => return Err(Error::not_supported("a cast to array")),
            };
            normalise(inner)?;
            return Ok(());
        }
        DataType::Regclass => return Err(Error::not_supported("this cast to regclass")),
        DataType::Custom(name, modifiers) => {
            let name = parts(name)?;
            let base = match name.as_slice() {
                [base] => base.as_str(),
                [schema, base] if schema == "pg_catalog" || schema == "information_schema" => base,
                _ => "",
            };
            match base {
                "oid" | "xid" | "cid" => DataType::IntegerUnsigned(None),
                "name" | "char" | "bpchar" | "text" | "varchar" | "sql_identifier"
                | "character_data" | "yes_or_no" | "aclitem" | "json" | "jsonb" | "uuid"
                | "pg_node_tree" | "pg_lsn" => DataType::Text,
                "int2" => DataType::SmallInt(None),
                "int4" | "cardinal_number" => DataType::Integer(None),
                "int8" => DataType::BigInt(None),
                "float4" => DataType::Real,
                "float8" => DataType::DoublePrecision,
                "bool" => DataType::Boolean,
                "date" => DataType::Date,
                "timestamp" => DataType::Timestamp(Some(6), TimezoneInfo::None),
                "timestamptz" => DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone),
                "numeric" if modifiers.is_empty() => DataType::Numeric(UNBOUND_NUMERIC),
                _ => {
                    return Err(Error::new(
                        ErrorKind::UndefinedObject,
                        format!("type \"{}\" does not exist", name.join(".")),
                    ));
                }
            }
        }
        DataType::Table(..)
        | DataType::NamedTable { .. }
        | DataType::Nvarchar(..)
        | DataType::CharacterLargeObject(..)
        | DataType::CharLargeObject(..)
        | DataType::Clob(..)
        | DataType::Binary(..)
        | DataType::Varbinary(..)
        | DataType::Blob(..)
        | DataType::TinyBlob
        | DataType::MediumBlob
        | DataType::LongBlob
        | DataType::Bytes(..)
        | DataType::DecimalUnsigned(..)
        | DataType::BigNumeric(..)
        | DataType::BigDecimal(..)
        | DataType::DecUnsigned(..)
        | DataType::FloatUnsigned(..)
        | DataType::TinyInt(..)
        | DataType::TinyIntUnsigned(..)
        | DataType::UTinyInt
        | DataType::Int2Unsigned(..)
        | DataType::SmallIntUnsigned(..)
        | DataType::USmallInt
        | DataType::MediumInt(..)
        | DataType::MediumIntUnsigned(..)
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Int128
        | DataType::Int256
        | DataType::IntUnsigned(..)
        | DataType::Int4Unsigned(..)
        | DataType::IntegerUnsigned(..)
        | DataType::HugeInt
        | DataType::UHugeInt
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::UInt128
        | DataType::UInt256
        | DataType::BigIntUnsigned(..)
        | DataType::UBigInt
        | DataType::Int8Unsigned(..)
        | DataType::Signed
        | DataType::SignedInteger
        | DataType::Unsigned
        | DataType::UnsignedInteger
        | DataType::Float32
        | DataType::Float64
        | DataType::RealUnsigned
        | DataType::DoubleUnsigned(..)
        | DataType::DoublePrecisionUnsigned
        | DataType::Date32
        | DataType::Datetime(..)
        | DataType::Datetime64(..)
        | DataType::TimestampNtz(..)
        | DataType::TinyText
        | DataType::MediumText
        | DataType::LongText
        | DataType::String(..)
        | DataType::FixedString(..)
        | DataType::Bit(..)
        | DataType::BitVarying(..)
        | DataType::VarBit(..)
        | DataType::Map(..)
        | DataType::Tuple(..)
        | DataType::Nested(..)
        | DataType::Enum(..)
        | DataType::Set(..)
        | DataType::Struct(..)
        | DataType::Union(..)
        | DataType::Nullable(..)
        | DataType::LowCardinality(..)
        | DataType::Unspecified
        | DataType::Trigger
        | DataType::AnyType
        | DataType::GeometricType(..)
        | DataType::TsVector
        | DataType::TsQuery => {
            return Err(Error::new(
                ErrorKind::UndefinedObject,
                format!("type \"{}\" does not exist", data_type.to_string().to_ascii_lowercase()),
            ));
        }
    };
    *data_type = replaced;
    Ok(())
}
