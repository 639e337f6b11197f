//! Hostile bytes: every body is a message or an error, never a panic and never a large allocation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use bytes::{BufMut, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::*;

const KINDS: &[u8] = b"QPBDCEHSXFdcf";

fn body(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn sqlstate(kind: u8, bytes: &[u8]) -> &'static str {
    parse(kind, body(bytes)).unwrap_err().kind().sqlstate()
}

#[test]
fn random_bytes_never_panic() {
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..200_000 {
        let mut bytes = vec![0; random.random_range(0..48)];
        random.fill_bytes(&mut bytes);
        if round % 2 == 0 {
            // Small numbers and zero bytes get further than noise.
            bytes.iter_mut().for_each(|byte| *byte %= 4);
        }
        let kind = KINDS[round % KINDS.len()];
        let _ = parse(kind, body(&bytes));
        let _ = sasl_initial(body(&bytes));
    }
}

#[test]
fn every_prefix_of_a_good_message_is_refused() {
    let mut bind = BytesMut::new();
    bind.put_slice(b"portal\0statement\0");
    bind.put_slice(&[0, 1, 0, 1, 0, 2, 0, 0, 0, 2, b'o', b'k', 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 1]);
    let cases: &[(u8, &[u8])] = &[
        (b'Q', b"select 1\0"),
        (b'P', b"name\0select 1\0\0\x01\0\0\0\x17"),
        (b'B', &bind),
        (b'D', b"Sname\0"),
        (b'C', b"Pname\0"),
        (b'E', b"name\0\0\0\0\x05"),
    ];
    for (kind, bytes) in cases {
        assert!(parse(*kind, body(bytes)).is_ok());
        for end in 0..bytes.len() {
            assert_eq!(sqlstate(*kind, &bytes[..end]), "08P01", "{kind} cut at {end}");
        }
        assert_eq!(sqlstate(*kind, &[bytes, &b"x"[..]].concat()), "08P01");
    }
}

#[test]
fn bind_is_read_as_sent() {
    let bytes = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ok\xff\xff\xff\xff\0\x02\0\0\0\x01";
    let expected = Message::Bind(Bind {
        portal: "p".into(),
        statement: "s".into(),
        formats: vec![1],
        values: vec![Some(body(b"ok")), None],
        result_formats: vec![0, 1],
    });
    assert_eq!(parse(b'B', body(bytes)).unwrap(), expected);
}

#[test]
fn execute_takes_any_limit() {
    for max_rows in [0, 1, -1, i32::MAX, i32::MIN] {
        let bytes = [&b"\0"[..], &max_rows.to_be_bytes()].concat();
        let expected = Message::Execute { portal: String::new(), max_rows };
        assert_eq!(parse(b'E', body(&bytes)).unwrap(), expected);
    }
}

#[test]
fn counts_beyond_the_body_are_refused() {
    assert_eq!(sqlstate(b'P', b"\0\0\xff\xff"), "08P01");
    assert_eq!(sqlstate(b'B', b"\0\0\0\0\xff\xff"), "08P01");
    assert_eq!(sqlstate(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), "08P01");
    assert_eq!(sqlstate(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"), "08P01");
}

#[test]
fn invalid_utf8_is_an_error() {
    assert_eq!(sqlstate(b'Q', b"select '\xff'\0"), "22021");
    assert_eq!(sqlstate(b'P', b"\xc0\x80\0select 1\0\0\0"), "22021");
}

#[test]
fn only_known_kinds_are_read() {
    for kind in 0..=u8::MAX {
        assert_eq!(bound(kind, 1 << 24).is_some(), KINDS.contains(&kind));
        if !KINDS.contains(&kind) {
            assert_eq!(sqlstate(kind, b""), "08P01");
        }
    }
}

#[test]
fn sasl_needs_an_initial_response() {
    assert!(sasl_initial(body(b"SCRAM-SHA-256\0\xff\xff\xff\xff")).is_err());
    assert!(sasl_initial(body(b"SCRAM-SHA-256\0\0\0\0\x09n,,")).is_err());
    let (mechanism, data) = sasl_initial(body(b"SCRAM-SHA-256\0\0\0\0\x03n,,")).unwrap();
    assert_eq!((mechanism.as_str(), &data[..]), ("SCRAM-SHA-256", &b"n,,"[..]));
}
