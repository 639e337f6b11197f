//! Tests of the module beside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use arrow::datatypes::IntervalMonthDayNano;

use super::*;

const ZONE: &str = "America/New_York";

fn text(data_type: &DataType, text: &str) -> Result<ScalarValue, Error> {
    decode_param(Some(text.as_bytes()), Format::Text, data_type, ZONE)
}

fn received(data_type: &DataType, bytes: &[u8]) -> Result<ScalarValue, Error> {
    decode_param(Some(bytes), Format::Binary, data_type, ZONE)
}

#[track_caller]
fn fails(result: Result<ScalarValue, Error>, state: &str, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.kind().sqlstate(), error.message()), (state, message));
}

#[test]
fn nulls_keep_their_type() {
    for of in [DataType::Int32, DataType::Utf8View, DataType::Decimal128(10, 2)] {
        let value = decode_param(None, Format::Binary, &of, ZONE).unwrap();
        assert!(value.is_null());
        assert_eq!(value.data_type(), of);
    }
}

#[test]
fn declared_types() {
    assert_eq!(data_type_of_oid(0), None);
    assert_eq!(data_type_of_oid(705), None);
    assert_eq!(data_type_of_oid(23), Some(DataType::Int32));
    assert_eq!(data_type_of_oid(2950), Some(DataType::Utf8));
    // What is declared is announced as the same type again, apart from kinds of text.
    for known in pg_type::ALL {
        let Some(data_type) = data_type_of_oid(known.oid) else { continue };
        let announced = pg_type::of(&data_type).oid;
        assert!(announced == known.oid || matches!(announced, 25 | 1009), "{}", known.name);
    }
}

#[test]
fn integers() {
    assert_eq!(text(&DataType::Int32, " -5\n").unwrap(), ScalarValue::Int32(Some(-5)));
    fails(text(&DataType::Int32, "abc"), "22P02", "invalid input syntax for type integer: \"abc\"");
    fails(
        text(&DataType::Int16, "40000"),
        "22003",
        "value \"40000\" is out of range for type smallint",
    );
    assert_eq!(received(&DataType::Int8, &[0, 5]).unwrap(), ScalarValue::Int8(Some(5)));
    assert_eq!(received(&DataType::Int8, &[1, 0]).unwrap_err().kind().sqlstate(), "22003");
    fails(
        received(&DataType::Int64, &[0; 4]),
        "22P03",
        "incorrect binary data format in bind parameter",
    );
    let oid = received(&DataType::UInt32, &[255; 4]).unwrap();
    assert_eq!(oid, ScalarValue::UInt32(Some(u32::MAX)));
}

#[test]
fn floats() {
    let infinity = ScalarValue::Float64(Some(f64::INFINITY));
    assert_eq!(text(&DataType::Float64, "Infinity").unwrap(), infinity);
    for value in ["1e400", "1e-400"] {
        let message = format!("\"{value}\" is out of range for type double precision");
        fails(text(&DataType::Float64, value), "22003", &message);
    }
}

#[test]
fn numerics_are_exact() {
    let of = DataType::Decimal128(10, 2);
    let same = |value| ScalarValue::Decimal128(Some(value), 10, 2);
    assert_eq!(text(&of, "1.5").unwrap(), same(150));
    assert_eq!(text(&of, "-1.500e1").unwrap(), same(-1500));
    assert_eq!(text(&of, "1.005").unwrap(), ScalarValue::Decimal128(Some(1005), 4, 3));
    assert_eq!(
        text(&of, "123456789.5").unwrap(),
        ScalarValue::Decimal128(Some(1_234_567_895), 10, 1)
    );
    let wide = text(&of, &"9".repeat(40)).unwrap();
    assert_eq!(wide.data_type(), DataType::Decimal256(40, 0));
    assert_eq!(text(&DataType::UInt64, "7.0").unwrap(), ScalarValue::UInt64(Some(7)));
    assert_eq!(text(&DataType::UInt64, "-7").unwrap(), ScalarValue::Decimal128(Some(-7), 1, 0));
    for value in ["NaN", "Infinity", "1e500", "1e-500", "1e99999999999"] {
        assert_eq!(text(&of, value).unwrap_err().kind().sqlstate(), "22003", "{value}");
    }
    fails(text(&of, "1,5"), "22P02", "invalid input syntax for type numeric: \"1,5\"");
    // 12345.678 and -1.50, as `numeric_send` writes them
    let value = received(&of, b"\0\x03\0\x01\0\0\0\x03\0\x01\x09\x29\x1a\x7c").unwrap();
    assert_eq!(value, ScalarValue::Decimal128(Some(12_345_678), 8, 3));
    assert_eq!(received(&of, b"\0\x02\0\0\x40\0\0\x02\0\x01\x13\x88").unwrap(), same(-150));
    assert_eq!(received(&of, b"\0\0\0\0\xc0\0\0\0").unwrap_err().kind().sqlstate(), "22003");
    assert_eq!(
        received(&of, b"\0\x01\0\0\0\0\0\0\x27\x10").unwrap_err().kind().sqlstate(),
        "22P03"
    );
}

#[test]
fn texts_and_kinds_of_text() {
    let decode = |oid, bytes: &[u8], format| {
        decode_param_as(oid, Some(bytes), format, &DataType::Utf8, ZONE)
    };
    let utf8 = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let bytes = b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11";
    assert_eq!(decode(2950, bytes, Format::Binary).unwrap(), utf8(id));
    assert_eq!(decode(2950, id.to_uppercase().as_bytes(), Format::Text).unwrap(), utf8(id));
    fails(decode(2950, b"x", Format::Text), "22P02", "invalid input syntax for type uuid: \"x\"");
    assert_eq!(decode(3802, b"\x01{}", Format::Binary).unwrap(), utf8("{}"));
    fails(decode(114, b"{a}", Format::Text), "22P02", "invalid input syntax for type json");
    assert_eq!(decode(25, b"a\0", Format::Text).unwrap_err().kind(), ErrorKind::InvalidEncoding);
    assert_eq!(decode(25, b"\xff", Format::Binary).unwrap_err().kind(), ErrorKind::InvalidEncoding);
}

#[test]
fn byte_strings() {
    let bytes = |bytes: &[u8]| ScalarValue::Binary(Some(bytes.to_vec()));
    assert_eq!(text(&DataType::Binary, "\\x00 ff").unwrap(), bytes(&[0, 255]));
    assert_eq!(text(&DataType::Binary, "a\\\\\\377").unwrap(), bytes(b"a\\\xff"));
    fails(text(&DataType::Binary, "\\xzz"), "22023", "invalid hexadecimal digit: \"z\"");
    fails(text(&DataType::Binary, "\\4"), "22P02", "invalid input syntax for type bytea");
}

#[test]
fn dates_and_timestamps() {
    let day = |days| ScalarValue::Date32(Some(days));
    assert_eq!(text(&DataType::Date32, "2020-02-29").unwrap(), day(18_321));
    assert_eq!(text(&DataType::Date32, "2020-02-29 +05").unwrap(), day(18_321));
    assert!(text(&DataType::Date32, "2020-02-29 five").is_err());
    assert_eq!(text(&DataType::Date32, "0044-03-15 BC").unwrap(), day(-735_160));
    assert_eq!(received(&DataType::Date32, &[0; 4]).unwrap(), day(10_957));
    assert!(received(&DataType::Date32, &i32::MAX.to_be_bytes()).is_err());
    fails(
        text(&DataType::Date32, "2019-02-29"),
        "22007",
        "date/time field value out of range: \"2019-02-29\"",
    );
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let at = |seconds: i64| {
        ScalarValue::TimestampMicrosecond(Some(seconds * 1_000_000), Some("UTC".into()))
    };
    assert_eq!(text(&zoned, "2020-07-01 00:00:00").unwrap(), at(1_593_576_000));
    assert_eq!(text(&zoned, "2020-07-01T00:00:00Z").unwrap(), at(1_593_561_600));
    assert_eq!(text(&zoned, "2020-07-01 00:00 America/Los_Angeles").unwrap(), at(1_593_586_800));
    // Skipped: as before the change. Twice: as after it.
    assert_eq!(text(&zoned, "2024-03-10 02:30:00").unwrap(), at(1_710_055_800));
    assert_eq!(text(&zoned, "2024-11-03 01:30:00").unwrap(), at(1_730_615_400));
    // A timestamp that is finer than its type isn't rounded.
    let coarse = DataType::Timestamp(TimeUnit::Second, None);
    let value = text(&coarse, "1970-01-01 00:00:01.5").unwrap();
    assert_eq!(value, ScalarValue::TimestampMicrosecond(Some(1_500_000), None));
    let value = text(&coarse, "1970-01-01 00:00:01").unwrap();
    assert_eq!(value, ScalarValue::TimestampSecond(Some(1), None));
}

#[test]
fn intervals() {
    let of = DataType::Interval(IntervalUnit::MonthDayNano);
    for spelling in [
        "1 year 2 mons 3 days 04:05:06.000001",
        "P1Y2M3DT4H5M6.000001S",
        "@ -14 months -3 days -04:05:06.000001 ago",
        "1-2 3 4:05:06.000001",
    ] {
        let value = IntervalMonthDayNano::new(14, 3, 14_706_000_001_000);
        let value = ScalarValue::IntervalMonthDayNano(Some(value));
        assert_eq!(text(&of, spelling).unwrap(), value, "{spelling}");
    }
    fails(text(&of, "1 foo"), "22007", "invalid input syntax for type interval: \"1 foo\"");
    let hours = text(&DataType::Duration(TimeUnit::Second), "1 day 1 hour").unwrap();
    assert_eq!(hours, ScalarValue::DurationSecond(Some(90_000)));
}

#[test]
fn arrays() {
    let list = |element| DataType::List(Arc::new(Field::new_list_field(element, true)));
    let of = list(DataType::Int32);
    let expected = [Some(1), None].map(ScalarValue::Int32);
    let expected = ScalarValue::List(ScalarValue::new_list(&expected, &DataType::Int32, true));
    assert_eq!(text(&of, " {1, NULL} ").unwrap(), expected);
    let head = b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01";
    let body = b"\0\0\0\x04\0\0\0\x01\xff\xff\xff\xff";
    assert_eq!(received(&of, &[&head[..], body].concat()).unwrap(), expected);
    fails(text(&of, "{1"), "22P02", "malformed array literal: \"{1\"");
    fails(text(&of, "{a}"), "22P02", "invalid input syntax for type integer: \"a\"");
    let endless = b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01";
    assert_eq!(received(&of, endless).unwrap_err().kind().sqlstate(), "22P03");

    let of = list(DataType::Utf8);
    let expected = [Some("a,\""), Some("null"), None].map(ScalarValue::from);
    let expected = ScalarValue::List(ScalarValue::new_list(&expected, &DataType::Utf8, true));
    assert_eq!(text(&of, "{\"a,\\\"\",\"null\",null}").unwrap(), expected);

    // Elements share a type that holds each of them.
    let value = text(&list(DataType::Decimal128(4, 1)), "{1.5,NULL,2.25}").unwrap();
    assert_eq!(value.data_type(), list(DataType::Decimal128(5, 2)));
    let value = text(&list(list(DataType::Int32)), "{{1},{2}}").unwrap();
    assert_eq!(value.data_type(), list(list(DataType::Int32)));
}

#[test]
fn no_bytes_panic() {
    // A fixed sequence over bytes that the decoders look for.
    let alphabet = b"{}\"\\,-+:. 0123456789eEpPtTymdhsNULLxz[]=@\xc3\xa9\0\x01\xff";
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut types: Vec<_> =
        (0..4000).filter_map(|oid| Some((oid, data_type_of_oid(oid)?))).collect();
    let field = |of| Arc::new(Field::new_list_field(of, true));
    let others = [
        DataType::UInt64,
        DataType::Float16,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, -3),
        DataType::Decimal256(76, 40),
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Duration(TimeUnit::Nanosecond),
        DataType::Duration(TimeUnit::Second),
        DataType::FixedSizeBinary(2),
        DataType::FixedSizeList(field(DataType::UInt64), 1),
        DataType::FixedSizeList(field(DataType::Int32), 0),
        DataType::LargeList(field(DataType::Timestamp(TimeUnit::Second, None))),
        DataType::List(field(DataType::List(field(DataType::Decimal32(3, 1))))),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
    ];
    types.extend(others.map(|of| (pg_type::of(&of).oid, of)));
    for _ in 0..100_000 {
        let (oid, of) = &types[next(types.len())];
        let length = if next(4) == 0 { [4, 8, 16][next(3)] } else { next(30) };
        let random = next(2) == 0;
        let mut byte = || if random { next(256) as u8 } else { alphabet[next(alphabet.len())] };
        let bytes: Vec<u8> = (0..length).map(|_| byte()).collect();
        for format in [Format::Text, Format::Binary] {
            let _ = decode_param_as(*oid, Some(&bytes), format, of, ZONE);
        }
    }
}
