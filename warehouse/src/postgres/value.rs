//! Values that a text binds, as the client library takes them.

use std::error::Error as StdError;

use arrow::datatypes::{DataType, TimeUnit};
use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tollgate_catalog::Error;
use tollgate_rewriter::{Parameter, Rendering};

use super::link::Query;

/// A value.
#[derive(Debug)]
pub(super) struct Value<'a>(&'a Parameter);

impl<'a> Query<'a> {
    /// A rendering, to be asked.
    pub(super) fn of(rendering: &'a Rendering) -> Result<Self, Error> {
        let parameters = rendering.parameters();
        Ok(Self {
            text: rendering.text(),
            types: parameters.iter().map(wire_type).collect::<Result<_, _>>()?,
            values: parameters.iter().map(Value).collect(),
        })
    }
}

/// The type that a value is sent as.
fn wire_type(parameter: &Parameter) -> Result<Type, Error> {
    let data_type = match parameter {
        Parameter::Text(_) => return Ok(Type::TEXT),
        Parameter::Bytes(_) => return Ok(Type::BYTEA),
        Parameter::Written { data_type, .. } => data_type,
    };
    Ok(match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int16 => Type::INT2,
        DataType::Int32 => Type::INT4,
        DataType::Int64 => Type::INT8,
        DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Decimal128(..) => Type::NUMERIC,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::TEXT,
        DataType::Date32 => Type::DATE,
        DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        other => return Err(Error::internal(format!("{other} can't be bound"))),
    })
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self.0 {
            Parameter::Text(text) | Parameter::Written { text: Some(text), .. } => {
                out.extend_from_slice(text.as_bytes());
            }
            Parameter::Bytes(bytes) => out.extend_from_slice(bytes),
            Parameter::Written { text: None, .. } => return Ok(IsNull::Yes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            Parameter::Text(_) | Parameter::Bytes(_) => Format::Binary,
            // As a literal of its type is written.
            Parameter::Written { .. } => Format::Text,
        }
    }

    fn to_sql_checked(
        &self,
        data_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(data_type, out)
    }
}
