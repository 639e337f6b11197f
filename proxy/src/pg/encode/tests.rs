//! Expected bytes were gathered from a PostgreSQL 15 server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int32Array, IntervalMonthDayNanoArray, ListArray, StringArray, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt32Array, UInt64Array,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Field, Int8Type, IntervalMonthDayNano};

use super::*;

fn encode(array: ArrayRef, format: Format, zone: &str) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let mut encoder = RowEncoder::new(&[array.data_type().clone()], &[format], zone)?;
    let batch = RecordBatch::try_from_iter([("c", array.clone())]).unwrap();
    let mut out = BytesMut::new();
    encoder.encode(&batch, 0..array.len(), &mut out)?;
    let mut rows = Vec::new();
    let mut rest = &out[..];
    while !rest.is_empty() {
        assert_eq!(rest[0], b'D');
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (message, tail) = rest.split_at(length + 1);
        assert_eq!(message[5..7], [0, 1]);
        let size = i32::from_be_bytes(message[7..11].try_into().unwrap());
        assert_eq!(message.len() - 11, usize::try_from(size).unwrap_or(0));
        rows.push((size >= 0).then(|| message[11..].to_vec()));
        rest = tail;
    }
    Ok(rows)
}

fn check_in(zone: &str, array: impl Array + 'static, text: &[&str], hex: &[&str]) {
    let array: ArrayRef = Arc::new(array);
    let show = |row: Option<Vec<u8>>| row.map_or("-".into(), |row| String::from_utf8(row).unwrap());
    let rows = encode(array.clone(), Format::Text, zone).unwrap();
    assert_eq!(rows.into_iter().map(show).collect::<Vec<_>>(), text);
    let show = |row: Option<Vec<u8>>| -> String {
        row.map_or("-".into(), |row| row.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let rows = encode(array, Format::Binary, zone).unwrap();
    if !hex.is_empty() {
        assert_eq!(rows.into_iter().map(show).collect::<Vec<_>>(), hex);
    }
}

fn check(array: impl Array + 'static, text: &[&str], hex: &[&str]) {
    check_in("UTC", array, text, hex);
}

#[test]
fn whole_messages() {
    let columns: [(&str, ArrayRef); 3] = [
        ("a", Arc::new(Int32Array::from(vec![7, -1]))),
        ("b", Arc::new(StringArray::from(vec![Some("é"), None]))),
        ("c", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let types: Vec<_> = batch.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    let formats = [Format::Binary, Format::Text, Format::Text];
    let mut encoder = RowEncoder::new(&types, &formats, "UTC").unwrap();
    let mut out = BytesMut::from(&b"x"[..]);
    encoder.encode(&batch, 0..2, &mut out).unwrap();
    let first = b"D\0\0\0\x19\0\x03\0\0\0\x04\0\0\0\x07\0\0\0\x02\xc3\xa9\0\0\0\x01t";
    let second = b"D\0\0\0\x17\0\x03\0\0\0\x04\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01f";
    assert_eq!(out, [&b"x"[..], first, second].concat());

    let mut again = BytesMut::new();
    encoder.encode(&batch, 1..2, &mut again).unwrap();
    assert_eq!(again, second[..]);
    assert!(encoder.encode(&batch, 1..3, &mut again).is_err());
}

#[test]
fn formats_fit_columns() {
    let types = [DataType::Int32, DataType::Int32];
    assert!(RowEncoder::new(&types, &[], "UTC").is_ok());
    assert!(RowEncoder::new(&types, &[Format::Binary], "UTC").is_ok());
    assert!(RowEncoder::new(&types[..1], &[Format::Text; 2], "UTC").is_err());
    assert!(RowEncoder::new(&types, &[], "Mars/Olympus").is_err());
}

#[test]
fn an_error_leaves_whole_rows_only() {
    let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b\0"]));
    let mut encoder = RowEncoder::new(&[DataType::Utf8], &[], "UTC").unwrap();
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let mut out = BytesMut::new();
    let error = encoder.encode(&batch, 0..2, &mut out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidEncoding);
    assert_eq!(out, b"D\0\0\0\x0b\0\x01\0\0\0\x01a"[..]);
}

#[test]
fn a_batch_of_another_type_is_cast() {
    let array: ArrayRef = Arc::new(Int32Array::from(vec![5]));
    let mut encoder = RowEncoder::new(&[DataType::Int64], &[Format::Binary], "UTC").unwrap();
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let mut out = BytesMut::new();
    encoder.encode(&batch, 0..1, &mut out).unwrap();
    assert_eq!(out[7..], [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
}

#[test]
fn numbers() {
    check(UInt32Array::from(vec![u32::MAX]), &["4294967295"], &["ffffffff"]);
    check(UInt64Array::from(vec![10_000]), &["10000"], &["00010001000000000001"]);
    check(
        Float64Array::from(vec![1e23, 2e23, 1e15, 1e14, 1e-5, 1e-4, -0.0, f64::NAN, f64::INFINITY]),
        &[
            "9.999999999999999e+22",
            "1.9999999999999998e+23",
            "1e+15",
            "100000000000000",
            "1e-05",
            "0.0001",
            "-0",
            "NaN",
            "Infinity",
        ],
        &[],
    );
    check(Float64Array::from(vec![9.007_199_254_740_993e15]), &["9.007199254740992e+15"], &[]);
    check(Float32Array::from(vec![123_456.7, 1e6]), &["123456.7", "1e+06"], &[]);
}

#[test]
fn decimals() {
    let decimals = |values: Vec<i128>, scale| {
        Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap()
    };
    check(
        decimals(vec![-150, 0], 2),
        &["-1.50", "0.00"],
        &["000200004000000200011388", "0000000000000002"],
    );
    check(decimals(vec![12_345_678], 3), &["12345.678"], &["0003000100000003000109291a7c"]);
    check(decimals(vec![12], 5), &["0.00012"], &["0002ffff00000005000107d0"]);
    check(
        decimals(vec![12, 0], -3),
        &["12000", "0"],
        &["0002000100000000000107d0", "0000000000000000"],
    );
}

#[test]
fn dates_and_times() {
    check(Date32Array::from(vec![-735_160]), &["0044-03-15 BC"], &["fff49d7b"]);
    check(Time64MicrosecondArray::from(vec![1_500_000]), &["00:00:01.5"], &["000000000016e360"]);
    check(TimestampNanosecondArray::from(vec![-1]), &["1969-12-31 23:59:59.999999"], &[]);
    let stamps =
        TimestampMicrosecondArray::from(vec![1_593_561_600_000_000, -5_364_662_400_000_000])
            .with_timezone("America/New_York");
    check_in(
        "Asia/Kolkata",
        stamps.clone(),
        &["2020-07-01 05:30:00+05:30", "1800-01-01 05:53:28+05:53:28"],
        &["00024c54bde0a000", "ffe993dcf8170000"],
    );
    check_in("-03", stamps.slice(0, 1), &["2020-06-30 21:00:00-03"], &[]);
    check_in("<-08>+08", stamps.slice(0, 1), &["2020-06-30 16:00:00-08"], &[]);
    let late = TimestampSecondArray::from(vec![5_695_920_000]).with_timezone("UTC");
    check_in("America/New_York", late, &["2150-06-30 20:00:00-04"], &[]);
}

#[test]
fn what_postgresql_cannot_hold() {
    let early: ArrayRef = Arc::new(Date32Array::from(vec![-2_440_589]));
    assert!(encode(early, Format::Text, "UTC").is_err());
    let late: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    assert!(encode(late, Format::Binary, "UTC").is_err());
    let time: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![86_400_000_001]));
    assert!(encode(time, Format::Text, "UTC").is_err());
}

#[test]
fn intervals() {
    let value = |months, days, nanos| IntervalMonthDayNano::new(months, days, nanos);
    check(
        IntervalMonthDayNanoArray::from(vec![
            value(14, 3, 14_706_000_001_000),
            value(-1, 1, 0),
            value(0, 0, 0),
        ]),
        &["1 year 2 mons 3 days 04:05:06.000001", "-1 mons +1 day", "00:00:00"],
        &[
            "000000036c8bc081000000030000000e",
            "000000000000000000000001ffffffff",
            "00000000000000000000000000000000",
        ],
    );
}

#[test]
fn bytes_are_hex() {
    check(BinaryArray::from(vec![&b"\0\xff"[..], b""]), &["\\x00ff", "\\x"], &["00ff", ""]);
}

fn list(items: ArrayRef, offsets: Vec<i32>) -> ListArray {
    let field = Arc::new(Field::new("item", items.data_type().clone(), true));
    ListArray::new(field, OffsetBuffer::new(ScalarBuffer::from(offsets)), items, None)
}

#[test]
fn arrays() {
    let texts = StringArray::from(vec![
        Some("a"),
        Some(""),
        None,
        Some("nUll"),
        Some("a b"),
        Some("\"\\"),
        Some("{,}"),
    ]);
    check(
        list(Arc::new(texts), vec![0, 0, 7]),
        &["{}", r#"{a,"",NULL,"nUll","a b","\"\\","{,}"}"#],
        &[],
    );
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)]));
    let inner: ArrayRef = Arc::new(list(numbers, vec![0, 2, 4]));
    let square = "000000020000000100000017000000020000000100000002000000010000000400000001\
                  ffffffff00000004000000030000000400000004";
    check(
        list(inner, vec![0, 0, 2]),
        &["{}", "{{1,NULL},{3,4}}"],
        &["000000000000000000000017", square],
    );
}

#[test]
fn ragged_lists_are_no_arrays() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let inner: ArrayRef = Arc::new(list(numbers, vec![0, 1, 3]));
    let outer: ArrayRef = Arc::new(list(inner, vec![0, 2]));
    for format in [Format::Text, Format::Binary] {
        let error = encode(outer.clone(), format, "UTC").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataException);
    }
}

#[test]
fn dictionaries() {
    let array: DictionaryArray<Int8Type> =
        vec![Some("x"), None, Some("y"), Some("x")].into_iter().collect();
    check(array, &["x", "-", "y", "x"], &["78", "-", "79", "78"]);
}

#[test]
fn objects() {
    let column = |name: &str, array: ArrayRef| {
        (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
    };
    let stamps = TimestampMicrosecondArray::from(vec![1_593_561_600_500_000]).with_timezone("UTC");
    let object = StructArray::from(vec![
        column("nan", Arc::new(Float64Array::from(vec![f64::NAN]))),
        column("f", Arc::new(Float64Array::from(vec![1e-7]))),
        column("t", Arc::new(StringArray::from(vec!["a\"\\\u{1}é\n"]))),
        column("tz", Arc::new(stamps)),
        column("no", Arc::new(Int32Array::from(vec![None]))),
    ]);
    let text = r#"{"f": 0.0000001, "t": "a\"\\\u0001é\n", "no": null, "tz": "2020-07-01T05:30:00.5+05:30", "nan": "NaN"}"#;
    check_in("Asia/Kolkata", object, &[text], &[]);
    let object = StructArray::from(vec![
        column("bb", Arc::new(Int32Array::from(vec![1]))),
        column("a", Arc::new(Int32Array::from(vec![None]))),
    ]);
    check(object, &[r#"{"a": null, "bb": 1}"#], &["017b2261223a206e756c6c2c20226262223a20317d"]);
}

/// SplitMix64, so that the values don't depend on a crate's version.
fn random(seed: u64) -> u64 {
    let z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Of every magnitude, with nulls between.
fn wide(row: u64, column: u64) -> Option<i64> {
    let bits = random(row * 100 + column);
    let shift = random(bits) % 64;
    (!bits.is_multiple_of(11)).then(|| bits.cast_signed() >> shift)
}

/// Columns of `rows` values of all types that have a way of their own, and some that have none.
fn columns(rows: u64) -> Vec<ArrayRef> {
    let all = |column| (0..rows).map(move |row| wide(row, column));
    let float = |column| all(column).map(|value| value.map(|value| f64::from_bits(value as u64)));
    let share = |column| {
        all(column).map(|value| value.map(|value| (value % 1_000_000_000) as f64 / 1000.0))
    };
    let text = |column| all(column).map(|value| value.map(|value| format!("é{value}")));
    let decimal = |column, scale| -> ArrayRef {
        let values = all(column).map(|value| {
            value.map(|value| match value % 5 {
                0 => i128::from(value) * i128::from(value),
                _ => i128::from(value),
            })
        });
        let values: Decimal128Array = values.collect();
        Arc::new(values.with_precision_and_scale(38, scale).unwrap())
    };
    let stamps = |column| -> TimestampMicrosecondArray {
        // Between the years 1 BC and 10001, half of them on a full second.
        let value = |value: i64| {
            let micros = value.rem_euclid(315_600_000_000_000_000) - 62_170_000_000_000_000;
            if value % 2 == 0 { micros / 1_000_000 * 1_000_000 } else { micros }
        };
        all(column).map(|v| v.map(value)).collect()
    };
    vec![
        Arc::new(all(0).map(|v| v.map(|v| v % 3 == 0)).collect::<BooleanArray>()),
        Arc::new(all(1).map(|v| v.map(|v| v as i16)).collect::<arrow::array::Int16Array>()),
        Arc::new(all(2).map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        Arc::new(all(3).collect::<arrow::array::Int64Array>()),
        Arc::new(all(4).map(|v| v.map(|v| v as u32)).collect::<UInt32Array>()),
        Arc::new(all(5).map(|v| v.map(|v| v as u64)).collect::<UInt64Array>()),
        Arc::new(float(6).collect::<Float64Array>()),
        Arc::new(share(7).collect::<Float64Array>()),
        Arc::new(float(8).map(|v| v.map(|v| v as f32)).collect::<Float32Array>()),
        Arc::new(share(9).map(|v| v.map(|v| v as f32)).collect::<Float32Array>()),
        decimal(10, 0),
        decimal(11, 2),
        decimal(12, 7),
        decimal(13, 16),
        decimal(14, 17),
        decimal(15, 38),
        decimal(16, -3),
        Arc::new(text(17).collect::<StringArray>()),
        Arc::new(text(18).collect::<arrow::array::LargeStringArray>()),
        Arc::new(text(19).collect::<arrow::array::StringViewArray>()),
        Arc::new(text(20).map(|v| v.map(String::into_bytes)).collect::<BinaryArray>()),
        Arc::new(
            all(21)
                .map(|v| v.map(|v| v.rem_euclid(3_700_000) as i32 - 730_000))
                .collect::<Date32Array>(),
        ),
        Arc::new(
            all(22)
                .map(|v| v.map(|v| v.rem_euclid(86_400_000_001)))
                .collect::<Time64MicrosecondArray>(),
        ),
        Arc::new(stamps(23)),
        Arc::new(stamps(24).with_timezone("UTC")),
    ]
}

/// The rows as the writers of single values make them.
fn one_by_one(arrays: &[ArrayRef], rows: Range<usize>, format: Format, zone: &str) -> Vec<u8> {
    let mut context = Context { zone: Zone::new(zone).unwrap(), scratch: Vec::new() };
    let columns: Vec<Column<'_>> =
        arrays.iter().map(|array| Column::bind(array.as_ref()).unwrap()).collect();
    let mut out = BytesMut::new();
    for row in rows {
        out.put_u8(b'D');
        let message = begin(&mut out);
        out.put_i16(arrays.len().try_into().unwrap());
        for column in &columns {
            let Some((values, row)) = column.locate(row) else {
                out.put_i32(-1);
                continue;
            };
            let value = begin(&mut out);
            match format {
                Format::Text => values.text(row, &mut context, &mut out).unwrap(),
                Format::Binary => values.binary(row, &mut context, &mut out).unwrap(),
            }
            finish(&mut out, value, 0).unwrap();
        }
        finish(&mut out, message, 4).unwrap();
    }
    out.to_vec()
}

#[test]
fn blocks_are_as_value_by_value() {
    let arrays = columns(1000);
    let batch = RecordBatch::try_from_iter(
        arrays.iter().enumerate().map(|(at, array)| (format!("c{at}"), array.clone())),
    )
    .unwrap();
    let types: Vec<_> = arrays.iter().map(|array| array.data_type().clone()).collect();
    for zone in ["UTC", "America/New_York", "Asia/Kolkata"] {
        for format in [Format::Text, Format::Binary] {
            for rows in [0..1000, 0..0, 5..6, 63..65, 17..1000] {
                let mut out = BytesMut::new();
                let mut encoder = RowEncoder::new(&types, &[format], zone).unwrap();
                encoder.encode(&batch, rows.clone(), &mut out).unwrap();
                let expected = one_by_one(&arrays, rows.clone(), format, zone);
                assert!(out == expected, "rows {rows:?} as {format:?} in {zone}");
            }
        }
    }
}

#[test]
fn the_earliest_error_of_a_block_counts() {
    let texts = |bad: usize| -> ArrayRef {
        Arc::new(
            (0..100).map(|row| Some(if row == bad { "\0" } else { "x" })).collect::<StringArray>(),
        )
    };
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values(
        (0..100).map(|row| if row == 40 { -2_440_589 } else { row }),
    ));
    let columns = [("a", texts(50)), ("b", days), ("c", texts(45))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let types: Vec<_> = batch.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    for format in [Format::Text, Format::Binary] {
        let mut out = BytesMut::new();
        let mut encoder = RowEncoder::new(&types, &[format], "UTC").unwrap();
        let error = encoder.encode(&batch, 0..100, &mut out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidDatetime);
        let mut whole = BytesMut::new();
        encoder.encode(&batch, 0..40, &mut whole).unwrap();
        assert_eq!(out, whole);
    }
}

/// As a `numeric` without a scale: what ends a number ends it.
#[test]
fn own_decimals_end_with_their_last_digit() {
    let values = vec![Some(60_000_000_000), Some(2_500_000_000), None, Some(-1), Some(0)];
    let array = Decimal128Array::from(values).with_precision_and_scale(38, 9).unwrap();
    let (array, data_type): (ArrayRef, _) = (Arc::new(array), DataType::Decimal128(38, 9));
    let batch = RecordBatch::try_from_iter([("a", array.clone()), ("b", array)]).unwrap();
    let types = [data_type.clone(), data_type];
    let encoder = |format| {
        let encoder = RowEncoder::new(&types, &[format], "UTC").unwrap();
        encoder.trimmed(vec![true, false])
    };
    let mut out = BytesMut::new();
    encoder(Format::Text).encode(&batch, 0..5, &mut out).unwrap();
    let text = String::from_utf8_lossy(&out).into_owned();
    for (trimmed, whole) in [
        ("60", "60.000000000"),
        ("2.5", "2.500000000"),
        ("-0.000000001", "-0.000000001"),
        ("0", "0.000000000"),
    ] {
        let length = |text: &str| format!("\0\0\0{}{text}", char::from(text.len() as u8));
        let row = format!("{}{}", length(trimmed), length(whole));
        assert!(text.contains(&row), "{trimmed}: {text:?}");
    }
    // The scale is the third number of the header: one digit, then nine.
    let mut out = BytesMut::new();
    encoder(Format::Binary).encode(&batch, 1..2, &mut out).unwrap();
    let (head, scale) = (7 + 4, 6);
    assert_eq!(out[head + scale..head + scale + 2], [0, 1]);
    let second = head + usize::from(out[head - 1]) + 4;
    assert_eq!(out[second + scale..second + scale + 2], [0, 9]);
}
