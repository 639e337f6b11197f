//! `tg_expandarray`: the elements of a list with their positions, as `_pg_expandarray` yields them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// A list of `{x, n}`, element and position from 1, to be unnested.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Expand {
    signature: Signature,
}

impl Expand {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }

    fn fields() -> Fields {
        Fields::from(vec![
            Field::new("x", DataType::Int16, true),
            Field::new("n", DataType::Int32, true),
        ])
    }
}

impl ScalarUDFImpl for Expand {
    fn name(&self) -> &str {
        "tg_expandarray"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(super::rows::list_of(DataType::Struct(Self::fields())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(list) = arrays.first() else {
            return Err(DataFusionError::Internal("tg_expandarray takes a list".to_owned()));
        };
        let list = cast(list, &super::rows::list_of(DataType::Int16))?;
        let list = list.as_list::<i32>();
        let mut lengths = Vec::with_capacity(list.len());
        let mut slices: Vec<ArrayRef> = Vec::with_capacity(list.len());
        for values in list.iter() {
            let values = values.unwrap_or_else(|| list.values().slice(0, 0));
            lengths.push(values.len());
            slices.push(values);
        }
        let slices: Vec<&dyn Array> = slices.iter().map(AsRef::as_ref).collect();
        let elements = match slices.as_slice() {
            [] => list.values().slice(0, 0),
            slices => arrow::compute::concat(slices)?,
        };
        let positions = lengths.iter().flat_map(|length| (1..).take(*length));
        let positions: ArrayRef = Arc::new(Int32Array::from_iter_values(positions));
        let rows = StructArray::try_new(Self::fields(), vec![elements, positions], None)?;
        let field = Arc::new(Field::new_list_field(DataType::Struct(Self::fields()), true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(field, offsets, Arc::new(rows), list.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}
