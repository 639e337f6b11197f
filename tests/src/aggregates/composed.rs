//! Aggregates with all else that a policy says, for callers whom one binds, two, or none; prepared, kept, and
//! over both protocols.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use tokio_postgres::types::Type;

use super::asked::{folder, groups, same};
use crate::harness::client::{Answer, Client, Parameter};
use crate::harness::flight::{Flight, answer};
use crate::harness::gateway::{Caches, PASSWORD, Running, start_caching, start_with};
use crate::harness::postgres::Postgres;
use crate::harness::value::{Value, compare};
use crate::harness::{self, golden};

/// In an order in which what is kept for one would be shown to another.
const USERS: [&str; 4] = ["ana", "root", "bob", "amy"];

/// What golden files hold of an answer.
fn lines(answer: &Answer) -> String {
    if let Answer::Error { fields, .. } = answer {
        let hint = fields.get("hint").map(|hint| format!("\n    hint: {hint}"));
        return format!(
            "    {} {}{}\n",
            fields["code"],
            fields["message"],
            hint.unwrap_or_default()
        );
    }
    let row = |row: &Vec<Value>| row.iter().map(Value::text).collect::<Vec<_>>().join(" | ");
    let mut rows: Vec<String> = answer.rows().iter().map(row).collect();
    rows.sort();
    let more = rows.len().saturating_sub(16);
    rows.truncate(16);
    if more > 0 {
        rows.push(format!("… {more} more"));
    }
    rows.iter().map(|row| format!("    {row}\n")).collect()
}

async fn caching(name: &str, policies: &str) -> Running {
    let audit = Postgres::shared().await.scratch(name).join("audit.jsonl");
    let caches = Caches { plans: 64 << 20, results: 64 << 20, ..Caches::default() };
    start_caching(folder().await, &audit, &[policies], caches).await
}

#[test]
fn each_caller_gets_its_own_answer_whoever_asked_before() {
    harness::run(async {
        let mut text = String::new();
        let asked = groups("aggregates/composed_asked.sql");
        for (policies, asked) in ["composed", "composed_masks"].iter().zip(asked) {
            let path = format!("aggregates/{policies}.sql");
            let gateway = caching(&format!("aggregates {policies}"), &path).await;
            let mut clients = Vec::new();
            for user in USERS {
                clients.push((user, gateway.connect(user).await));
            }
            text.push_str(&format!("{policies}\n\n"));
            for sql in asked {
                let mut first = Vec::new();
                for (user, client) in &clients {
                    let answer = client.simple(&sql).await;
                    first.push((user, lines(&answer), answer));
                }
                for ((user, said, before), (_, client)) in first.iter().zip(&clients) {
                    assert_eq!(lines(&client.simple(&sql).await), *said, "{user}: {sql}");
                    let extended = client.extended(&sql, &[]).await;
                    match before.error() {
                        Some(error) => assert_eq!(extended.error(), Some(error), "{user}: {sql}"),
                        None => same(&extended, before)
                            .unwrap_or_else(|what| panic!("{user}: {sql}: {what}")),
                    }
                }
                text.push_str(&format!("{sql}\n"));
                for (user, said, _) in &first {
                    text.push_str(&format!("  {user}\n{said}"));
                }
            }
            text.push('\n');
            let counts = gateway.gateway.cache_counts();
            assert!(counts.plan_hits > 20 && counts.result_hits > 10, "{counts:?}");
        }
        golden("aggregates/composed.txt", &text);
    });
}

async fn equal(client: &Client, flight: &mut Flight, sql: &str, values: &[&'static str]) {
    let literal = values.iter().enumerate().fold(sql.to_owned(), |sql, (index, value)| {
        let value = if *value == "NULL" { "NULL".to_owned() } else { format!("'{value}'") };
        sql.replace(&format!("${}", index + 1), &value)
    });
    let want = client.simple(&literal).await;
    assert_eq!(want.error(), None, "{literal}");
    let bound: Vec<Option<&'static str>> =
        values.iter().map(|value| (*value != "NULL").then_some(*value)).collect();
    let parameters: Vec<Parameter> = bound.iter().map(|value| Parameter(*value)).collect();
    let columns = bound.iter().zip(1..).map(|(value, number)| {
        let array: ArrayRef = Arc::new(StringArray::from(vec![*value]));
        (format!("${number}"), array)
    });
    let row = RecordBatch::try_from_iter(columns).unwrap();
    for (road, got) in [
        ("extended", client.extended(sql, &parameters).await),
        ("flight", answer(flight.prepared(sql, Some(row)).await)),
    ] {
        assert_eq!(got.error(), None, "{road}: {sql} {values:?}");
        compare(got.rows(), want.rows(), false)
            .unwrap_or_else(|what| panic!("{road}: {sql} {values:?}: {what}"));
    }
}

#[test]
fn bound_values_are_constants_over_both_protocols() {
    harness::run(async {
        let audit = Postgres::shared().await.scratch("aggregates bound").join("audit.jsonl");
        let gateway = start_with(folder().await, &audit, &["aggregates/policies.sql"]).await;
        let ana = gateway.connect("ana").await;
        let mut flight = Flight::connect(gateway.flight, "ana", PASSWORD).await.unwrap();
        let one = "SELECT count(*), sum(cost) FROM health.visits WHERE clinic = $1";
        for value in ["S", "NULL", "Z", "nowhere", "N"] {
            equal(&ana, &mut flight, one, &[value]).await;
        }
        let two =
            "SELECT diagnosis, count(*) FROM health.visits WHERE clinic IN ($1, $2) GROUP BY 1";
        for values in [["S", "N"], ["S", "NULL"], ["S", "Z"], ["X", "Y"]] {
            equal(&ana, &mut flight, two, &values).await;
        }
        let filter =
            "SELECT clinic, count(*) FILTER (WHERE diagnosis = $1) FROM health.visits GROUP BY 1";
        equal(&ana, &mut flight, filter, &["flu"]).await;
        let above = "SELECT clinic FROM (SELECT clinic, count(*) AS n FROM health.visits GROUP BY 1) g \
                     WHERE clinic > $1";
        equal(&ana, &mut flight, above, &["N"]).await;

        // What is described is of no table, and the same before and after the guard.
        let sql = "SELECT clinic, count(*), sum(cost) AS s FROM health.visits WHERE clinic = $1 GROUP BY 1";
        let statement = ana.inner.prepare(sql).await.unwrap();
        let columns = statement.columns().iter();
        let described: Vec<_> = columns
            .map(|column| (column.name(), column.type_().clone(), column.table_oid()))
            .collect();
        assert_eq!(
            described,
            [("clinic", Type::TEXT, None), ("count", Type::INT8, None), ("s", Type::NUMERIC, None)]
        );
        assert_eq!(statement.params(), [Type::TEXT]);

        // A number is no value of a text, and no parameter is known to be the edge of a period.
        let typed = ana.inner.prepare_typed(one, &[Type::INT4]).await.unwrap_err();
        assert_eq!(typed.code().unwrap().code(), "42501", "{typed:?}");
        let edge = "SELECT count(*) FROM health.visits WHERE visited_on >= $1";
        let refused = ana.inner.prepare(edge).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{refused:?}");
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let row = RecordBatch::try_from_iter([("$1", column)]).unwrap();
        let got = answer(flight.prepared(one, Some(row)).await);
        // Over Flight a value becomes what the statement was prepared for.
        assert_eq!((got.error(), got.rows()), (None, &[vec![Value::Null, Value::Null]][..]));

        // The bucket itself is compared with what is bound, too.
        let bucket = "SELECT clinic, count(*) FROM health.visits \
                      WHERE date_trunc('month', visited_on) >= CAST($1 AS date) GROUP BY clinic";
        let literal = bucket.replace("CAST($1 AS date)", "DATE '2025-03-01'");
        let want = ana.simple(&literal).await;
        let text = bucket.replace("CAST($1 AS date)", "CAST(CAST($1 AS text) AS date)");
        let got = ana.extended(&text, &[Parameter(Some("2025-03-01"))]).await;
        assert_eq!((got.error(), want.error()), (None, None));
        assert!(want.rows().len() > 2, "{want:?}");
        same(&got, &want).unwrap_or_else(|what| panic!("{text}: {what}: {got:?}"));
    });
}
