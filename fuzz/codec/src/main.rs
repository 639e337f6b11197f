//! Coverage-guided fuzzing of the wire codec: start-up packets, messages in pieces, parameters.
//!
//! With `TOLLGATE_SEEDS` the seeds are written to that folder first.

#![no_main]
#![allow(clippy::expect_used, reason = "a tool for developers")]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tollgate_proxy::pg::fuzz;

fn write_seeds() {
    let Some(folder) = std::env::var_os("TOLLGATE_SEEDS") else { return };
    std::fs::create_dir_all(&folder).expect("the folder of seeds");
    for (number, seed) in fuzz::seeds().iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("seed-{number}")), seed).expect("a seed");
    }
}

fuzz_target!(init: write_seeds(), |data: &[u8]| fuzz::check(data));
