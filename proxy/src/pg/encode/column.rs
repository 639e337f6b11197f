//! One column of a batch, downcast once.

use arrow::array::{
    Array, AsArray, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
    GenericBinaryArray, GenericListViewArray, GenericStringArray, RunArray, StringViewArray,
    UnionArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Date64Type,
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTime, IntervalDayTimeType,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
    RunEndIndexType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    UnionMode, i256,
};
use tollgate_catalog::Error;
use tollgate_catalog::pg_type::{self, Shape};

use super::array::{Extents, List};
use super::at;
use super::json::{Map, Struct};
use super::record::{Json, Record};

/// A column and which of its rows are null.
pub(super) struct Column<'a> {
    pub(super) nulls: Option<&'a NullBuffer>,
    pub(super) values: Values<'a>,
    /// Whether decimals have no zeros behind their last digit.
    pub(super) trimmed: bool,
}

/// The values of a column by how they are written.
pub(super) enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Half(&'a [<Float16Type as ArrowPrimitiveType>::Native]),
    Single(&'a [f32]),
    Double(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a [i256], i8),
    Utf8(&'a GenericStringArray<i32>),
    LargeUtf8(&'a GenericStringArray<i64>),
    Utf8View(&'a StringViewArray),
    Binary(&'a GenericBinaryArray<i32>),
    LargeBinary(&'a GenericBinaryArray<i64>),
    BinaryView(&'a BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    /// Without a zone.
    Timestamp(&'a [i64], TimeUnit),
    /// Shown in the session's zone, whatever the zone in the Arrow type.
    Timestamptz(&'a [i64], TimeUnit),
    YearMonth(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    Duration(&'a [i64], TimeUnit),
    List(List<'a>),
    /// A row of a relation.
    Record(Record<'a>),
    Json(Json<'a>),
    Struct(Struct<'a>),
    Map(Map<'a>),
    Union {
        array: &'a UnionArray,
        children: Vec<(i8, Column<'a>)>,
        mode: UnionMode,
    },
    /// A dictionary or runs: the index of a row's value.
    Indirect {
        index: Box<dyn Fn(usize) -> usize + 'a>,
        values: Box<Column<'a>>,
    },
}

impl<'a> Column<'a> {
    /// Downcasts an array and its children.
    pub(super) fn bind(array: &'a dyn Array) -> Result<Column<'a>, Error> {
        Ok(Column { nulls: array.nulls(), values: values(array)?, trimmed: false })
    }

    /// The values and the row among them where a row's value is found, or `None` for null.
    pub(super) fn locate(&self, mut row: usize) -> Option<(&Values<'a>, usize)> {
        let mut column = self;
        loop {
            if column.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                return None;
            }
            match &column.values {
                Values::Null => return None,
                Values::Indirect { index, values } => {
                    row = index(row);
                    column = values;
                }
                union @ Values::Union { .. } => {
                    // The union itself travels as JSON, but a null inside is a null.
                    let (child, inner) = union.child(row)?;
                    child.locate(inner)?;
                    return Some((union, row));
                }
                values => return Some((values, row)),
            }
        }
    }

    /// The lists of a column of lists, for what doesn't depend on the row.
    pub(super) fn lists(&self) -> Option<&List<'a>> {
        match &self.values {
            Values::List(list) => Some(list),
            Values::Indirect { values, .. } => values.lists(),
            _ => None,
        }
    }
}

impl<'a> Values<'a> {
    /// The alternative of a union that a row holds.
    pub(super) fn child(&self, row: usize) -> Option<(&Column<'a>, usize)> {
        let Values::Union { array, children, mode } = self else { return None };
        let id = at(array.type_ids(), row);
        let (_, column) = children.iter().find(|(child, _)| *child == id)?;
        let row = match mode {
            UnionMode::Sparse => row,
            UnionMode::Dense => usize::try_from(at(array.offsets()?, row)).ok()?,
        };
        Some((column, row))
    }
}

fn values(array: &dyn Array) -> Result<Values<'_>, Error> {
    use Values as V;
    match pg_type::shape(array.data_type()) {
        Some(Shape::Record) => return Record::bind(array.as_struct()).map(V::Record),
        Some(Shape::Json) => return Json::bind(array).map(V::Json),
        // Its text is JSON already, and NULL where the value is.
        Some(Shape::Document) => {
            let texts = pg_type::document_texts(array);
            let texts = texts.ok_or_else(|| Error::internal("a document without its text"))?;
            return values(texts.as_ref());
        }
        None => {}
    }
    Ok(match array.data_type() {
        DataType::Null => V::Null,
        DataType::Boolean => V::Bool(array.as_boolean()),
        DataType::Int8 => V::Int8(natives::<Int8Type>(array)?),
        DataType::Int16 => V::Int16(natives::<Int16Type>(array)?),
        DataType::Int32 => V::Int32(natives::<Int32Type>(array)?),
        DataType::Int64 => V::Int64(natives::<Int64Type>(array)?),
        DataType::UInt8 => V::UInt8(natives::<UInt8Type>(array)?),
        DataType::UInt16 => V::UInt16(natives::<UInt16Type>(array)?),
        DataType::UInt32 => V::UInt32(natives::<UInt32Type>(array)?),
        DataType::UInt64 => V::UInt64(natives::<UInt64Type>(array)?),
        DataType::Float16 => V::Half(natives::<Float16Type>(array)?),
        DataType::Float32 => V::Single(natives::<Float32Type>(array)?),
        DataType::Float64 => V::Double(natives::<Float64Type>(array)?),
        DataType::Decimal32(_, scale) => V::Decimal32(natives::<Decimal32Type>(array)?, *scale),
        DataType::Decimal64(_, scale) => V::Decimal64(natives::<Decimal64Type>(array)?, *scale),
        DataType::Decimal128(_, scale) => V::Decimal128(natives::<Decimal128Type>(array)?, *scale),
        DataType::Decimal256(_, scale) => V::Decimal256(natives::<Decimal256Type>(array)?, *scale),
        DataType::Utf8 => V::Utf8(downcast(array)?),
        DataType::LargeUtf8 => V::LargeUtf8(downcast(array)?),
        DataType::Utf8View => V::Utf8View(downcast(array)?),
        DataType::Binary => V::Binary(downcast(array)?),
        DataType::LargeBinary => V::LargeBinary(downcast(array)?),
        DataType::BinaryView => V::BinaryView(downcast(array)?),
        DataType::FixedSizeBinary(_) => V::FixedBinary(downcast(array)?),
        DataType::Date32 => V::Date32(natives::<Date32Type>(array)?),
        DataType::Date64 => V::Date64(natives::<Date64Type>(array)?),
        DataType::Time32(unit) => V::Time32(
            match unit {
                TimeUnit::Second => natives::<Time32SecondType>(array)?,
                _ => natives::<Time32MillisecondType>(array)?,
            },
            *unit,
        ),
        DataType::Time64(unit) => V::Time64(
            match unit {
                TimeUnit::Microsecond => natives::<Time64MicrosecondType>(array)?,
                _ => natives::<Time64NanosecondType>(array)?,
            },
            *unit,
        ),
        DataType::Timestamp(unit, zone) => {
            let values = match unit {
                TimeUnit::Second => natives::<TimestampSecondType>(array)?,
                TimeUnit::Millisecond => natives::<TimestampMillisecondType>(array)?,
                TimeUnit::Microsecond => natives::<TimestampMicrosecondType>(array)?,
                TimeUnit::Nanosecond => natives::<TimestampNanosecondType>(array)?,
            };
            match zone {
                None => V::Timestamp(values, *unit),
                Some(_) => V::Timestamptz(values, *unit),
            }
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            V::YearMonth(natives::<IntervalYearMonthType>(array)?)
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            V::DayTime(natives::<IntervalDayTimeType>(array)?)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            V::MonthDayNano(natives::<IntervalMonthDayNanoType>(array)?)
        }
        DataType::Duration(unit) => V::Duration(
            match unit {
                TimeUnit::Second => natives::<DurationSecondType>(array)?,
                TimeUnit::Millisecond => natives::<DurationMillisecondType>(array)?,
                TimeUnit::Microsecond => natives::<DurationMicrosecondType>(array)?,
                TimeUnit::Nanosecond => natives::<DurationNanosecondType>(array)?,
            },
            *unit,
        ),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            V::List(List::bind(Extents::Offsets(list.value_offsets()), list.values())?)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            V::List(List::bind(Extents::LargeOffsets(list.value_offsets()), list.values())?)
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            V::List(List::bind(Extents::Fixed(size), array.as_fixed_size_list().values())?)
        }
        DataType::ListView(_) => {
            let list: &GenericListViewArray<i32> = downcast(array)?;
            V::List(List::bind(
                Extents::Views(list.value_offsets(), list.value_sizes()),
                list.values(),
            )?)
        }
        DataType::LargeListView(_) => {
            let list: &GenericListViewArray<i64> = downcast(array)?;
            V::List(List::bind(
                Extents::LargeViews(list.value_offsets(), list.value_sizes()),
                list.values(),
            )?)
        }
        DataType::Struct(_) => V::Struct(Struct::bind(array.as_struct())?),
        DataType::Map(_, _) => V::Map(Map::bind(array.as_map())?),
        DataType::Union(fields, mode) => {
            let array: &UnionArray = downcast(array)?;
            let children = fields
                .iter()
                .map(|(id, _)| Ok((id, Column::bind(array.child(id).as_ref())?)))
                .collect::<Result<_, Error>>()?;
            V::Union { array, children, mode: *mode }
        }
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => dictionary::<Int8Type>(array)?,
            DataType::Int16 => dictionary::<Int16Type>(array)?,
            DataType::Int32 => dictionary::<Int32Type>(array)?,
            DataType::Int64 => dictionary::<Int64Type>(array)?,
            DataType::UInt8 => dictionary::<UInt8Type>(array)?,
            DataType::UInt16 => dictionary::<UInt16Type>(array)?,
            DataType::UInt32 => dictionary::<UInt32Type>(array)?,
            _ => dictionary::<UInt64Type>(array)?,
        },
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array)?,
            DataType::Int32 => runs::<Int32Type>(array)?,
            _ => runs::<Int64Type>(array)?,
        },
    })
}

fn downcast<T: 'static>(array: &dyn Array) -> Result<&T, Error> {
    array.as_any().downcast_ref().ok_or_else(|| Error::internal("an array isn't of its data type"))
}

fn natives<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<&[T::Native], Error> {
    match array.as_primitive_opt::<T>() {
        Some(array) => Ok(array.values()),
        None => Err(Error::internal("an array isn't of its data type")),
    }
}

fn dictionary<K: ArrowDictionaryKeyType>(array: &dyn Array) -> Result<Values<'_>, Error> {
    let array: &DictionaryArray<K> = downcast(array)?;
    let keys = array.keys();
    let index = Box::new(move |row| at(keys.values(), row).as_usize());
    Ok(Values::Indirect { index, values: Box::new(Column::bind(array.values().as_ref())?) })
}

fn runs<R: RunEndIndexType>(array: &dyn Array) -> Result<Values<'_>, Error> {
    let array: &RunArray<R> = downcast(array)?;
    let index = Box::new(move |row| array.get_physical_index(row));
    Ok(Values::Indirect { index, values: Box::new(Column::bind(array.values().as_ref())?) })
}
