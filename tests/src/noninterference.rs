//! Non-interference: what ana may not see changes nothing that she does see, not even an error.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use crate::differential::{probes, scale};
use crate::generator::Generator;
use crate::harness::client::{Answer, Client};
use crate::harness::gateway::Running;
use crate::harness::raw::{Raw, Reply};
use crate::harness::{self, World, case, data, gateway};

/// Statements that ask for everything there is, also about the gateway itself.
const BROWSING: &[&str] = &[
    "EXPLAIN SELECT id FROM crm.orders WHERE amount > 100",
    "EXPLAIN SELECT c.id FROM crm.customers c JOIN crm.orders o ON o.customer_id = c.id",
    "SELECT * FROM information_schema.tables ORDER BY table_schema, table_name",
    "SELECT * FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position",
    "SELECT relname, reltuples, relpages FROM pg_catalog.pg_class ORDER BY oid",
    "SELECT nspname FROM pg_catalog.pg_namespace ORDER BY oid",
    "SELECT * FROM pg_catalog.pg_stats",
    "SELECT pg_relation_size('crm.orders')",
];

/// Statements of the corpus for which SQL leaves open which of the visible rows they yield, or in which
/// order they stand in one value.
const OPEN: &[&str] = &["msk-022", "rls-023", "col-026"];

/// Every statement that the other tests know, and some more.
pub fn statements(random: u64) -> Vec<String> {
    let corpus = [case("attacks/attacks.jsonl"), case("attacks/benign.jsonl")];
    let corpus = corpus.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let attack: serde_json::Value = serde_json::from_str(line).unwrap();
        let open = OPEN.contains(&attack["id"].as_str().unwrap());
        (!open).then(|| attack["sql"].as_str().unwrap().to_owned())
    });
    let (seed, count) = scale(random);
    let random = (seed..seed + count).map(|seed| Generator::with_rows(seed).query().sql);
    let browsing = BROWSING.iter().map(|sql| (*sql).to_owned());
    corpus.chain(probes()).chain(random).chain(browsing).collect()
}

/// An answer without the order of its rows, which SQL leaves open.
pub fn canonical(answer: Answer) -> String {
    let sorted = |rows: Vec<Vec<_>>| {
        let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        rows.sort();
        rows.join("\n")
    };
    match answer {
        Answer::Rows { columns, rows } => format!("{columns:?}\n{}", sorted(rows)),
        // Rows before an error: how many got away is a matter of time.
        Answer::Error { fields, before: _ } => format!("{fields:?}"),
    }
}

/// Whether both sides have an answer in common: which of a statement's parts the engine computes first
/// is a matter of time, and one that is empty spares another that fails.
async fn may_be_equal(left: &Client, right: &Client, sql: &str, first: [&str; 2]) -> bool {
    let [mut ones, mut others] = first.map(|answer| BTreeSet::from([answer.to_owned()]));
    for _ in 0..20 {
        assert!(left.reset().await && right.reset().await, "the session is broken after {sql}");
        ones.insert(canonical(left.simple(sql).await));
        others.insert(canonical(right.simple(sql).await));
        if !ones.is_disjoint(&others) {
            return true;
        }
    }
    false
}

/// A gateway over data in which everything that is hidden from ana is different.
async fn altered(world: &World, name: &str) -> Running {
    let scripts = [&case("attacks/schema.sql")[..], &case("attacks/altered.sql")];
    let altered = world.postgres.create(name, &scripts).await;
    let folder = world.postgres.scratch(name);
    data::export(&altered, &folder).await;
    let path = world.postgres.scratch(&format!("{name}-audit")).join("audit.jsonl");
    gateway::start(&folder, &path).await
}

/// All messages to a statement, byte for byte: descriptions, rows in any order, tags, notices, errors.
async fn bytes(raw: &mut Raw, sql: &str) -> Vec<Reply> {
    let mut replies = raw.query(sql).await;
    if replies.iter().any(|reply| reply.kind == b'E') {
        // Rows before an error: how many got away is a matter of time.
        replies.retain(|reply| reply.kind != b'D');
    }
    for rows in replies.split_mut(|reply| reply.kind != b'D') {
        rows.sort_by(|one, other| one.body.cmp(&other.body));
    }
    replies
}

/// Puts a session back to its start.
async fn fresh(raw: &mut Raw) {
    for sql in ["ROLLBACK", "DISCARD ALL"] {
        let replies = raw.query(sql).await;
        assert_eq!(replies.last().map(|reply| reply.kind), Some(b'Z'), "{sql}: {replies:?}");
    }
}

#[test]
fn hidden_data_changes_no_byte() {
    harness::run(async {
        let world = harness::world().await;
        let other = altered(world, "altered-bytes").await;
        let mut left = Raw::session(world.gateway.address, "ana").await;
        let mut right = Raw::session(other.address, "ana").await;
        let (mut wrong, mut tags, mut notices) = (Vec::new(), BTreeSet::new(), 0);
        for sql in statements(300) {
            let mut ones = Vec::new();
            let mut others = Vec::new();
            let equal = loop {
                let (one, other) = futures::join!(bytes(&mut left, &sql), bytes(&mut right, &sql));
                for reply in &one {
                    match reply.kind {
                        b'C' => drop(tags.insert(reply.body.clone())),
                        b'N' => notices += 1,
                        _ => {}
                    }
                }
                ones.push(one);
                others.push(other);
                fresh(&mut left).await;
                fresh(&mut right).await;
                if ones.iter().any(|one| others.contains(one)) {
                    break true;
                }
                if ones.len() == 20 {
                    break false;
                }
            };
            if !equal {
                wrong.push(format!("{sql}\n--- {:?}\n+++ {:?}", ones[0], others[0]));
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        // There was something to compare.
        assert!(tags.len() > 20 && notices > 0, "{} tags, {notices} notices", tags.len());
    });
}

#[test]
fn hidden_data_changes_no_answer() {
    harness::run(async {
        let world = harness::world().await;
        let other = altered(world, "altered").await;

        let (one, other) = (&world.gateway, &other);
        let statements = statements(5000);
        let wrong = stream::iter(statements.chunks(statements.len().div_ceil(4)))
            .map(async |statements| {
                let (left, right) = (one.connect("ana").await, other.connect("ana").await);
                let mut wrong = Vec::new();
                for sql in statements {
                    let (one, other) = futures::join!(left.simple(sql), right.simple(sql));
                    let (one, other) = (canonical(one), canonical(other));
                    let notices = (left.take_notices(), right.take_notices());
                    if notices.0 != notices.1 {
                        wrong.push(format!("{sql}\n--- {:?}\n+++ {:?}", notices.0, notices.1));
                    }
                    if one != other && !may_be_equal(&left, &right, sql, [&one, &other]).await {
                        wrong.push(format!("{sql}\n--- {one}\n+++ {other}"));
                    }
                    let (left, right) = futures::join!(left.reset(), right.reset());
                    assert!(left && right, "the session is broken after {sql}");
                }
                wrong
            })
            .buffer_unordered(4)
            .concat()
            .await;
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));

        // The data did change: the owner sees it.
        let sql = "SELECT count(*), sum(income) FROM crm.customers";
        let left = canonical(one.connect("root").await.simple(sql).await);
        let right = canonical(other.connect("root").await.simple(sql).await);
        assert_ne!(left, right);
    });
}
