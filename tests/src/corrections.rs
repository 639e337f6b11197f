//! Credits as the account attributes them: asked for later, recorded, billed, and provable. The account is
//! the emulator, with the history that a Snowflake keeps made up from what really ran there.

use std::process::ExitCode;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value as Json;
use tollgate_ledger::billing::{CORRECTIONS, Corrections, Figure, Price, invoices, replay};
use tollgate_ledger::verify::verify;
use tollgate_ledger::{Entry, Place, Receipt, SigningKey};

use crate::credits::{ALL, over};
use crate::harness::client::Client;
use crate::harness::postgres::Postgres;
use crate::harness::served::Site;
use crate::harness::snowflake::Emulator;
use crate::harness::{run, runtime};
use crate::ledger::{decision, ended, of, replica, shared, works};

const PRICE: &str = "CREATE PRICE p TO PUBLIC PER QUERY 0.01 PER CREDIT 3.00 CURRENCY 'USD';";

/// A minute of it is a credit.
const KEYS: [&str; 2] = ["credits_per_hour = \"60\"", "auto_suspend = \"1h\""];

const HISTORY: &str = "SNOWFLAKE.ACCOUNT_USAGE.QUERY_ATTRIBUTION_HISTORY";

/// The history, empty.
fn keeps_history(emulator: &Emulator) {
    emulator.sql(&[
        "CREATE DATABASE SNOWFLAKE".to_owned(),
        "CREATE SCHEMA SNOWFLAKE.ACCOUNT_USAGE".to_owned(),
        format!(
            "CREATE TABLE {HISTORY} (QUERY_ID VARCHAR, PARENT_QUERY_ID VARCHAR, \
             ROOT_QUERY_ID VARCHAR, WAREHOUSE_NAME VARCHAR, QUERY_TAG VARCHAR, USER_NAME VARCHAR, \
             START_TIME TIMESTAMP_LTZ, END_TIME TIMESTAMP_LTZ, CREDITS_ATTRIBUTED_COMPUTE FLOAT, \
             CREDITS_USED_QUERY_ACCELERATION FLOAT)"
        ),
    ]);
}

/// A row of it. `user` and `started` are expressions.
fn attributes(emulator: &Emulator, tag: &str, credits: [&str; 2], user: &str, started: &str) {
    let [compute, acceleration] = credits;
    let tag = tag.replace('\'', "''");
    emulator.sql(&[format!(
        "INSERT INTO {HISTORY} SELECT UUID_STRING(), NULL, NULL, 'WH', '{tag}', {user}, {started}, \
         {started}, {compute}, {acceleration}"
    )]);
}

const OWN: &str = "CURRENT_USER()";
const NOW: &str = "CURRENT_TIMESTAMP()";

/// The tags of the statements over the items that ran, in their order.
fn tags(emulator: &Emulator) -> Vec<String> {
    let look = emulator.look();
    let log = look["log"].as_array().unwrap().iter();
    let queries =
        log.filter(|entry| entry["sql"].as_str().is_some_and(|sql| sql.contains("ITEMS")));
    queries.map(|entry| entry["parameters"]["QUERY_TAG"].as_str().unwrap().to_owned()).collect()
}

/// Queries, credits measured, credits billed and the amount, of all that have the price.
async fn billed(site: &Site) -> [Decimal; 4] {
    let text = works(site, &["usage", "report", "--by", "price", "--format", "csv"]).await;
    let mut lines = text.lines();
    let head = "price,currency,queries,rows,bytes,scanned,credits_measured,credits,amount";
    assert_eq!(lines.next(), Some(head), "{text}");
    let line = lines.find(|line| line.starts_with("p,USD,")).unwrap_or_else(|| panic!("{text}"));
    let cells: Vec<&str> = line.split(',').collect();
    [2, 6, 7, 8].map(|column| cells[column].parse().unwrap())
}

/// A column of a statement's rows.
async fn asked(client: &Client, sql: &str) -> Vec<String> {
    let answer = client.simple(sql).await;
    answer.rows().iter().map(|row| row[0].text().to_owned()).collect()
}

#[test]
fn credits_are_corrected_by_what_the_account_attributes() {
    run(async {
        let (site, emulator) = over("credits-corrected", &KEYS, PRICE).await;
        let server = site.serve().await;
        let root = site.connect("root").await;
        for _ in 0..4 {
            assert_eq!(root.simple(ALL).await.rows().len(), 10);
        }
        let records = ended(&site, 4).await;
        // Each statement is tagged with the id that its records have.
        let tags = tags(&emulator);
        let ids: Vec<&str> = records
            .iter()
            .filter(|record| record["record"] == "decision")
            .map(|record| record["id"].as_str().unwrap())
            .collect();
        assert_eq!(tags.len(), 4);
        for (tag, id) in tags.iter().zip(&ids) {
            let tag: Json = serde_json::from_str(tag).unwrap();
            assert_eq!(tag["query"], *id);
        }
        let [first, second, third, fourth] = tags.as_slice() else { panic!("{tags:?}") };
        let [queries, measured, credits, amount] = billed(&site).await;
        assert_eq!((queries, measured), (Decimal::from(4), credits));
        assert_eq!(amount, Decimal::new(4, 2) + credits * Decimal::from(3));
        let receipt = |id: &str| {
            let mut all = records.iter().filter(|record| record["record"] == "receipt");
            let found = all.find(|record| record["id"] == id).unwrap();
            found["credits"].as_str().unwrap().parse::<Decimal>().unwrap()
        };

        // An account that may not be asked changes nothing.
        let (code, text) = of(&site, &["usage", "correct"]).await;
        assert_eq!((code, text.as_str()), (ExitCode::FAILURE, ""));
        keeps_history(&emulator);
        let none = "warehouse \"main\": 0 statements corrected, 0 as before, 0 not charged in this \
                    ledger, 0 figures refused\n";
        assert_eq!(works(&site, &["usage", "correct"]).await, none);
        assert_eq!(billed(&site).await, [queries, measured, credits, amount]);

        // Two rows of one statement, one that was accelerated; one that costs nearly nothing; and one that
        // took less than nothing. The fourth was too short: nothing is attributed to it.
        attributes(&emulator, first, ["0.2", "NULL"], OWN, NOW);
        attributes(&emulator, first, ["0.000000001", "0.05"], OWN, NOW);
        attributes(&emulator, second, ["0.0000123456789", "NULL"], OWN, NOW);
        attributes(&emulator, third, ["-0.5", "NULL"], OWN, NOW);
        // What others run there, whatever they call it; what another gateway runs; and what is too old.
        attributes(&emulator, "nightly load", ["9", "NULL"], OWN, NOW);
        attributes(&emulator, fourth, ["9", "NULL"], "'MALLORY'", NOW);
        attributes(&emulator, &fourth.replace(ids[3], "63f0-1"), ["9", "NULL"], OWN, NOW);
        attributes(&emulator, fourth, ["9", "NULL"], OWN, "'2024-02-29T12:00:00+00:00'");
        let said = |corrected: u32, same: u32| {
            format!(
                "warehouse \"main\": {corrected} statements corrected, {same} as before, 1 not charged \
                 in this ledger, 1 figures refused\n"
            )
        };
        assert_eq!(works(&site, &["usage", "correct"]).await, said(2, 0));
        let two: Decimal = "0.250012347".parse().unwrap();
        let rest = receipt(ids[2]) + receipt(ids[3]);
        let bill = |credits| Decimal::new(4, 2) + credits * Decimal::from(3);
        let corrected = [queries, measured, two + rest, bill(two + rest)];
        assert_eq!(billed(&site).await, corrected);
        let replayed = "4 receipts are rated as before, 0 otherwise";
        assert!(works(&site, &["usage", "rate", "--replay"]).await.starts_with(replayed));
        let verified = works(&site, &["audit", "verify"]).await;
        assert!(verified.contains("chain \"usage/corrections\": 2 records"), "{verified}");
        assert!(verified.contains("chain \"main\": 8 records"), "{verified}");
        let month = &records[0]["time"].as_str().unwrap()[..7];
        let invoice = works(&site, &["usage", "invoice", "--month", month]).await;
        let total = corrected[3]
            .round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        let total = format!("{total:.2}");
        let last = invoice.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["total", total.as_str(), "USD"], "{invoice}");

        // Again: nothing is written. In another time nothing was run.
        assert_eq!(works(&site, &["usage", "correct"]).await, said(0, 2));
        let past = ["usage", "correct", "--from", "2020-01-01", "--to", "2021-01-01"];
        assert_eq!(works(&site, &past).await, none);
        assert_eq!(billed(&site).await, corrected);

        // The account knows better: the later figure counts, and users see what they are billed.
        let update = format!(
            "UPDATE {HISTORY} SET CREDITS_ATTRIBUTED_COMPUTE = 0.5 WHERE QUERY_TAG LIKE '%{}%'",
            ids[1]
        );
        emulator.sql(&[update]);
        assert_eq!(works(&site, &["usage", "correct"]).await, said(1, 1));
        let two: Decimal = "0.750000001".parse().unwrap();
        let sum = two + rest;
        assert_eq!(billed(&site).await, [queries, measured, sum, bill(sum)]);
        assert!(works(&site, &["usage", "rate", "--replay"]).await.starts_with(replayed));
        let verified = works(&site, &["audit", "verify"]).await;
        assert!(verified.contains("chain \"usage/corrections\": 3 records"), "{verified}");
        let own = "SELECT credits FROM tollgate.my_usage WHERE 'shop.items' = ANY(tables)";
        assert_eq!(asked(&root, own).await, [sum.normalize().to_string()]);
        let one = "SELECT cost FROM tollgate.my_queries WHERE query_id = ";
        let cost = asked(&root, &format!("{one}'{}'", ids[0])).await;
        assert_eq!(cost, ["0.760000003"]);

        // They are records like others.
        let events = works(&site, &["audit", "export", "--format", "records"]).await;
        let corrections = events.lines().filter(|line| line.contains("\"correction\"")).count();
        assert_eq!(corrections, 3);

        // A statement with two rows is one of the time at which the first began.
        attributes(
            &emulator,
            fourth,
            ["0.125", "NULL"],
            OWN,
            "DATEADD(minute, -5, CURRENT_TIMESTAMP())",
        );
        attributes(&emulator, fourth, ["0.25", "NULL"], OWN, NOW);
        let later = ["usage", "correct", "--from", records[0]["time"].as_str().unwrap()];
        assert_eq!(works(&site, &later).await, said(0, 2));
        assert_eq!(works(&site, &["usage", "correct"]).await, said(1, 2));
        let sum = two + receipt(ids[2]) + Decimal::new(375, 3);
        assert_eq!(billed(&site).await, [queries, measured, sum, bill(sum)]);
        // With what the user asked for about that.
        let replayed = "6 receipts are rated as before, 0 otherwise";
        assert!(works(&site, &["usage", "rate", "--replay"]).await.starts_with(replayed));
        server.stop().await;
    });
}

/// Replicas share a PostgreSQL: whoever corrects, and if several do at once, each statement is corrected
/// once, wherever it ran.
#[test]
fn replicas_correct_a_common_ledger_once() {
    run(async {
        let (place, path) = shared("ledger-corrected").await;
        let replicas = [
            replica(&place, &path, "a").await.unwrap(),
            replica(&place, &path, "b").await.unwrap(),
        ];
        let price = Price {
            name: "p".to_owned(),
            currency: "USD".to_owned(),
            per_credit: Decimal::from(3),
            ..Price::default()
        };
        let id = |chain: usize, number: usize| format!("{chain}-{number}");
        for number in 0..300 {
            for (chain, ledger) in replicas.iter().enumerate() {
                let id = id(chain, number);
                ledger.decide(decision(&id)).durable().await.unwrap();
                let receipt = Receipt {
                    id: &id,
                    principal: "ana",
                    outcome: "complete",
                    warehouse: Some("lake"),
                    credits: Some(Decimal::ONE),
                    price: Some(price.clone()),
                    ..Receipt::default()
                };
                ledger.note(Entry::receipt(&receipt, false).unwrap());
            }
        }
        runtime().spawn_blocking(|| drop(replicas)).await.unwrap();
        let all = (0..2).flat_map(|chain| (0..300).map(move |number| id(chain, number)));
        let figure =
            |query| Figure { warehouse: "lake".to_owned(), query, credits: Decimal::new(5, 1) };
        let figures: Vec<Figure> = all.map(figure).collect();
        let key = SigningKey::read(&path).unwrap();
        let correct = async || {
            let mut corrections = Corrections::open(&place, &key, None).await.unwrap();
            let done = corrections.take(&figures).await.unwrap();
            corrections.close().await.unwrap();
            done
        };
        // The first makes the chain.
        let mut first = Corrections::open(&place, &key, None).await.unwrap();
        assert_eq!(first.take(&figures[..1]).await.unwrap().corrected, 1);
        first.close().await.unwrap();
        let (one, other) = tokio::join!(correct(), correct());
        assert_eq!((one.corrected + other.corrected, one.same + other.same), (599, 601));
        let report = verify(&place, &[key.public()], &[]).await.unwrap();
        assert_eq!(report.problems, []);
        let chains: Vec<_> = report.chains.iter().map(|c| (c.name.as_str(), c.records)).collect();
        assert_eq!(chains, [("a", 600), ("b", 600), (CORRECTIONS, 600)]);
        let replayed = replay(&place).await.unwrap();
        assert_eq!((replayed.same, replayed.differing, replayed.unproven), (600, 0, 0));
        let invoices = invoices(&place, 0, i64::MAX).await.unwrap();
        assert_eq!(invoices[0].total, Decimal::from(900));
        // One asks at intervals, until it is gone; the next one knows when.
        let mut one = Corrections::open(&place, &key, None).await.unwrap();
        let mut other = Corrections::open(&place, &key, None).await.unwrap();
        assert!(one.lease("lake").await.unwrap());
        assert!(!other.lease("lake").await.unwrap());
        assert!(other.lease("sales").await.unwrap());
        assert_eq!(other.asked("lake").await.unwrap(), None);
        for at in [7, 9] {
            one.note_asked("lake", at).await.unwrap();
            assert_eq!(other.asked("lake").await.unwrap(), Some(at));
        }
        one.close().await.unwrap();
        assert!(other.lease("lake").await.unwrap());
        assert_eq!(other.asked("sales").await.unwrap(), None);
        other.close().await.unwrap();
        // A replica that starts later takes no offence at a chain that isn't a replica's.
        let late = replica(&place, &path, "c").await.unwrap();
        assert_eq!(late.interrupted(), 0);
        runtime().spawn_blocking(|| drop(late)).await.unwrap();
        // What nobody recorded is found here as well.
        let client = Postgres::shared().await.connect("ledger-corrected").await;
        client
            .inner
            .batch_execute("UPDATE corrections SET credits = '0.1' WHERE seq = 4")
            .await
            .unwrap();
        let replayed = replay(&place).await.unwrap();
        assert_eq!((replayed.differing, replayed.unproven), (2, 2));
        // What was rated before there were corrections gets the names that accounts know.
        let before = "DROP TABLE corrections; DROP TABLE asked; DROP INDEX rated_by_query; \
                      ALTER TABLE rated DROP COLUMN query; UPDATE tollgate_ledger SET version = 3";
        client.inner.batch_execute(before).await.unwrap();
        Corrections::open(&place, &key, None).await.unwrap().close().await.unwrap();
        let names = "SELECT count(*) FROM rated WHERE query = 'lake/' || (body::json ->> 'id')";
        let row = client.inner.query_one(names, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 600);
    });
}

/// A gateway that is told to does the same by itself.
#[test]
fn a_gateway_asks_its_account_at_intervals() {
    run(async {
        let keys = [KEYS[0], KEYS[1], "attribution = \"1s\""];
        let (site, emulator) = over("credits-attributed", &keys, PRICE).await;
        keeps_history(&emulator);
        let server = site.serve().await;
        let root = site.connect("root").await;
        assert_eq!(root.simple(ALL).await.rows().len(), 10);
        ended(&site, 1).await;
        attributes(&emulator, &tags(&emulator)[0], ["0.125", "NULL"], OWN, NOW);
        let wanted: Decimal = "0.125".parse().unwrap();
        let mut found = billed(&site).await;
        for _ in 0..1_200 {
            if found[2] == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            found = billed(&site).await;
        }
        assert_eq!(found, [Decimal::ONE, Decimal::ONE, wanted, "0.385".parse().unwrap()]);
        // The next one knows when that was.
        let place = Place::Sqlite(site.folder.join("ledger.db"));
        let key = SigningKey::read(&site.folder.join("ledger.key")).unwrap();
        let mut corrections = Corrections::open(&place, &key, None).await.unwrap();
        let mut asked = None;
        for _ in 0..1_200 {
            asked = corrections.asked("main").await.unwrap();
            if asked.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ago = i64::try_from(now.as_micros()).unwrap() - asked.unwrap();
        assert!((0..600_000_000).contains(&ago), "{ago}");
        assert_eq!(corrections.asked("other").await.unwrap(), None);
        server.stop().await;
    });
}
