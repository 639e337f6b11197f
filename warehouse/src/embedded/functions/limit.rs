//! How many rows `LIMIT (SELECT …)` gives and `OFFSET (SELECT …)` leaves out.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind, pg_type};

/// A clause that counts rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Clause {
    /// NULL gives all.
    Limit,
    /// NULL leaves out none.
    Offset,
}

/// The number that a clause stands for.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Count {
    clause: Clause,
    signature: Signature,
}

impl Count {
    /// The function.
    pub(crate) fn new(clause: Clause) -> Self {
        Self { clause, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn word(&self) -> &'static str {
        match self.clause {
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
        }
    }
}

fn fail(kind: ErrorKind, message: String) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(kind, message)))
}

impl ScalarUDFImpl for Count {
    fn name(&self) -> &str {
        match self.clause {
            Clause::Limit => "tg_limit",
            Clause::Offset => "tg_offset",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let number = |of: &DataType| {
            of.is_signed_integer()
                || of.is_floating()
                || matches!(of, DataType::Null | DataType::Decimal128(..))
        };
        match types {
            [of] if number(of) => Ok(vec![DataType::Int64]),
            // The error of a return type reaches the user, that of a coercion doesn't.
            other => Ok(other.to_vec()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let wrong = match types {
            [DataType::Int64] => return Ok(DataType::Int64),
            [other] => pg_type::of(other).display,
            _ => return internal_err!("a clause counts by one value"),
        };
        let message = format!("argument of {} must be type bigint, not type {wrong}", self.word());
        Err(fail(ErrorKind::DatatypeMismatch, message))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return internal_err!("a clause counts by one value");
        };
        let constant = matches!(value, ColumnarValue::Scalar(_));
        let values = value.to_array(if constant { 1 } else { args.number_rows })?;
        let counts = values.as_primitive::<Int64Type>().iter().map(|value| {
            match (value, self.clause) {
                (None, Clause::Limit) => Ok(i64::MAX),
                (None, Clause::Offset) => Ok(0),
                (Some(value @ 0..), _) => Ok(value),
                (Some(_), clause) => {
                    let kind = match clause {
                        Clause::Limit => ErrorKind::InvalidLimit,
                        Clause::Offset => ErrorKind::InvalidOffset,
                    };
                    Err(fail(kind, format!("{} must not be negative", self.word())))
                }
            }
            .map(Some)
        });
        let result: ArrayRef = Arc::new(counts.collect::<Result<Int64Array>>()?);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}
