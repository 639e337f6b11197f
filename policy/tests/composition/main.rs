//! The truth table of composition as a property: random worlds, of which each user must see exactly
//! what the reference evaluator says. A failure prints the smallest world that shows it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod reference;
mod room;
mod widening;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use self::reference::{Shown, Sight};
use self::room::Room;
use self::world::{TABLES, Value, World, users, world};

fn check(world: &World) -> Result<(), TestCaseError> {
    let room = Room::load(world);
    for user in &users() {
        for (table, shape) in TABLES.iter().enumerate() {
            let expected = reference::sight(world, user, table);
            let (Some(expected), Ok(room)) = (&expected, &room) else {
                let loads = expected.is_some();
                prop_assert_eq!(loads, room.is_ok(), "loads: {:?}", room.as_ref().err());
                return Ok(());
            };
            let found = room.sight(world, user, table);
            let context = format!("what {} sees of {shape}", user.name);
            match (expected, found) {
                (Sight::Nothing, None) => {}
                (Sight::Rows { columns, rows }, Some(found)) => {
                    prop_assert_eq!(columns, &found.columns, "{}", &context);
                    let rows = concrete(rows, &found.rows);
                    prop_assert_eq!(rows, found.rows, "{}", &context);
                }
                (expected, found) => {
                    prop_assert!(false, "{}: expected {:?}, found {:?}", context, expected, found);
                }
            }
        }
    }
    Ok(())
}

/// Puts for each expected hash what stands in its place, provided that it looks like a hash, stands
/// for this text only, and everywhere for this text.
fn concrete(expected: &[Vec<Shown>], found: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut hashes: BTreeMap<(usize, usize, &str), String> = BTreeMap::new();
    let mut rows = Vec::new();
    for (row, cells) in expected.iter().enumerate() {
        let cells = cells.iter().enumerate().map(|(column, cell)| match cell {
            Shown::Value(value) => value.clone(),
            Shown::OfHash => match found.get(row).and_then(|row| row.get(column)) {
                Some(text @ Value::Text(_)) => text.clone(),
                Some(_) | None => Value::Text("what a mask makes of a hash".to_owned()),
            },
            Shown::Hash(policy, text) => {
                let there = found.get(row).and_then(|row| row.get(column));
                let digits = match there {
                    Some(Value::Text(hash)) if hash.len() == 32 => hash.clone(),
                    Some(_) | None => "a hash".to_owned(),
                };
                let key = (*policy, column, text.as_str());
                let taken = hashes.iter().any(|(of, hash)| *of != key && *hash == digits);
                let hash = hashes.entry(key).or_insert(digits);
                Value::Text(if taken { "a hash of its own".to_owned() } else { hash.clone() })
            }
        });
        rows.push(cells.collect());
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("TOLLGATE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3000),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn everyone_sees_what_the_truth_table_says(world in world()) {
        check(&world)?;
    }
}
