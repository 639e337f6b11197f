//! Non-interference: what ana may not see changes nothing that she does see, not even an error.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use crate::differential::{probes, scale};
use crate::generator::Generator;
use crate::harness::client::{Answer, Client};
use crate::harness::{self, case, data, gateway};

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
    let random = (seed..seed + count).map(|seed| Generator::new(seed).query().sql);
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

#[test]
fn hidden_data_changes_no_answer() {
    harness::run(async {
        let world = harness::world().await;
        let scripts = [&case("attacks/schema.sql")[..], &case("attacks/altered.sql")];
        let altered = world.postgres.create("altered", &scripts).await;
        let folder = world.postgres.scratch("altered");
        data::export(&altered, &folder).await;
        let path = world.postgres.scratch("altered-audit").join("audit.jsonl");
        let other = gateway::start(&folder, &path).await;

        let (one, other) = (&world.gateway, &other);
        let statements = statements(5000);
        let wrong = stream::iter(statements.chunks(statements.len().div_ceil(4)))
            .map(async |statements| {
                let (left, right) = (one.connect("ana").await, other.connect("ana").await);
                let mut wrong = Vec::new();
                for sql in statements {
                    let (one, other) = futures::join!(left.simple(sql), right.simple(sql));
                    let (one, other) = (canonical(one), canonical(other));
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
