//! The difference of two bundles as a property: over random worlds and random edits of their rules,
//! whoever sees more of a cell, by the reference evaluator, finds a line that says so.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestCaseError;
use tollgate_policy::diff::{Change, Class, Who};

use super::reference::{self, Shown, Sight};
use super::room::Room;
use super::world::{Edit, TABLES, User, Value, World, edits, users, world};

/// What a user sees of one row of a table, or of what stands for it in a view, column by column;
/// `None`: there is no such column or row.
fn cells(world: &World, user: &User, table: usize, row: &[Value]) -> Vec<Option<Shown>> {
    let mut world = world.clone();
    let root = world.root(table);
    world.rows[root] = vec![row.to_vec()];
    let (columns, mut rows) = match reference::sight(&world, user, table) {
        Some(Sight::Rows { columns, rows }) => (columns, rows),
        Some(Sight::Nothing) | None => (Vec::new(), Vec::new()),
    };
    let row = rows.pop();
    let cell = |column| {
        let at = columns.iter().position(|visible| *visible == column)?;
        Some(row.as_ref()?[at].clone())
    };
    TABLES[table].columns.iter().map(|column| cell(*column)).collect()
}

/// What masks that read nothing else make of a text or a number; a view may mask what is masked below.
fn coarser(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Number(number) => vec![Value::Number(number - number.rem_euclid(2))],
        Value::Text(text) => {
            let first = text.chars().next().filter(|_| text.chars().count() > 1);
            let partial = first.into_iter().chain("***".chars()).collect();
            vec![Value::Text(partial), Value::Text(format!("{text}!"))]
        }
    }
}

/// Whether whoever is shown `known` can tell `is`.
fn follows(is: &Shown, known: &Shown) -> bool {
    let known = match known {
        Shown::Hash(..) | Shown::OfHash => return is == known || *is == Shown::OfHash,
        Shown::Value(known) => known,
    };
    let once = coarser(known);
    let twice = once.iter().flat_map(coarser);
    let mut all = [known.clone()].into_iter().chain(twice).chain(once.clone());
    match is {
        Shown::OfHash => false,
        Shown::Value(is) => all.any(|known| known == *is),
        Shown::Hash(_, text) => all.any(|known| known == Value::Text(text.clone())),
    }
}

/// Whether a cell tells more than it told: what follows neither from that nor from a constant of a
/// mask, where the value itself wasn't shown.
fn tells_more(was: Option<&Shown>, is: Option<&Shown>, raw: &Value) -> bool {
    let constants = [Value::Null, Value::Text("REDACTED".to_owned()), Value::Number(0)];
    match (was, is) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(was), Some(is)) => {
            *was != Shown::Value(raw.clone())
                && !follows(is, was)
                && !constants.into_iter().any(|constant| follows(is, &Shown::Value(constant)))
        }
    }
}

fn is_told(
    changes: &[Change],
    user: &User,
    roles: &BTreeSet<String>,
    table: &str,
    column: &str,
) -> bool {
    changes.iter().any(|change| {
        change.class == Class::Widens
            && change.table.as_deref() == Some(table)
            && change
                .columns
                .as_ref()
                .is_none_or(|columns| columns.iter().any(|name| name == column))
            && match &change.who {
                Who::Everyone => true,
                Who::User(name) => name == user.name,
                Who::Role(role) => roles.contains(role),
            }
    })
}

/// How many cells tell more; fails at one that no line tells of.
fn check(world: &World, edits: &[Edit]) -> Result<usize, TestCaseError> {
    let edited = world.edited(edits);
    let (Ok(old), Ok(new)) = (Room::load(world), Room::load(&edited)) else { return Ok(0) };
    let changes = old.changes(&new);
    let mut more = 0;
    for user in &users() {
        let roles = &old.roles(user.name) | &new.roles(user.name);
        for (table, shape) in TABLES.iter().enumerate() {
            let root = edited.root(table);
            for row in &world.rows[root] {
                let is = cells(&edited, user, table, row);
                let was = match world.root(table) == root {
                    true => cells(world, user, table, row),
                    false => vec![None; is.len()],
                };
                for (at, column) in shape.columns.iter().enumerate() {
                    let raw = TABLES[root].columns.iter().position(|name| name == column);
                    if !tells_more(was[at].as_ref(), is[at].as_ref(), &row[raw.unwrap()]) {
                        continue;
                    }
                    more += 1;
                    let name = shape.to_string();
                    prop_assert!(
                        is_told(&changes, user, &roles, &name, column),
                        "{} sees more of {name} ({column}) of {row:?}: {:?} instead of {:?}, but only \
                         this is told: {changes:#?}\nunder the new rules\n{}",
                        user.name,
                        is[at],
                        was[at],
                        edited.sql()
                    );
                }
            }
        }
    }
    Ok(more)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("TOLLGATE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3000),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whoever_sees_more_finds_a_line_that_says_so(world in world(), edits in edits()) {
        check(&world, &edits)?;
    }

    #[test]
    fn the_same_rules_are_no_change(world in world()) {
        let (Ok(one), Ok(other)) = (Room::load(&world), Room::load(&world)) else { return Ok(()) };
        prop_assert_eq!(one.changes(&other), vec![]);
    }
}

/// The property would hold of worlds in which nobody ever sees more.
#[test]
fn the_worlds_show_more_often_enough() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut more = 0;
    for _ in 0..300 {
        let tree = (world(), edits()).new_tree(&mut runner).unwrap();
        let (world, edits) = tree.current();
        more += usize::from(check(&world, &edits).unwrap() > 0);
    }
    assert!(more >= 20, "{more} of 300");
}
