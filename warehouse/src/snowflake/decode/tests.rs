//! Every form in which a value may come.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int8Array, Int16Array, Int32Array, Int64Array,
    StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;

use tollgate_catalog::pg_type;

use super::{Columns, Described, decimal};

fn described(kind: &str, scale: i8) -> Vec<Described> {
    vec![Described { name: String::new(), kind: kind.to_owned(), scale: Some(scale) }]
}

fn stream(array: ArrayRef) -> bytes::Bytes {
    let schema = Arc::new(Schema::new(vec![Field::new("x", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes.into()
}

fn shown(batch: &RecordBatch) -> Vec<String> {
    let column = batch.column(0);
    (0..batch.num_rows())
        .map(|row| {
            if column.is_null(row) {
                "NULL".to_owned()
            } else {
                array_value_to_string(column, row).unwrap()
            }
        })
        .collect()
}

fn read(wanted: DataType, kind: &str, scale: i8, array: ArrayRef) -> Result<Vec<String>, String> {
    let columns = Columns::of(std::slice::from_ref(&wanted), &described(kind, scale)).unwrap();
    let mut batches = columns.arrow(stream(array)).unwrap();
    let batch = batches.next().unwrap().map_err(|error| error.message().to_owned())?;
    assert_eq!(batch.column(0).data_type(), &super::carrier(&wanted).unwrap());
    Ok(shown(&batch))
}

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

#[test]
fn semi_structured_values_come_as_the_texts_of_them() {
    let of = pg_type::document();
    let columns = Columns::of(std::slice::from_ref(&of), &described("text", 0)).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("{\"a\":1}"), None, Some("null")]));
    let arrow = columns.arrow(stream(texts)).unwrap().next().unwrap().unwrap();
    let json = columns.json("[\"{\\\"a\\\":1}\"],[null],[\"null\"]".into()).unwrap();
    for batch in [arrow, json] {
        let column = batch.column(0);
        assert_eq!((column.data_type(), column.null_count()), (&of, 1));
        let texts = pg_type::document_texts(column.as_ref()).unwrap().as_string::<i32>();
        assert_eq!((texts.value(0), texts.is_null(1), texts.value(2)), ("{\"a\":1}", true, "null"));
    }
    assert!(Columns::of(&[of], &described("object", 0)).is_err());
}

#[test]
fn numbers_of_any_width_are_one_type() {
    let widths: [ArrayRef; 4] = [
        Arc::new(Int8Array::from(vec![Some(-5), None])),
        Arc::new(Int16Array::from(vec![Some(-5), None])),
        Arc::new(Int32Array::from(vec![Some(-5), None])),
        Arc::new(Int64Array::from(vec![Some(-5), None])),
    ];
    for array in widths {
        let int = read(DataType::Int32, "fixed", 0, Arc::clone(&array));
        assert_eq!(int.unwrap(), ["-5", "NULL"]);
        let decimal = read(DataType::Decimal128(12, 2), "FIXED", 2, array);
        assert_eq!(decimal.unwrap(), ["-0.05", "NULL"]);
    }
    let wide = Decimal128Array::from(vec![Some(12_345), None]);
    let wide: ArrayRef = Arc::new(wide.with_precision_and_scale(38, 2).unwrap());
    assert_eq!(read(DataType::Decimal128(38, 2), "fixed", 2, wide).unwrap(), ["123.45", "NULL"]);
}

#[test]
fn a_number_that_does_not_fit_is_an_error() {
    let wide = Decimal128Array::from(vec![i128::from(i64::MAX) + 1]);
    let wide: ArrayRef = Arc::new(wide.with_precision_and_scale(38, 0).unwrap());
    let told = "a value of the warehouse is out of range";
    assert_eq!(read(DataType::Int64, "fixed", 0, wide).unwrap_err(), told);
    let long: ArrayRef = Arc::new(Int32Array::from(vec![12_345]));
    assert_eq!(read(DataType::Decimal128(4, 2), "fixed", 2, long).unwrap_err(), told);
    let far: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
    assert_eq!(read(MICROS, "timestamp_ntz", 0, far).unwrap_err(), told);
}

#[test]
fn times_come_as_numbers_or_in_parts() {
    let at = "2024-02-29T12:34:56.789";
    let seconds = 1_709_210_096_i64;
    for (scale, value) in [(9, seconds * 1_000_000_000 + 789_000_999), (3, seconds * 1_000 + 789)] {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(value), None]));
        assert_eq!(read(MICROS, "timestamp_ntz", scale, array).unwrap(), [at, "NULL"]);
    }
    let part = |name: &str, values: Vec<i64>| {
        (
            Arc::new(Field::new(name, DataType::Int64, false)),
            Arc::new(Int64Array::from(values)) as ArrayRef,
        )
    };
    let small = |name: &str, values: Vec<i32>| {
        (
            Arc::new(Field::new(name, DataType::Int32, false)),
            Arc::new(Int32Array::from(values)) as ArrayRef,
        )
    };
    let parts: ArrayRef = Arc::new(StructArray::from(vec![
        part("epoch", vec![seconds]),
        small("fraction", vec![789_000_000]),
    ]));
    assert_eq!(read(MICROS, "timestamp_ntz", 9, parts).unwrap(), [at]);
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let three: ArrayRef = Arc::new(StructArray::from(vec![
        part("epoch", vec![seconds]),
        small("fraction", vec![789_000_000]),
        small("timezone", vec![1_560]),
    ]));
    assert_eq!(read(zoned.clone(), "timestamp_tz", 9, three).unwrap(), [format!("{at}Z")]);
    let two: ArrayRef = Arc::new(StructArray::from(vec![
        part("epoch", vec![seconds * 1_000 + 789]),
        small("timezone", vec![1_440]),
    ]));
    assert_eq!(read(zoned, "timestamp_tz", 3, two).unwrap(), [format!("{at}Z")]);
    let before: ArrayRef = Arc::new(Int64Array::from(vec![-1_i64]));
    assert_eq!(read(MICROS, "timestamp_ntz", 9, before).unwrap(), ["1969-12-31T23:59:59.999999"]);
}

#[test]
fn columns_of_another_type_are_refused() {
    for (wanted, kind, scale) in [
        (DataType::Int64, "real", 0),
        (DataType::Int64, "fixed", 2),
        (DataType::Decimal128(12, 2), "fixed", 3),
        (DataType::Utf8, "variant", 0),
        (MICROS, "timestamp_tz", 9),
        (DataType::Utf8, "fixed", 0),
    ] {
        assert!(Columns::of(&[wanted], &described(kind, scale)).is_err(), "{kind} {scale}");
    }
    assert!(Columns::of(&[DataType::Int64, DataType::Int64], &described("fixed", 0)).is_err());
    let text: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["5"]));
    assert!(read(DataType::Int64, "fixed", 0, text).is_err());
}

#[test]
fn texts_are_read_as_what_they_mean() {
    let one = |wanted: DataType, kind: &str, scale, text: &str| {
        let columns = Columns::of(&[wanted], &described(kind, scale)).unwrap();
        let batch = columns.rows(&[vec![Some(text.to_owned())], vec![None]]);
        batch.map(|batch| shown(&batch).remove(0)).map_err(|_| ())
    };
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    for (wanted, kind, scale, text, expected) in [
        (DataType::Boolean, "boolean", 0, "1", "true"),
        (DataType::Int64, "fixed", 0, "-7", "-7"),
        (DataType::Decimal128(12, 2), "fixed", 2, "-123.45", "-123.45"),
        (DataType::Decimal128(12, 2), "fixed", 2, "0.5", "0.50"),
        (DataType::Float64, "real", 0, "1.5e300", "1.5e300"),
        (DataType::Float64, "real", 0, "inf", "inf"),
        (DataType::Utf8, "text", 0, "it's", "it's"),
        (DataType::Binary, "binary", 0, "00FF", "00ff"),
        (DataType::Date32, "date", 0, "19782", "2024-02-29"),
        (DataType::Time64(TimeUnit::Microsecond), "time", 9, "45296.789000000", "12:34:56.789"),
        (MICROS, "timestamp_ntz", 9, "1709210096.789000999", "2024-02-29T12:34:56.789"),
        (MICROS, "timestamp_ntz", 9, "-0.000000001", "1969-12-31T23:59:59.999999"),
        (zoned, "timestamp_tz", 9, "1709210096.789000000 1560", "2024-02-29T12:34:56.789Z"),
    ] {
        assert_eq!(one(wanted, kind, scale, text), Ok(expected.to_owned()), "{kind} {text}");
    }
    for (wanted, kind, text) in [
        (DataType::Int64, "fixed", "5.5"),
        (DataType::Boolean, "boolean", "yes"),
        (DataType::Binary, "binary", "0"),
        (DataType::Decimal128(4, 2), "fixed", "123.45"),
        (MICROS, "timestamp_ntz", "x"),
    ] {
        let scale = if kind == "fixed" && wanted != DataType::Int64 { 2 } else { 0 };
        assert_eq!(one(wanted, kind, scale, text), Err(()), "{kind} {text}");
    }
    assert_eq!(decimal("12.999", 2).unwrap(), 1_299);
    let columns = Columns::of(&[DataType::Int64], &described("fixed", 0)).unwrap();
    let batch = columns.json(bytes::Bytes::from_static(b"[\"1\"],[null]")).unwrap();
    assert_eq!(shown(&batch), ["1", "NULL"]);
    assert!(columns.json(bytes::Bytes::from_static(b"[\"1\",\"2\"]")).is_err());
}
