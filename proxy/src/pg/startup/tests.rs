//! The start-up packet's parameters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::*;

fn parse(body: &'static [u8]) -> Result<Parameters, &'static str> {
    Parameters::parse(Bytes::from_static(body)).map_err(|error| error.kind().sqlstate())
}

fn pairs(options: &[(String, String)]) -> Vec<(&str, &str)> {
    options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn parameters_are_sorted_out() {
    let parameters = parse(
        b"user\0ana\0application_name\0psql\0TimeZone\0UTC\0_pq_.grease\x001\0\
          options\0-c statement_timeout=5s --search-path=a\\ b -cx=1\0\0",
    )
    .unwrap();
    assert_eq!(parameters.user, "ana");
    assert_eq!(parameters.settings.database, "ana");
    assert_eq!(parameters.protocol_options, ["_pq_.grease"]);
    assert_eq!(
        pairs(&parameters.settings.options),
        [("statement_timeout", "5s"), ("search_path", "a b"), ("x", "1"), ("TimeZone", "UTC")]
    );
}

#[test]
fn bad_parameters_are_refused() {
    for (body, expected) in [
        (&b"\0"[..], "28000"),
        (b"user\0\0\0", "28000"),
        (b"user\0ana\0", "08P01"),
        (b"user\0ana", "08P01"),
        (b"user", "08P01"),
        (b"", "08P01"),
        (b"user\0ana\0\0x", "08P01"),
        (b"user\0\xff\0\0", "22021"),
        (b"user\0ana\0replication\0database\0\0", "0A000"),
        (b"user\0ana\0options\0-d 5\0\0", "42601"),
        (b"user\0ana\0options\0-c\0\0", "42601"),
        (b"user\0ana\0options\0-c =1\0\0", "42601"),
        (b"user\0ana\0options\0--\0\0", "42601"),
    ] {
        assert_eq!(parse(body).err(), Some(expected), "{body:?}");
    }
}

#[test]
fn random_parameters_never_panic() {
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..50_000 {
        let mut bytes = vec![0; random.random_range(0..64)];
        random.fill_bytes(&mut bytes);
        bytes.iter_mut().for_each(|byte| *byte = b"\0\0 -c=\\ax"[usize::from(*byte) % 9]);
        let mut body = b"user\0ana\0options\0".to_vec();
        body.extend(bytes);
        let _ = Parameters::parse(body.into());
    }
}

#[test]
fn unknown_user_and_wrong_password_read_the_same() {
    let error = refusal(AuthError::Failed, "ana");
    assert_eq!(error.kind().sqlstate(), "28P01");
    assert_eq!(error.message(), "password authentication failed for user \"ana\"");
}
