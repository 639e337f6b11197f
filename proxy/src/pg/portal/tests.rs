//! Formats, names and their bounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::*;

fn sqlstate<T>(result: Result<T, Error>) -> Option<&'static str> {
    result.err().map(|error| error.kind().sqlstate())
}

#[test]
fn formats_are_none_one_or_each() {
    let both = formats(&[0, 1]).unwrap();
    assert!(each(&both, 2).unwrap() == both);
    assert_eq!(each(&[], 3).unwrap().len(), 3);
    assert_eq!(each(&[Format::Binary], 3).unwrap().len(), 3);
    assert_eq!(sqlstate(each(&both, 3)), Some("08P01"));
    assert_eq!(sqlstate(each(&both, 0)), Some("08P01"));
    assert_eq!(sqlstate(formats(&[2])), Some("22023"));
    assert_eq!(sqlstate(formats(&[-1])), Some("22023"));
}

#[test]
fn names_are_bounded_in_number_and_bytes() {
    let mut named = Named::new(2, 100);
    named.set("a".into(), 1, 60).unwrap();
    assert_eq!(sqlstate(named.set("b".into(), 2, 60)), Some("54000"));
    named.set("a".into(), 3, 90).unwrap();
    named.set("b".into(), 4, 10).unwrap();
    assert_eq!(sqlstate(named.set("c".into(), 5, 0)), Some("54000"));
    assert!(named.remove("a").is_some() && !named.contains("a"));
    named.set("c".into(), 6, 90).unwrap();
    assert_eq!(named.get_mut("c").copied(), Some(6));
    named.clear();
    named.set("d".into(), 7, 100).unwrap();
}
