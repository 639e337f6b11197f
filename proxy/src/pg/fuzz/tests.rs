//! A short run of the fuzzing of the codec; `cargo xtask fuzz codec` goes on from there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const MUTATIONS: u64 = 30_000;

/// Lengths and numbers at the ends of their ranges.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\\', b'{', b'"'];

fn mutate(origin: &[u8], donor: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = origin.to_vec();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..6)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = EDGES[random.random_range(0..EDGES.len())],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => {
                let from = random.random_range(0..donor.len());
                let to = (from + random.random_range(0..40)).min(donor.len());
                bytes.splice(at..end, donor[from..to].iter().copied());
            }
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes
}

/// Says which input it was.
struct Current(String);

impl Drop for Current {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

#[test]
fn seeds_and_their_mutations_keep_every_promise() {
    let seeds = seeds();
    for seed in &seeds {
        let _current = Current(format!("the seed {:?}", Bytes::from(seed.clone())));
        check(seed);
    }
    let number = |name: &str, or| std::env::var(name).map_or(or, |value| value.parse().unwrap());
    let first: u64 = number("TOLLGATE_SEED", 1);
    for seed in first..first + number("TOLLGATE_MUTATIONS", MUTATIONS) {
        let mut random = StdRng::seed_from_u64(seed);
        let origin = &seeds[random.random_range(0..seeds.len())];
        let donor = &seeds[random.random_range(0..seeds.len())];
        let bytes = mutate(origin, donor, &mut random);
        let shown = Bytes::from(bytes.clone());
        let _current =
            Current(format!("TOLLGATE_SEED={seed} TOLLGATE_MUTATIONS=1 repeats it: {shown:?}"));
        check(&bytes);
    }
}
