//! Results into Arrow: rows in the answer itself and pieces stored elsewhere, in Arrow or in JSON.
//!
//! The statement casts each column to the type that is expected here, and the service's description is
//! compared with it before anything is read. In what width a number comes, differs from piece to
//! piece: every batch is brought to one schema.

use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Array,
    Decimal128Builder, Float64Builder, Int64Array, PrimitiveArray, StringBuilder, StructArray,
    Time64MicrosecondBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, Time64MicrosecondType, TimeUnit,
};
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use flate2::read::GzDecoder;
use tollgate_catalog::{Error, ErrorKind, pg_type};
use tollgate_rewriter::OutputColumn;

use super::error::malformed;
use super::service::Described;

/// The longest piece of JSON that is read, in bytes: it is read as a whole.
const MAX_JSON: u64 = 256 << 20;

/// What a column must be, and how it comes.
#[derive(Debug, Clone)]
struct Column {
    wanted: DataType,
    /// Digits after the point, of a number or of a second.
    scale: i8,
    /// Whether the text is the JSON of a semi-structured value.
    document: bool,
}

/// The columns of a result.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl Columns {
    /// The expected columns, if the service describes the same.
    pub(super) fn new(output: &[OutputColumn], described: &[Described]) -> Result<Self, Error> {
        let types: Vec<DataType> = output.iter().map(|column| column.data_type.clone()).collect();
        Self::of(&types, described)
    }

    /// The same for types.
    pub(super) fn of(types: &[DataType], described: &[Described]) -> Result<Self, Error> {
        let other = || Error::internal("the service's columns aren't those of the query");
        if types.len() != described.len() {
            return Err(other());
        }
        let mut columns = Vec::with_capacity(types.len());
        for (data_type, said) in types.iter().zip(described) {
            let wanted = carrier(data_type)?;
            let scale = said.scale.unwrap_or_default();
            let kind = said.kind.to_ascii_lowercase();
            let same = match &wanted {
                DataType::Boolean => kind == "boolean",
                DataType::Int64 => kind == "fixed" && scale == 0,
                DataType::Decimal128(_, digits) => kind == "fixed" && scale == *digits,
                DataType::Float64 => kind == "real",
                DataType::Utf8 => kind == "text",
                DataType::Binary => kind == "binary",
                DataType::Date32 => kind == "date",
                DataType::Time64(_) => kind == "time",
                DataType::Timestamp(_, None) => kind == "timestamp_ntz",
                DataType::Timestamp(_, Some(_)) => {
                    matches!(kind.as_str(), "timestamp_ltz" | "timestamp_tz")
                }
                _ => false,
            };
            if !same || !(0..=38).contains(&scale) {
                return Err(other());
            }
            columns.push(Column { wanted, scale, document: pg_type::is_document(data_type) });
        }
        let fields = columns.iter().enumerate().map(|(index, column)| {
            let document = column.document.then(pg_type::document);
            let data_type = document.unwrap_or_else(|| column.wanted.clone());
            Field::new(format!("c{index}"), data_type, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { columns, schema })
    }

    /// The texts that values have in JSON, whatever they are.
    pub(super) fn texts(count: usize) -> Self {
        let columns = vec![Column { wanted: DataType::Utf8, scale: 0, document: false }; count];
        let fields = (0..count).map(|index| Field::new(format!("c{index}"), DataType::Utf8, true));
        Self { columns, schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())) }
    }

    fn batch(&self, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
        for (array, column) in columns.iter_mut().zip(&self.columns) {
            if column.document {
                *array = pg_type::documents(Arc::clone(array))
                    .map_err(|error| malformed(error.to_string()))?;
            }
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
            .map_err(|error| malformed(error.to_string()))
    }

    /// Rows in Arrow's format for streams; batch by batch, as they are asked for.
    pub(super) fn arrow(&self, bytes: Bytes) -> Result<Batches, Error> {
        let reader = StreamReader::try_new(plain(bytes), None);
        Ok(Batches {
            columns: self.clone(),
            reader: reader.map_err(|error| malformed(error.to_string()))?,
        })
    }

    /// Rows in JSON: a text for each value. A piece stored elsewhere lacks the brackets around it.
    pub(super) fn json(&self, bytes: Bytes) -> Result<RecordBatch, Error> {
        let mut text = b"[".to_vec();
        let read = plain(bytes).take(MAX_JSON).read_to_end(&mut text);
        read.map_err(|error| malformed(error.to_string()))?;
        if u64::try_from(text.len()).map_or(true, |length| length > MAX_JSON) {
            return Err(malformed("a piece of the result is too long"));
        }
        text.push(b']');
        let rows: Vec<Vec<Option<String>>> =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        self.rows(&rows)
    }

    /// The same, parsed.
    pub(super) fn rows(&self, rows: &[Vec<Option<String>>]) -> Result<RecordBatch, Error> {
        if rows.iter().any(|row| row.len() != self.columns.len()) {
            return Err(malformed("a row has another number of values"));
        }
        let columns = self.columns.iter().enumerate().map(|(index, column)| {
            column.texts(rows.iter().map(|row| row.get(index).and_then(Option::as_deref)))
        });
        self.batch(columns.collect::<Result<Vec<_>, _>>()?, rows.len())
    }
}

/// The type in which values of a type come.
fn carrier(data_type: &DataType) -> Result<DataType, Error> {
    Ok(match data_type {
        DataType::Boolean | DataType::Float64 | DataType::Decimal128(..) | DataType::Date32 => {
            data_type.clone()
        }
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            DataType::Utf8
        }
        document if pg_type::is_document(document) => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        other => return Err(Error::internal(format!("{other} can't be read"))),
    })
}

/// The bytes without their compression.
fn plain(bytes: Bytes) -> Box<dyn Read + Send> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(GzDecoder::new(Cursor::new(bytes)))
    } else {
        Box::new(Cursor::new(bytes))
    }
}

/// Batches of one piece.
pub(super) struct Batches {
    columns: Columns,
    reader: StreamReader<Box<dyn Read + Send>>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| malformed(error.to_string())).and_then(|batch| {
            if batch.num_columns() != self.columns.columns.len() {
                return Err(malformed("a batch has another number of columns"));
            }
            let columns = self.columns.columns.iter().zip(batch.columns());
            let columns = columns.map(|(column, array)| column.array(array));
            self.columns.batch(columns.collect::<Result<Vec<_>, _>>()?, batch.num_rows())
        }))
    }
}

fn strange() -> Error {
    malformed("a value has another type than was described")
}

fn out_of_range() -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "a value of the warehouse is out of range")
}

impl Column {
    /// An array as it comes.
    fn array(&self, array: &ArrayRef) -> Result<ArrayRef, Error> {
        let same = |wanted: &DataType| {
            let widens = match (array.data_type(), wanted) {
                (from, to) if from == to => true,
                (DataType::LargeUtf8, DataType::Utf8)
                | (DataType::LargeBinary | DataType::FixedSizeBinary(_), DataType::Binary)
                | (DataType::Null, _) => true,
                _ => false,
            };
            if widens {
                cast(array, wanted).map_err(|e| malformed(e.to_string()))
            } else {
                Err(strange())
            }
        };
        match &self.wanted {
            DataType::Int64 if array.data_type().is_signed_integer() => {
                cast(array, &DataType::Int64).map_err(|error| malformed(error.to_string()))
            }
            // A whole number of 38 digits, as sums are.
            DataType::Int64 => match array.data_type() {
                DataType::Decimal128(_, 0) => {
                    let narrowed = array.as_primitive::<arrow::datatypes::Decimal128Type>();
                    let narrowed: PrimitiveArray<Int64Type> = narrowed
                        .try_unary(|value| i64::try_from(value).map_err(|_| out_of_range()))?;
                    Ok(Arc::new(narrowed))
                }
                _ => same(&DataType::Int64),
            },
            DataType::Decimal128(precision, scale) => self.decimals(array, *precision, *scale),
            DataType::Time64(_) => {
                let times = self.integers(array)?;
                let micros = |time| self.micros(time);
                let times = times.try_unary::<_, Time64MicrosecondType, Error>(micros)?;
                Ok(Arc::new(times))
            }
            DataType::Timestamp(_, zone) => {
                let times = self.instants(array)?;
                Ok(Arc::new(times.with_timezone_opt(zone.clone())))
            }
            wanted => same(wanted),
        }
    }

    fn integers(&self, array: &ArrayRef) -> Result<Int64Array, Error> {
        if !array.data_type().is_signed_integer() {
            return Err(strange());
        }
        let wide = cast(array, &DataType::Int64).map_err(|error| malformed(error.to_string()))?;
        Ok(wide.as_primitive::<Int64Type>().clone())
    }

    /// Decimals come as whole numbers without their point, or as decimals.
    fn decimals(&self, array: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef, Error> {
        let unscaled: Decimal128Array = match array.data_type() {
            DataType::Decimal128(_, digits) if *digits == scale => array.as_primitive().clone(),
            kind if kind.is_signed_integer() => {
                self.integers(array)?.unary::<_, arrow::datatypes::Decimal128Type>(i128::from)
            }
            _ => return Err(strange()),
        };
        let typed = unscaled.with_precision_and_scale(precision, scale);
        let typed = typed.map_err(|error| malformed(error.to_string()))?;
        typed.validate_decimal_precision(precision).map_err(|_| out_of_range())?;
        Ok(Arc::new(typed))
    }

    /// Microseconds of so many parts of a second.
    fn micros(&self, parts: i64) -> Result<i64, Error> {
        match u32::try_from(6 - i32::from(self.scale)) {
            Ok(missing) => 10_i64
                .checked_pow(missing)
                .and_then(|factor| parts.checked_mul(factor))
                .ok_or_else(out_of_range),
            Err(_) => {
                let more = u32::try_from(i32::from(self.scale) - 6).unwrap_or_default();
                let factor = 10_i64.checked_pow(more).ok_or_else(out_of_range)?;
                Ok(parts.div_euclid(factor))
            }
        }
    }

    /// Times come as parts of a second, or as seconds and nanoseconds. With an offset, they are of UTC all
    /// the same.
    fn instants(&self, array: &ArrayRef) -> Result<TimestampMicrosecondArray, Error> {
        let Some(parts) = array.as_any().downcast_ref::<StructArray>() else {
            return self.integers(array)?.try_unary(|time| self.micros(time));
        };
        let field =
            |name| parts.column_by_name(name).map(|column| self.integers(column)).transpose();
        let epoch = field("epoch")?.ok_or_else(strange)?;
        let fraction = field("fraction")?;
        let mut times = TimestampMicrosecondBuilder::with_capacity(parts.len());
        for index in 0..parts.len() {
            if parts.is_null(index) || epoch.is_null(index) {
                times.append_null();
                continue;
            }
            times.append_value(match &fraction {
                None => self.micros(epoch.value(index))?,
                Some(fraction) => epoch
                    .value(index)
                    .checked_mul(1_000_000)
                    .and_then(|micros| micros.checked_add(fraction.value(index).div_euclid(1_000)))
                    .ok_or_else(out_of_range)?,
            });
        }
        Ok(times.finish())
    }

    /// Values as texts.
    fn texts<'a>(&self, values: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef, Error> {
        macro_rules! built {
            ($builder:expr, $parse:expr) => {{
                let mut builder = $builder;
                for value in values {
                    match value {
                        None => builder.append_null(),
                        Some(text) => builder.append_value($parse(text)?),
                    }
                }
                Arc::new(builder.finish())
            }};
        }
        let parts = |text: &str| decimal(text.split(' ').next().unwrap_or_default(), 6);
        Ok(match &self.wanted {
            DataType::Boolean => built!(BooleanBuilder::new(), |text: &str| match text {
                "1" | "true" | "TRUE" => Ok(true),
                "0" | "false" | "FALSE" => Ok(false),
                _ => Err(strange()),
            }),
            DataType::Int64 => built!(arrow::array::Int64Builder::new(), number),
            DataType::Float64 => built!(Float64Builder::new(), float),
            DataType::Decimal128(precision, scale) => {
                let scale = u32::try_from(*scale).map_err(|_| strange())?;
                let limit = 10_i128.checked_pow(u32::from(*precision)).ok_or_else(strange)?;
                let builder = Decimal128Builder::new().with_data_type(self.wanted.clone());
                built!(builder, |text: &str| {
                    let value = decimal(text, scale)?;
                    if value.abs() < limit { Ok(value) } else { Err(out_of_range()) }
                })
            }
            DataType::Utf8 => built!(StringBuilder::new(), Ok::<&str, Error>),
            DataType::Binary => built!(BinaryBuilder::new(), hexadecimal),
            DataType::Date32 => built!(Date32Builder::new(), number),
            DataType::Time64(_) => {
                built!(Time64MicrosecondBuilder::new(), |text: &str| i64::try_from(parts(text)?)
                    .map_err(|_| out_of_range()))
            }
            DataType::Timestamp(_, zone) => {
                let builder = TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone());
                built!(builder, |text: &str| i64::try_from(parts(text)?)
                    .map_err(|_| out_of_range()))
            }
            _ => return Err(strange()),
        })
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| strange())
}

fn float(text: &str) -> Result<f64, Error> {
    match text.to_ascii_lowercase().as_str() {
        "nan" => Ok(f64::NAN),
        "inf" | "infinity" => Ok(f64::INFINITY),
        "-inf" | "-infinity" => Ok(f64::NEG_INFINITY),
        text => number(text),
    }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, Error> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or_else(strange)?;
    Ok(digits
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect())
}

/// A decimal number with so many digits after the point; further ones are cut towards the smaller.
fn decimal(text: &str, scale: u32) -> Result<i128, Error> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let wanted = usize::try_from(scale).map_err(|_| strange())?;
    let kept = fraction.get(..wanted.min(fraction.len())).ok_or_else(strange)?;
    let cut = fraction.len() > wanted && fraction.bytes().skip(wanted).any(|digit| digit != b'0');
    let all = format!("{whole}{kept:0<wanted$}");
    if all.is_empty() || !all.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(strange());
    }
    let value: i128 = all.parse().map_err(|_| out_of_range())?;
    Ok(match (negative, cut) {
        (true, true) => -value - 1,
        (true, false) => -value,
        (false, _) => value,
    })
}

#[cfg(test)]
mod tests;
