//! What isn't released tells nothing by an error, a difference, a number that is none, or an estimate, at
//! any warehouse.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::asked::groups;
use crate::harness::client::Client;
use crate::harness::postgres::Postgres;
use crate::harness::three::Three;
use crate::harness::value::{Value, compare};
use crate::harness::{self, case, data, golden};

const NAME: &str = "aggregates_leaks";

async fn three() -> Three {
    let postgres = Postgres::shared().await;
    let setup = [case("attacks/schema.sql"), case("aggregates/stays.sql")];
    let whole = postgres.create(NAME, &[&setup[0], &setup[1]]).await;
    let folder = postgres.scratch(NAME);
    data::export(&whole, &folder).await;
    Three::start(&folder, NAME, &["crm", "health"], &["aggregates/stays_policies.sql"]).await
}

#[test]
fn what_is_withheld_tells_nothing_at_three_warehouses() {
    harness::run(async {
        let three = three().await;
        let (mut wrong, mut text) = (Vec::new(), String::new());
        for group in groups("aggregates/leaks.sql") {
            let (_, first) = &three.roads()[0];
            let want = first.simple(&group[0]).await;
            for (number, sql) in group.iter().enumerate() {
                for (road, client) in three.roads() {
                    // The emulator takes a second for each.
                    if *road == "snowflake" && number > 2 {
                        continue;
                    }
                    let got = client.simple(sql).await;
                    let what = match got.error() {
                        // What Snowflake would compute otherwise is refused there, whatever the data.
                        Some(("0A000", _)) if *road == "snowflake" => None,
                        Some(error) => Some(format!("{error:?}")),
                        None => compare(got.rows(), want.rows(), false).err(),
                    };
                    let said = what
                        .map(|what| three.said().filter(|_| *road == "snowflake").unwrap_or(what));
                    wrong.extend(said.map(|what| format!("{road}: {sql}\n    {what}")));
                }
                text.push_str(&format!("{sql}\n"));
            }
            let mut rows: Vec<String> = want
                .rows()
                .iter()
                .map(|row| {
                    format!("  {}\n", row.iter().map(Value::text).collect::<Vec<_>>().join(" | "))
                })
                .collect();
            rows.sort();
            text.push_str(&rows.concat());
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        golden("aggregates/leaks.txt", &text);

        let postgres = Postgres::shared().await;
        for (road, bob) in three.connect("bob").await {
            let audit = postgres.scratch(&format!("{NAME} {road}")).join("audit.jsonl");
            estimates(road, &bob, &audit).await;
        }
    });
}

/// What a statement is held to read doesn't depend on the value that its condition names, so no limit tells
/// about it.
async fn estimates(road: &str, bob: &Client, audit: &Path) {
    let values = ["A", "a", "b", "j", "lonesome", "nowhere"];
    let mut answers = BTreeSet::new();
    for value in values {
        let sql = format!("SELECT count(*) >= 0 FROM health.stays WHERE ward = '{value}'");
        let answer = bob.simple(&sql).await;
        answers.insert(answer.error().map(|(code, message)| format!("{code} {message}")));
    }
    assert_eq!(answers.len(), 1, "{road}: {answers:?}");
    // The account can't tell before, and refuses them all.
    if road == "snowflake" {
        assert!(answers.first().unwrap().is_some());
        return;
    }
    assert_eq!(answers.first().unwrap(), &None, "{road}");
    let limit = Instant::now() + Duration::from_secs(120);
    let estimates: Vec<u64> = loop {
        let text = std::fs::read_to_string(audit).unwrap();
        // The last line may be half written.
        let records =
            text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let own = records.filter(|record| record["principal"] == "bob");
        let estimates: Vec<_> = own.filter_map(|record| record["estimated"].as_u64()).collect();
        if estimates.len() == values.len() {
            break estimates;
        }
        assert!(Instant::now() < limit, "{road}: {estimates:?} in\n{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let different: BTreeSet<_> = estimates.iter().collect();
    assert!(different.len() == 1 && estimates[0] > 0, "{road}: {estimates:?}");
}
