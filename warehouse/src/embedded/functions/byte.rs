//! `get_byte(bytea, integer)`, and texts as bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int32Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

/// The byte at an index, from 0; an error where there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GetByte {
    signature: Signature,
}

impl GetByte {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for GetByte {
    fn name(&self) -> &str {
        "get_byte"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [
                DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
                | DataType::Null,
                DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Null,
            ] => Ok(vec![DataType::Binary, DataType::Int64]),
            _ => plan_err!("Function 'get_byte' takes bytes and a whole number"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [bytes, places] = arrays.as_slice() else {
            return internal_err!("get_byte was called with other arguments");
        };
        let (bytes, places) = (bytes.as_binary::<i32>(), places.as_primitive::<Int64Type>());
        let found = bytes.iter().zip(places).map(|(bytes, place)| {
            let (Some(bytes), Some(place)) = (bytes, place) else { return Ok(None) };
            let byte = usize::try_from(place).ok().and_then(|place| bytes.get(place));
            byte.map(|byte| Some(i32::from(*byte))).ok_or_else(|| outside(place, bytes.len()))
        });
        let result: ArrayRef = Arc::new(found.collect::<Result<Int32Array>>()?);
        if constant && !result.is_empty() {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// `text::bytea`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bytes {
    signature: Signature,
}

impl Bytes {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Bytes {
    fn name(&self) -> &str {
        "tg_bytes"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View] => Ok(vec![DataType::Utf8]),
            _ => plan_err!("bytes are made of another value"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return internal_err!("bytes were made of several values");
        };
        let constant = matches!(value, ColumnarValue::Scalar(_));
        let values = value.to_array(if constant { 1 } else { args.number_rows })?;
        // The signature coerces where a plan is typed; this function is written after that.
        let values = arrow::compute::cast(&values, &DataType::Utf8)?;
        let read = |text: Option<&str>| {
            // Without the text itself.
            let failed = |error: Error| {
                let error = Error::new(error.kind(), "invalid input syntax for type bytea");
                DataFusionError::External(Box::new(error))
            };
            text.map(|text| tollgate_catalog::bytes::read(text).map_err(failed)).transpose()
        };
        let result: ArrayRef =
            Arc::new(values.as_string::<i32>().iter().map(read).collect::<Result<BinaryArray>>()?);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn outside(place: i64, length: usize) -> DataFusionError {
    let last = i64::try_from(length).unwrap_or(i64::MAX) - 1;
    let message = format!("index {place} out of valid range, 0..{last}");
    DataFusionError::External(Box::new(Error::new(ErrorKind::ArraySubscript, message)))
}
