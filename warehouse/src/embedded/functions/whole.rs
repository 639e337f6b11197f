//! Whole numbers that fail where they don't fit, instead of wrapping around, and are rounded to.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

/// An operator on whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
}

/// `a + b` and its like on whole numbers: an error where the result is out of range.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    /// The function.
    pub(crate) fn new(operation: Operation) -> Self {
        Self { operation, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// The wider of two types of whole numbers.
fn wider(types: &[DataType]) -> Result<DataType> {
    let [left, right] = types else { return plan_err!("an operator has two operands") };
    let rank = |of: &DataType| match of {
        DataType::Int16 => Some(DataType::Int16),
        DataType::Int32 => Some(DataType::Int32),
        DataType::Int64 => Some(DataType::Int64),
        DataType::Int8 => Some(DataType::Int16),
        _ => None,
    };
    match (rank(left), rank(right)) {
        (Some(DataType::Int64), Some(_)) | (Some(_), Some(DataType::Int64)) => Ok(DataType::Int64),
        (Some(DataType::Int32), Some(_)) | (Some(_), Some(DataType::Int32)) => Ok(DataType::Int32),
        (Some(_), Some(_)) => Ok(DataType::Int16),
        _ => plan_err!("an operator on whole numbers has another operand"),
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Plus => "tg_plus",
            Operation::Minus => "tg_minus",
            Operation::Times => "tg_times",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        wider(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wide = wider(types)?;
        Ok(vec![wide.clone(), wide])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("an operator was called with other operands");
        };
        match self.operation {
            Operation::Plus => apply(left, right, add),
            Operation::Minus => apply(left, right, sub),
            Operation::Times => apply(left, right, mul),
        }
    }
}

/// A cast to a whole number, an error where it doesn't fit: exact fractions are rounded half away from zero, floats
/// half to even.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rounded {
    to: DataType,
    signature: Signature,
}

impl Rounded {
    /// The cast to one of the types of whole numbers.
    pub(crate) fn new(to: DataType) -> Self {
        Self { to, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        match self.to {
            DataType::Int16 => "tg_int2",
            DataType::Int32 => "tg_int4",
            _ => "tg_int8",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Float32 | DataType::Float64 | DataType::Decimal128(..)] => {
                Ok(types.to_vec())
            }
            [whole] if whole.is_signed_integer() => Ok(vec![DataType::Int64]),
            _ => plan_err!("only numbers become whole numbers"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return internal_err!("a cast was called with other arguments");
        };
        let constant = matches!(value, ColumnarValue::Scalar(_));
        let values = value.to_array(if constant { 1 } else { args.number_rows })?;
        let result: ArrayRef = match self.to {
            DataType::Int16 => Arc::new(round::<Int16Type>(&values)?),
            DataType::Int32 => Arc::new(round::<Int32Type>(&values)?),
            _ => Arc::new(round::<Int64Type>(&values)?),
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn round<T>(values: &ArrayRef) -> Result<PrimitiveArray<T>>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let fit = |value: Option<i128>| {
        value.and_then(|value| T::Native::try_from(value).ok()).ok_or_else(out_of_range)
    };
    let rounded = match values.data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::from(scale.max(&0).unsigned_abs()));
            let grow = 10_i128.pow(u32::from(scale.min(&0).unsigned_abs()));
            values.as_primitive::<Decimal128Type>().try_unary(|value| {
                let (whole, rest) = (value / unit, value % unit);
                let away = if rest.unsigned_abs() * 2 >= unit.unsigned_abs() && unit > 1 {
                    value.signum()
                } else {
                    0
                };
                fit((whole + away).checked_mul(grow))
            })
        }
        DataType::Float64 => {
            values.as_primitive::<Float64Type>().try_unary(|value| fit(whole(value)))
        }
        DataType::Float32 => {
            values.as_primitive::<Float32Type>().try_unary(|value| fit(whole(f64::from(value))))
        }
        DataType::Int64 => {
            values.as_primitive::<Int64Type>().try_unary(|value| fit(Some(i128::from(value))))
        }
        other => return internal_err!("a cast rounds {other}"),
    };
    rounded.map_err(DataFusionError::from)
}

/// Half to even; nothing for what isn't finite or near a whole number's range.
#[expect(clippy::cast_possible_truncation, reason = "the value is within the bounds")]
fn whole(value: f64) -> Option<i128> {
    let value = value.round_ties_even();
    (value.abs() < 1e19).then_some(value as i128)
}

/// The error of a number that doesn't fit.
pub(super) fn out_of_range() -> ArrowError {
    ArrowError::ExternalError(Box::new(DataFusionError::External(Box::new(Error::new(
        ErrorKind::NumericOutOfRange,
        "a value is out of range for its type",
    )))))
}
