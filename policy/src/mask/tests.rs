//! What masks show.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, LargeStringArray,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion_common::ScalarValue;
use tollgate_catalog::TableName;

use super::{MaskSecret, Unit, kernels};

fn show(values: &ArrayRef) -> Vec<String> {
    (0..values.len()).map(|row| array_value_to_string(values, row).unwrap()).collect()
}

fn masked(mask: impl Fn(&mut String)) -> String {
    let mut out = String::new();
    mask(&mut out);
    out
}

#[test]
fn texts() {
    for (value, prefix, suffix, expected) in [
        ("secret", 1, 0, "s***"),
        ("secret", 1, 2, "s***et"),
        ("été", 1, 1, "é***é"),
        ("ab", 1, 1, "***"),
        ("", 0, 0, "***"),
        ("abc", usize::MAX, 1, "***"),
        ("abc", 1, usize::MAX, "***"),
        ("abc", 0, 0, "***"),
        ("ünïcödé", 2, 3, "ün***ödé"),
    ] {
        assert_eq!(masked(|out| kernels::partial(value, prefix, suffix, out)), expected);
    }
    for (value, expected) in [
        ("ana@acme.com", "a***@acme.com"),
        ("@acme.com", "***@acme.com"),
        ("a@b@c", "a***@c"),
        ("no address", "***"),
        ("", "***"),
    ] {
        assert_eq!(masked(|out| kernels::email(value, out)), expected);
    }
    let values: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("ana"), None, Some("bob")]));
    let item = Box::new(DataType::Int8);
    let dictionary = DataType::Dictionary(item, Box::new(DataType::Utf8));
    for data_type in [DataType::LargeUtf8, DataType::Utf8, DataType::Utf8View, dictionary] {
        let values = cast(&values, &data_type).unwrap();
        let masked =
            kernels::map_text(&values, |text, out| kernels::partial(text, 1, 0, out)).unwrap();
        assert_eq!(masked.data_type(), &data_type);
        assert_eq!(show(&masked), ["a***", "", "b***"]);
    }
}

#[test]
fn hashes_are_keyed_by_column_and_policy() {
    let secret = MaskSecret::new([1; 32]);
    let table = TableName::new("crm", "customers");
    let key = secret.key(&table, "email", "m");
    let hash = |key: &super::HashKey| masked(|out| kernels::hash("ana@acme.com", &key.hmac(), out));
    assert_eq!(hash(&key).len(), 32);
    assert_eq!(hash(&key), hash(&secret.key(&table, "email", "m")));
    for other in [
        secret.key(&table, "email", "n"),
        secret.key(&table, "phone", "m"),
        secret.key(&TableName::new("crm", "customer"), "semail", "m"),
        MaskSecret::new([2; 32]).key(&table, "email", "m"),
    ] {
        assert_ne!(hash(&key), hash(&other));
    }
    assert_eq!(format!("{key:?} {secret:?}"), "HashKey(..) MaskSecret(..)");
}

#[test]
fn steps() {
    let values: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(14), Some(15), Some(-14), Some(i64::MAX), None]));
    let ten = ScalarValue::Int64(Some(10));
    assert_eq!(show(&kernels::step(&values, &ten, true).unwrap()), ["10", "20", "-10", "", ""]);
    let low: ArrayRef = Arc::new(Int64Array::from(vec![14, -14, i64::MIN]));
    assert_eq!(show(&kernels::step(&low, &ten, false).unwrap()), ["10", "-20", ""]);
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.26, -0.3, f64::INFINITY]));
    let half = ScalarValue::Float64(Some(0.5));
    assert_eq!(show(&kernels::step(&floats, &half, false).unwrap()), ["1.0", "-0.5", "inf"]);
    let decimals: ArrayRef =
        Arc::new(Decimal128Array::from(vec![12345, 99999]).with_precision_and_scale(5, 2).unwrap());
    let one = ScalarValue::Decimal128(Some(100), 5, 2);
    assert_eq!(show(&kernels::step(&decimals, &one, true).unwrap()), ["123.00", ""]);
    assert!(
        kernels::step(&(Arc::new(StringArray::from(vec!["a"])) as ArrayRef), &ten, true).is_err()
    );
}

#[test]
fn dates() {
    // 2024-02-29, 1969-12-31, 2000-03-01, -0001-05-05 by way of the first day of the type.
    let values: ArrayRef =
        Arc::new(Date32Array::from(vec![Some(19_782), Some(-1), Some(11_017), None]));
    for (unit, expected) in [
        ("year", ["2024-01-01", "1969-01-01", "2000-01-01", ""]),
        ("quarter", ["2024-01-01", "1969-10-01", "2000-01-01", ""]),
        ("month", ["2024-02-01", "1969-12-01", "2000-03-01", ""]),
        ("week", ["2024-02-26", "1969-12-29", "2000-02-28", ""]),
        ("day", ["2024-02-29", "1969-12-31", "2000-03-01", ""]),
    ] {
        let unit = Unit::parse(unit).unwrap();
        assert_eq!(show(&kernels::date(&values, unit).unwrap()), expected);
    }
    let instants: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(i64::MIN), Some(i64::MAX)]));
    let months = kernels::date(&instants, Unit::Month).unwrap();
    assert_eq!(array_value_to_string(&months, 0).unwrap(), "1969-12-01T00:00:00");
    assert!(months.is_null(1) && !months.is_null(2));
}
