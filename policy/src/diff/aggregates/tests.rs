//! As a property: whoever may see more of a table's aggregates, or its rows, finds a line that says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::Bundle;
use crate::diff::{Change, diff};
use crate::testing::{decide_on, load, principal};

const USERS: [&str; 3] = ["ana", "bob", "eve"];
const SUBJECTS: [&str; 6] = ["PUBLIC", "ROLE a", "ROLE b", "ROLE c", "USER 'ana'", "USER 'bob'"];
const MEMBERS: [(&str, &str); 7] = [
    ("a", "ROLE b"),
    ("b", "ROLE c"),
    ("a", "USER 'ana'"),
    ("b", "USER 'ana'"),
    ("c", "USER 'bob'"),
    ("a", "USER 'eve'"),
    ("b", "PUBLIC"),
];

#[derive(Debug, Clone)]
struct Policy {
    to: Vec<&'static str>,
    least: u8,
    share: u8,
    by: Vec<&'static str>,
    joined: Option<Vec<&'static str>>,
}

#[derive(Debug, Clone)]
struct World {
    members: Vec<(&'static str, &'static str)>,
    policies: Vec<Policy>,
}

fn policy() -> impl Strategy<Value = Policy> {
    let to = subsequence(SUBJECTS.to_vec(), 1..3);
    let by = subsequence(vec!["region", "amount", "date_trunc('month', placed_at)"], 1..=3);
    let joined = proptest::option::of(subsequence(vec!["country", "email"], 1..=2));
    (to, select(vec![2, 3]), select(vec![40, 50]), by, joined)
        .prop_map(|(to, least, share, by, joined)| Policy { to, least, share, by, joined })
}

fn world() -> impl Strategy<Value = World> {
    let members = subsequence(MEMBERS.to_vec(), 0..=MEMBERS.len());
    let policies = proptest::collection::vec(policy(), 0..3);
    (members, policies).prop_map(|(members, policies)| World { members, policies })
}

/// Another world that has most in common with the first one.
fn change() -> impl Strategy<Value = (World, World)> {
    (world(), world(), any::<[bool; 2]>()).prop_map(|(one, other, [members, policies])| {
        let changed = World {
            members: if members { other.members } else { one.members.clone() },
            policies: match (policies, other.policies.first()) {
                (true, Some(more)) => one.policies.iter().skip(1).chain([more]).cloned().collect(),
                (true, None) => one.policies.iter().skip(1).cloned().collect(),
                (false, _) => one.policies.clone(),
            },
        };
        (one, changed)
    })
}

fn bundle(world: &World) -> Arc<Bundle> {
    let mut sql =
        "CREATE ROLE a; CREATE ROLE b; CREATE ROLE c; GRANT SELECT ON crm.orders TO PUBLIC;\n"
            .to_owned();
    for (role, to) in &world.members {
        writeln!(sql, "GRANT ROLE {role} TO {to};").unwrap();
    }
    for (at, Policy { to, least, share, by, joined }) in world.policies.iter().enumerate() {
        let (to, by) = (to.join(", "), by.join(", "));
        write!(
            sql,
            "CREATE AGGREGATION POLICY p{at} ON crm.orders TO {to} ENTITY (id) MIN GROUP SIZE {least} \
             MAX SHARE {share} PERCENT DIMENSIONS ({by})"
        )
        .unwrap();
        if let Some(by) = joined {
            let by = by.join(", ");
            write!(sql, " JOIN crm.customers ON (id = id) DIMENSIONS ({by})").unwrap();
        }
        sql.push_str(";\n");
    }
    load(&sql).unwrap_or_else(|errors| panic!("{errors}\n{sql}"))
}

fn left(bundle: &Arc<Bundle>, user: &str) -> Left {
    let parts = decide_on(bundle, user, &["crm.orders"]).unwrap().into_parts();
    parts.tables[0].aggregation().cloned().map_or(Left::Rows, Left::Aggregates)
}

/// Whether somebody sees more, and everybody who does is told so.
fn check(one: &World, other: &World) -> Result<bool, TestCaseError> {
    let (old, new) = (bundle(one), bundle(other));
    let changes = diff(&old, &new);
    let mut more = false;
    for user in USERS {
        if left(&new, user).is_within(&left(&old, user)) {
            continue;
        }
        more = true;
        let caller = principal(user);
        let roles = &old.roles_of(&caller) | &new.roles_of(&caller);
        let is_told = |change: &Change| {
            change.class == Class::Widens
                && change.table.as_deref() == Some("crm.orders")
                && match &change.who {
                    Who::Everyone => true,
                    Who::User(name) => name == user,
                    Who::Role(role) => roles.contains(role),
                }
        };
        prop_assert!(changes.iter().any(is_told), "{user} sees more: {changes:#?}");
    }
    Ok(more)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_sees_more_aggregates_finds_a_line_that_says_so((one, other) in change()) {
        check(&one, &other)?;
        check(&other, &one)?;
    }

    #[test]
    fn the_same_aggregates_are_no_change(world in world()) {
        prop_assert_eq!(diff(&bundle(&world), &bundle(&world)), vec![]);
    }
}

/// The property would hold of worlds in which nobody ever sees more.
#[test]
fn the_worlds_show_more_often_enough() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let more = (0..200).filter(|_| {
        let (one, other) = change().new_tree(&mut runner).unwrap().current();
        check(&one, &other).unwrap()
    });
    let more = more.count();
    assert!(more >= 40, "{more} of 200");
}
