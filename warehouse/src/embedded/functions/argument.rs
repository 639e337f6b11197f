//! An argument of a function, read row by row whether it is a constant or a column.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

/// What a value without a length of its own takes as a text or in an array, in bytes.
const PLAIN: usize = 40;

/// An argument: a constant is not repeated.
pub(super) struct Argument {
    array: ArrayRef,
    constant: bool,
}

impl Argument {
    /// Of what a function was called with.
    pub(super) fn new(value: &ColumnarValue) -> Result<Self> {
        Ok(Self { array: value.to_array(1)?, constant: matches!(value, ColumnarValue::Scalar(_)) })
    }

    /// Whether it is the same in each row.
    pub(super) fn is_constant(&self) -> bool {
        self.constant
    }

    fn row(&self, row: usize) -> Option<usize> {
        let row = if self.constant { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then_some(row)
    }

    /// The length of a row's text, or what its value takes at most as a text, in bytes.
    pub(super) fn bytes(&self, row: usize) -> usize {
        self.row(row).map_or(0, |row| match self.array.data_type() {
            DataType::Utf8 => {
                let length = self.array.as_string::<i32>().value_length(row);
                usize::try_from(length).unwrap_or_default()
            }
            _ => weight(self.array.slice(row, 1).as_ref()),
        })
    }

    /// A row's text.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        let row = self.row(row)?;
        match self.array.data_type() {
            DataType::Utf8 => Some(self.array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Some(self.array.as_string::<i64>().value(row)),
            DataType::Utf8View => Some(self.array.as_string_view().value(row)),
            _ => None,
        }
    }

    /// A row's whole number.
    pub(super) fn whole(&self, row: usize) -> Option<i64> {
        let row = self.row(row)?;
        match self.array.data_type() {
            DataType::Int16 => Some(self.array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Some(self.array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Some(self.array.as_primitive::<Int64Type>().value(row)),
            _ => None,
        }
    }

    /// How many elements a row's array has.
    pub(super) fn length(&self, row: usize) -> usize {
        let elements = self.row(row).and_then(|row| children(self.array.slice(row, 1).as_ref()));
        elements.map_or(0, |elements| elements.len())
    }

    /// How many elements a row's array has in all its dimensions.
    pub(super) fn elements(&self, row: usize) -> usize {
        self.row(row).map_or(0, |row| elements(self.array.slice(row, 1).as_ref()))
    }
}

/// The bytes of all values.
fn weight(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => span(array.as_string::<i64>().value_offsets()),
        DataType::Binary => span(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => span(array.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => array.as_string_view().lengths().map(|of| of as usize).sum(),
        DataType::BinaryView => array.as_binary_view().lengths().map(|of| of as usize).sum(),
        _ => match children(array) {
            Some(children) => weight(children.as_ref()),
            None => array.len() * PLAIN,
        },
    }
}

fn elements(array: &dyn Array) -> usize {
    children(array).map_or(array.len(), |children| elements(children.as_ref()))
}

/// The elements of arrays.
fn children(array: &dyn Array) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let start = usize::try_from(*list.value_offsets().first()?).ok()?;
            Some(list.values().slice(start, span(list.value_offsets())))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let start = usize::try_from(*list.value_offsets().first()?).ok()?;
            Some(list.values().slice(start, span(list.value_offsets())))
        }
        DataType::FixedSizeList(..) => Some(ArrayRef::clone(array.as_fixed_size_list().values())),
        _ => None,
    }
}

/// What lies between the first offset and the last.
fn span<T: Copy + TryInto<usize>>(offsets: &[T]) -> usize {
    let at = |offset: Option<&T>| offset.and_then(|offset| (*offset).try_into().ok()).unwrap_or(0);
    at(offsets.last()).saturating_sub(at(offsets.first()))
}
