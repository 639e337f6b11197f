//! Cases for comparing our encoding of Arrow values with PostgreSQL's own, byte for byte.
//!
//! A runner connects to a real server, does `SET TimeZone` to [`TIME_ZONE`], runs each case's query
//! once with text and once with binary results, and expects row by row what [`encode_one`] gives.

mod nested;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal32Array,
    Decimal64Array, Decimal128Array, Decimal256Array, DurationMicrosecondArray,
    DurationMillisecondArray, DurationNanosecondArray, DurationSecondArray, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    IntervalDayTimeArray, IntervalMonthDayNanoArray, IntervalYearMonthArray, LargeBinaryArray,
    LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray, Time32MillisecondArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, IntervalDayTime, IntervalMonthDayNano, TimeUnit, i256};
use bytes::BytesMut;
use tollgate_proxy::pg::encode::{Format, RowEncoder};

/// An array of the values and a null after them.
macro_rules! nullable {
    ($array:ty, $values:expr) => {
        Arc::new($values.into_iter().map(Some).chain([None]).collect::<$array>()) as ArrayRef
    };
}
use nullable;

/// The session's time zone: with summer time, and with seconds in its oldest offset.
pub const TIME_ZONE: &str = "America/New_York";

/// Random values of each type.
const RANDOM: usize = 300;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 10_957;
/// The first day of PostgreSQL's dates and timestamps, since 1970.
const FIRST_DAY: i64 = EPOCH - 2_451_545;
const DAY: i64 = 86_400_000_000;

type Case = (&'static str, ArrayRef);

/// A query of one column, and the array that must encode to the same rows.
///
/// The queries are leaked: the test process is short-lived and they are built once.
pub fn cases() -> Vec<Case> {
    let mut random = Random(42);
    let mut cases = Vec::new();
    numbers(&mut random, &mut cases);
    decimals(&mut random, &mut cases);
    strings(&mut random, &mut cases);
    dates(&mut random, &mut cases);
    intervals(&mut random, &mut cases);
    nested::lists(&mut random, &mut cases);
    nested::objects(&mut random, &mut cases);
    cases
}

/// The encoded value of a row, `None` for null. An error is its message in brackets.
pub fn encode_one(array: &ArrayRef, row: usize, format: Format) -> Option<Vec<u8>> {
    let encode = || {
        let types = [array.data_type().clone()];
        let batch = RecordBatch::try_from_iter([("value", array.clone())]).ok()?;
        let mut out = BytesMut::new();
        let mut encoder = RowEncoder::new(&types, &[format], TIME_ZONE).ok()?;
        match encoder.encode(&batch, row..row + 1, &mut out) {
            Ok(()) => Some(out),
            Err(error) => Some(BytesMut::from(format!("{:11}[{error}]", "").as_bytes())),
        }
    };
    let Some(message) = encode() else { return Some(b"[no encoder]".to_vec()) };
    // 'D', length, column count, value length, value
    let length = message.get(7..11)?;
    if length == (-1_i32).to_be_bytes() { None } else { message.get(11..).map(<[u8]>::to_vec) }
}

/// SplitMix64, so that the values don't depend on a crate's version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Of any magnitude rather than mostly large.
    fn wide(&mut self) -> i64 {
        let shift = self.next() % 64;
        self.next().cast_signed() >> shift
    }

    fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = u64::try_from(last - first).map_or(1, |span| span + 1);
        first + i64::try_from(self.next() % span).unwrap_or(0)
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.next()).unwrap_or(0) % choices.len().max(1);
        choices.get(index).copied().unwrap_or("")
    }
}

/// A query with a row for each expression, and NULL as the last row.
fn query(pg_type: &str, expressions: impl IntoIterator<Item = String>) -> &'static str {
    let rows = expressions.into_iter().map(|e| format!("(({e})::{pg_type})"));
    let rows: Vec<String> = rows.chain([format!("(NULL::{pg_type})")]).collect();
    Box::leak(format!("VALUES {}", rows.join(", ")).into_boxed_str())
}

fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

macro_rules! integers {
    ($random:expr, $cases:expr, $($array:ty, $native:ty, $pg:literal;)*) => {$({
        let mut values = vec![0 as $native, 1, 9, 10, 99, 100, <$native>::MAX, <$native>::MIN];
        values.extend((0..RANDOM).map(|_| $random.wide() as $native));
        let sql = query($pg, values.iter().map(|v| format!("'{v}'")));
        $cases.push((sql, nullable!($array, values)));
    })*};
}

fn numbers(random: &mut Random, cases: &mut Vec<Case>) {
    let values = [true, false];
    cases.push((query("bool", values.map(|v| v.to_string())), nullable!(BooleanArray, values)));
    integers!(random, cases,
        Int8Array, i8, "int2"; Int16Array, i16, "int2"; Int32Array, i32, "int4";
        Int64Array, i64, "int8"; UInt8Array, u8, "int2"; UInt16Array, u16, "int4";
        UInt32Array, u32, "oid"; UInt64Array, u64, "numeric";);

    let mut values = vec![
        0.0,
        -0.0,
        1.0,
        0.1,
        -2.5,
        1e14,
        1e15,
        1e16,
        123_456_789_012_345.6,
        1e-4,
        1e-5,
        1.5e-5,
        1e22,
        1e23,
        2e23,
        1e100,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    values.extend((0..4 * RANDOM).map(|_| f64::from_bits(random.next())));
    values.extend((0..RANDOM).map(|_| random.wide() as f64 / 1000.0));
    // Half-way cases: powers of ten and of two, and what surrounds them.
    values.extend((-323..=308).filter_map(|e| format!("1e{e}").parse::<f64>().ok()));
    values.extend((-1074..=1023).map(|e| 2_f64.powi(e)));
    values.extend((20..24).flat_map(|e| (1..200).map(move |n| f64::from(n) * 10_f64.powi(e))));
    let sql = query("float8", values.iter().map(|v| format!("'{v:e}'").replace("inf", "Infinity")));
    cases.push((sql, nullable!(Float64Array, values)));

    let mut values = vec![
        0.0,
        -0.0,
        1.0,
        0.1,
        100_000.0,
        999_999.0,
        1e6,
        1e7,
        1e-4,
        1e-5,
        16_777_216.0,
        33_554_430.0,
        3.4e38,
        1e-45,
        f32::MAX,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    values.extend((0..4 * RANDOM).map(|_| f32::from_bits(random.next() as u32)));
    values.extend((-45..=38).filter_map(|e| format!("1e{e}").parse::<f32>().ok()));
    values.extend((-149..=127).map(|e| 2_f32.powi(e)));
    values.extend((7..14).flat_map(|e| (1..200).map(move |n| n as f32 * 10_f32.powi(e))));
    let sql = query("float4", values.iter().map(|v| format!("'{v:e}'").replace("inf", "Infinity")));
    cases.push((sql, nullable!(Float32Array, values)));

    let values = [0.5, -1.25, 65_504.0, 0.125];
    let array = nullable!(Float32Array, values);
    if let Ok(halves) = cast(&array, &DataType::Float16) {
        cases.push((query("float4", values.map(|v: f32| format!("'{v:e}'"))), halves));
    }
    let nothing = Arc::new(NullArray::new(2)) as ArrayRef;
    cases.push(("VALUES (NULL::text), (NULL::text)", nothing));
}

/// A number divided by ten to the `scale`, written out.
fn decimal(value: &str, scale: i8) -> String {
    let (sign, digits) = value.strip_prefix('-').map_or(("", value), |digits| ("-", digits));
    match usize::try_from(scale) {
        Err(_) => format!("'{value}{}'", "0".repeat(scale.unsigned_abs().into())),
        Ok(0) => format!("'{value}'"),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("'{sign}{whole}.{fraction}'")
        }
    }
}

fn decimals(random: &mut Random, cases: &mut Vec<Case>) {
    for scale in [0_i8, 1, 2, 3, 4, 5, 8, 9] {
        let mut values = vec![0, 1, -1, 10, 999_999_999, -999_999_999, 10_000, 100_000_000];
        values.extend((0..50).map(|_| random.between(-999_999_999, 999_999_999) as i32));
        let sql = query("numeric", values.iter().map(|v| decimal(&v.to_string(), scale)));
        let array = values.into_iter().map(Some).chain([None]).collect::<Decimal32Array>();
        push_ok(cases, sql, array.with_precision_and_scale(9, scale));
    }
    for scale in [0_i8, 7, 18] {
        let values: Vec<i64> = (0..50).map(|_| random.wide() / 10).collect();
        let sql = query("numeric", values.iter().map(|v| decimal(&v.to_string(), scale)));
        let array = values.into_iter().map(Some).chain([None]).collect::<Decimal64Array>();
        push_ok(cases, sql, array.with_precision_and_scale(18, scale));
    }
    for scale in [-10_i8, -4, -3, -1, 0, 1, 2, 6, 18, 28, 30, 37, 38] {
        let largest = 10_i128.pow(38) - 1;
        let mut values = vec![0, 1, -1, 9999, 10_000, 10_i128.pow(37), largest, -largest];
        for _ in 0..50 {
            let wide = i128::from(random.wide()) * i128::from(random.wide());
            values.push(wide % largest);
        }
        let sql = query("numeric", values.iter().map(|v| decimal(&v.to_string(), scale)));
        let array = values.into_iter().map(Some).chain([None]).collect::<Decimal128Array>();
        push_ok(cases, sql, array.with_precision_and_scale(38, scale));
    }
    for scale in [-20_i8, 0, 10, 39, 75, 76] {
        let texts = ["0", "1", "-1", "10000", &"9".repeat(76), &format!("-{}", "9".repeat(76))];
        let mut texts: Vec<String> = texts.map(str::to_owned).into();
        for _ in 0..50 {
            let digits: String = (0..4).map(|_| random.wide().unsigned_abs().to_string()).collect();
            texts.push(digits.trim_start_matches('0').chars().take(76).collect());
        }
        texts.retain(|text| !text.is_empty());
        let sql = query("numeric", texts.iter().map(|text| decimal(text, scale)));
        let values = texts.iter().map(|text| i256::from_string(text)).chain([None]);
        push_ok(
            cases,
            sql,
            values.collect::<Decimal256Array>().with_precision_and_scale(76, scale),
        );
    }
}

fn push_ok<T: arrow::array::Array + 'static, E>(
    cases: &mut Vec<Case>,
    sql: &'static str,
    array: Result<T, E>,
) {
    if let Ok(array) = array {
        cases.push((sql, Arc::new(array)));
    }
}

fn texts(random: &mut Random) -> Vec<String> {
    let parts = [
        "a", "NULL", "null", " ", "\"", "\\", "{", "}", ",", "\n", "\t", "\u{b}", "\u{c}", "\r",
        "\u{1}", "\u{1f}", "\u{7f}", "é", "€", "𝄞", "'", "/", "\u{8}",
    ];
    let mut texts: Vec<String> = parts.map(str::to_owned).into();
    texts.push(String::new());
    for _ in 0..RANDOM {
        let count = random.next() % 30;
        texts.push((0..count).map(|_| random.one_of(&parts)).collect());
    }
    texts
}

fn strings(random: &mut Random, cases: &mut Vec<Case>) {
    let values = texts(random);
    let sql = query("text", values.iter().map(|text| quoted(text)));
    cases.push((sql, nullable!(StringArray, &values)));
    cases.push((sql, nullable!(LargeStringArray, &values)));
    cases.push((sql, nullable!(StringViewArray, &values)));
    let runs = cast(
        &nullable!(StringArray, &values),
        &DataType::Dictionary(DataType::Int16.into(), DataType::Utf8.into()),
    );
    if let Ok(dictionary) = runs {
        cases.push((sql, dictionary));
    }
    let ends = Field::new("run_ends", DataType::Int32, false);
    let ends =
        DataType::RunEndEncoded(ends.into(), Field::new("values", DataType::Utf8, true).into());
    if let Ok(runs) = cast(&nullable!(StringArray, &values), &ends) {
        // A slice, so that the runs have an offset.
        let rest = query("text", values.iter().skip(2).map(|text| quoted(text)));
        cases.push((rest, runs.slice(2, runs.len() - 2)));
    }

    let mut values: Vec<Vec<u8>> = vec![vec![], vec![0], vec![255, 0, 92, 39], (0..=255).collect()];
    values.extend((0..50).map(|_| random.next().to_le_bytes().into()));
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sql = query("bytea", values.iter().map(|value| format!("'\\x{}'", hex(value))));
    cases.push((sql, nullable!(BinaryArray, &values)));
    cases.push((sql, nullable!(LargeBinaryArray, &values)));
    cases.push((sql, nullable!(BinaryViewArray, &values)));
    let values: Vec<Vec<u8>> = (0..50).map(|_| random.next().to_le_bytes().into()).collect();
    let sql = query("bytea", values.iter().map(|value| format!("'\\x{}'", hex(value))));
    let all = values.iter().map(Some).chain([None]);
    push_ok(cases, sql, FixedSizeBinaryArray::try_from_sparse_iter_with_size(all, 8));
}

/// A timestamp by days and time of day, so that PostgreSQL computes it exactly.
fn timestamp(micros: i64) -> String {
    let days = micros.div_euclid(DAY) - EPOCH;
    let time = micros.rem_euclid(DAY);
    format!("timestamp '2000-01-01' + interval '{days} day' + interval '{time} microsecond'")
}

fn dates(random: &mut Random, cases: &mut Vec<Case>) {
    let mut days = vec![
        0,
        -1,
        1,
        EPOCH,
        11_016,
        -719_162,
        -719_163,
        -719_528,
        2_932_896,
        2_932_897,
        FIRST_DAY,
        FIRST_DAY + 1,
        2_145_042_905,
    ];
    days.extend((0..RANDOM).map(|_| random.between(FIRST_DAY, 5_000_000)));
    days.extend((0..RANDOM).map(|_| random.between(FIRST_DAY, 2_145_000_000)));
    let date = |days: &i64| format!("date '2000-01-01' + {}::int", days - EPOCH);
    let sql = query("date", days.iter().map(date));
    cases.push((sql, nullable!(Date32Array, days.iter().map(|d| *d as i32))));
    cases.push((sql, nullable!(Date64Array, days.iter().map(|d| d * 86_400_000 + 86_399_999))));

    let mut times = vec![0, 1, 10, 500_000, 1_000_000, 60_000_000, DAY - 1];
    times.extend((0..RANDOM).map(|_| random.between(0, DAY - 1)));
    let time = |micros: i64| format!("time '00:00' + interval '{micros} microsecond'");
    let all = |unit: i64| times.iter().map(move |t| t / unit).collect::<Vec<i64>>();
    let of = |unit: i64| query("time", all(unit).into_iter().map(|t| time(t * unit)));
    let narrow = |unit| all(unit).into_iter().map(|t| t as i32);
    cases.push((of(1_000_000), nullable!(Time32SecondArray, narrow(1_000_000))));
    cases.push((of(1000), nullable!(Time32MillisecondArray, narrow(1000))));
    cases.push((of(1), nullable!(Time64MicrosecondArray, all(1))));
    cases.push((of(1), nullable!(Time64NanosecondArray, times.iter().map(|t| t * 1000 + 999))));
    let midnight = query("time", ["'24:00:00'".to_owned()]);
    cases.push((midnight, nullable!(Time64MicrosecondArray, [DAY])));

    // Changes of the zone's offset, the calendar's ends, and years after the compiled rules.
    let mut stamps = vec![
        0,
        -1,
        1,
        FIRST_DAY * DAY,
        i64::MAX,
        -2_717_650_800_000_000,
        -2_717_650_800_000_001,
        1_710_054_000_000_000,
        1_710_053_999_999_999,
        1_730_613_600_000_000,
        1_730_613_599_000_000,
        4_102_444_800_000_000,
    ];
    stamps.extend((0..RANDOM).map(|_| random.wide().max(FIRST_DAY * DAY)));
    stamps
        .extend((0..RANDOM).map(|_| random.between(-5_000_000_000_000_000, 9_000_000_000_000_000)));
    let units =
        [(TimeUnit::Second, 1_000_000), (TimeUnit::Millisecond, 1000), (TimeUnit::Microsecond, 1)];
    for (unit, size) in units {
        let values: Vec<i64> =
            stamps.iter().map(|s| s.div_euclid(size).max((FIRST_DAY * DAY) / size)).collect();
        push_timestamps(cases, &values, unit, |value| value * size);
    }
    let mut values: Vec<i64> = vec![0, -1, 1, 999, 1000, -999, -1000, i64::MAX, i64::MIN];
    values.extend((0..RANDOM).map(|_| random.wide()));
    push_timestamps(cases, &values, TimeUnit::Nanosecond, |value| value.div_euclid(1000));
}

fn push_timestamps(
    cases: &mut Vec<Case>,
    values: &[i64],
    unit: TimeUnit,
    micros: impl Fn(i64) -> i64,
) {
    let plain = query("timestamp", values.iter().map(|value| timestamp(micros(*value))));
    let zoned = values.iter().map(|v| format!("({}) at time zone 'UTC'", timestamp(micros(*v))));
    let zoned = query("timestamptz", zoned);
    let values = values.iter().copied();
    let array = match unit {
        TimeUnit::Second => nullable!(TimestampSecondArray, values),
        TimeUnit::Millisecond => nullable!(TimestampMillisecondArray, values),
        TimeUnit::Microsecond => nullable!(TimestampMicrosecondArray, values),
        TimeUnit::Nanosecond => nullable!(TimestampNanosecondArray, values),
    };
    // The zone of the Arrow type doesn't matter.
    for zone in ["UTC", "+09:00"] {
        let data = array.to_data().into_builder();
        let data = data.data_type(DataType::Timestamp(unit, Some(zone.into()))).build();
        if let Ok(data) = data {
            cases.push((zoned, arrow::array::make_array(data)));
        }
    }
    cases.push((plain, array));
}

fn intervals(random: &mut Random, cases: &mut Vec<Case>) {
    let interval = |months: i32, days: i32, micros: i64| {
        format!(
            "interval '{months} months' + interval '{days} days' + interval '{micros} microseconds'"
        )
    };
    let mut months = vec![0, 1, -1, 11, 12, 13, -12, -13, 25, i32::MAX, -i32::MAX];
    months.extend((0..50).map(|_| random.wide() as i32));
    let sql = query("interval", months.iter().map(|m| interval(*m, 0, 0)));
    cases.push((sql, nullable!(IntervalYearMonthArray, months)));

    let mut days = vec![(0, 0), (1, 0), (-1, 1), (-1, -1), (1, -1), (0, 3_600_000), (0, i32::MIN)];
    days.extend((0..50).map(|_| (random.wide() as i32, random.wide() as i32)));
    let sql = query("interval", days.iter().map(|(d, ms)| interval(0, *d, i64::from(*ms) * 1000)));
    let values =
        days.into_iter().map(|(days, milliseconds)| IntervalDayTime { days, milliseconds });
    cases.push((sql, nullable!(IntervalDayTimeArray, values)));

    let mut parts = vec![
        (0, 0, 0),
        (14, 3, 14_706_000_001_000),
        (-14, -3, -14_706_000_001_000),
        (-1, 1, 1000),
        (1, -1, 0),
        (-13, 1, -1000),
        (0, -1, 1000),
        (0, 0, 999),
        (0, 0, -999),
        (13, 0, 0),
        (-11, 0, 1_500_000_000),
        (0, 0, i64::MAX),
        (0, 0, i64::MIN),
    ];
    parts.extend((0..RANDOM).map(|_| (random.wide() as i32, random.wide() as i32, random.wide())));
    let sql = query("interval", parts.iter().map(|(m, d, ns)| interval(*m, *d, ns / 1000)));
    let values = parts.into_iter().map(|(m, d, ns)| IntervalMonthDayNano::new(m, d, ns));
    cases.push((sql, nullable!(IntervalMonthDayNanoArray, values)));

    let spans: Vec<i64> = (0..50).map(|_| random.wide() / 2_000_000).collect();
    let sql = |unit: i64| query("interval", spans.iter().map(|s| interval(0, 0, s * unit)));
    cases.push((sql(1_000_000), nullable!(DurationSecondArray, spans.iter().copied())));
    cases.push((sql(1000), nullable!(DurationMillisecondArray, spans.iter().copied())));
    cases.push((sql(1), nullable!(DurationMicrosecondArray, spans.iter().copied())));
    cases.push((sql(1), nullable!(DurationNanosecondArray, spans.iter().map(|s| s * 1000))));
}
