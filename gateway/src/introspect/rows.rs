//! Rows of a system relation, written by column name and built into one record batch.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float32Builder, Int16Builder, Int32Builder, Int64Builder,
    IntervalMonthDayNanoBuilder, ListBuilder, RecordBatch, StringBuilder, UInt32Builder,
    new_null_array,
};
use arrow::datatypes::{
    DataType, Field, IntervalMonthDayNano, IntervalUnit, Schema, SchemaRef, TimeUnit,
};
use arrow::error::ArrowError;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    I2(i16),
    I4(i32),
    I8(i64),
    F4(f32),
    Oid(u32),
    Text(String),
    /// A number of seconds.
    Interval(i64),
    I2s(Vec<i16>),
    I4s(Vec<i32>),
    Oids(Vec<u32>),
    Texts(Vec<String>),
}

macro_rules! from {
    ($($type:ty => $variant:ident;)*) => {
        $(impl From<$type> for Cell {
            fn from(value: $type) -> Self { Cell::$variant(value) }
        })*
    };
}
from! {
    bool => Bool; i16 => I2; i32 => I4; i64 => I8; f32 => F4; u32 => Oid; String => Text;
    Vec<i16> => I2s; Vec<u32> => Oids; Vec<String> => Texts;
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Cell::Text(value.to_owned())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// Adds a row: the named cells in the order of the columns, every other column at its default.
macro_rules! row {
    ($rows:expr, $($name:ident: $value:expr),* $(,)?) => {
        $rows.push([$((stringify!($name), $crate::introspect::rows::Cell::from($value))),*])
    };
}
pub(super) use row;

/// The rows of one relation under construction, column by column.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<Vec<Cell>>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn new(schema: SchemaRef) -> Self {
        let columns = vec![Vec::new(); schema.fields().len()];
        Self { schema, columns }
    }

    /// Adds a row. Unnamed columns are NULL where they may be, else zero, false or empty.
    pub(super) fn push<const N: usize>(&mut self, cells: [(&'static str, Cell); N]) {
        let mut cells = cells.into_iter().peekable();
        for (field, column) in self.schema.fields().iter().zip(&mut self.columns) {
            column.push(match cells.next_if(|(name, _)| name == field.name()) {
                Some((_, cell)) => cell,
                None if field.is_nullable() => Cell::Null,
                None => zero(field.data_type()),
            });
        }
        debug_assert!(cells.peek().is_none(), "misplaced cell {:?}", cells.peek());
    }

    /// The record batch.
    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        let arrays = self
            .schema
            .fields()
            .iter()
            .zip(&self.columns)
            .map(|(field, cells)| array(field.data_type(), cells))
            .collect();
        RecordBatch::try_new(self.schema, arrays)
    }
}

/// The schema of a layout's columns (see `layout`).
pub(super) fn schema(columns: &str) -> SchemaRef {
    let fields = columns.split_whitespace().filter_map(|column| {
        let (name, code) = column.split_once(':')?;
        let (code, nullable) = code.strip_suffix('?').map_or((code, false), |code| (code, true));
        let (code, list) = code.strip_suffix("[]").map_or((code, false), |code| (code, true));
        let data_type = match code {
            "o" => DataType::UInt32,
            "2" => DataType::Int16,
            "4" => DataType::Int32,
            "8" => DataType::Int64,
            "f" => DataType::Float32,
            "d" => DataType::Float64,
            "b" => DataType::Boolean,
            "z" => timestamptz(),
            "i" => DataType::Interval(IntervalUnit::MonthDayNano),
            "y" => DataType::Binary,
            _ => DataType::Utf8,
        };
        let data_type = if list { list_of(data_type) } else { data_type };
        Some(Field::new(name, data_type, nullable))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type `timestamptz`.
pub(super) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The list type over a type.
pub(super) fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

fn zero(data_type: &DataType) -> Cell {
    match data_type {
        DataType::Boolean => Cell::Bool(false),
        DataType::Int16 => Cell::I2(0),
        DataType::Int32 => Cell::I4(0),
        DataType::Int64 => Cell::I8(0),
        DataType::Float32 => Cell::F4(0.0),
        DataType::UInt32 => Cell::Oid(0),
        DataType::Utf8 => Cell::Text(String::new()),
        DataType::List(field) => match field.data_type() {
            DataType::Int16 => Cell::I2s(Vec::new()),
            DataType::UInt32 => Cell::Oids(Vec::new()),
            _ => Cell::Texts(Vec::new()),
        },
        _ => Cell::Null,
    }
}

macro_rules! build {
    ($builder:expr, $cells:expr, $variant:ident) => {{
        let mut builder = $builder;
        for cell in $cells {
            match cell {
                Cell::$variant(value) => builder.append_value(value.to_owned()),
                _ => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }};
}

macro_rules! build_list {
    ($element:expr, $cells:expr, $variant:ident) => {{
        let mut builder = ListBuilder::new($element);
        for cell in $cells {
            match cell {
                Cell::$variant(values) => builder.append_value(values.iter().cloned().map(Some)),
                _ => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }};
}

/// The array of `data_type` over cells; a cell of another type is NULL.
pub(super) fn array(data_type: &DataType, cells: &[Cell]) -> ArrayRef {
    match data_type {
        DataType::Boolean => build!(BooleanBuilder::new(), cells, Bool),
        DataType::Int16 => build!(Int16Builder::new(), cells, I2),
        DataType::Int32 => build!(Int32Builder::new(), cells, I4),
        DataType::Int64 => build!(Int64Builder::new(), cells, I8),
        DataType::Float32 => build!(Float32Builder::new(), cells, F4),
        DataType::UInt32 => build!(UInt32Builder::new(), cells, Oid),
        DataType::Utf8 => build!(StringBuilder::new(), cells, Text),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let mut builder = IntervalMonthDayNanoBuilder::new();
            for cell in cells {
                match cell {
                    Cell::Interval(seconds) => {
                        builder.append_value(IntervalMonthDayNano::new(
                            0,
                            0,
                            seconds * 1_000_000_000,
                        ));
                    }
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        DataType::List(field) => match field.data_type() {
            DataType::Int16 => build_list!(Int16Builder::new(), cells, I2s),
            DataType::Int32 => build_list!(Int32Builder::new(), cells, I4s),
            DataType::UInt32 => build_list!(UInt32Builder::new(), cells, Oids),
            DataType::Utf8 => build_list!(StringBuilder::new(), cells, Texts),
            _ => new_null_array(data_type, cells.len()),
        },
        _ => new_null_array(data_type, cells.len()),
    }
}
