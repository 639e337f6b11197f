//! Receipts that name their price, exact sums, and the same again from the receipts.

use std::path::Path;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromStr;

use super::{Key, Price, applied, invoices, rate, replay, report};
use crate::testing::{block_on, decision};
use crate::{Entry, Ledger, Options, Place, Receipt};

fn money(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn price(name: &str, per_query: &str) -> Price {
    Price {
        name: name.to_owned(),
        currency: "USD".to_owned(),
        per_query: money(per_query),
        per_gb_scanned: money("0.005"),
        per_million_rows: money("0.10"),
        per_credit: Decimal::ZERO,
    }
}

fn place(folder: &Path) -> Place {
    Place::Sqlite(folder.join("ledger.db"))
}

type Query<'a> = (&'a str, Option<Price>, u64, Option<u64>, &'static str);

/// Queries of tenants with prices, rows and scanned bytes.
fn used(folder: &Path, queries: &[Query<'_>]) {
    let ledger = Ledger::open(Options::at(place(folder), folder.join("ledger.key"))).unwrap();
    for (number, (tenant, price, rows, scanned, outcome)) in queries.iter().enumerate() {
        let id = format!("{}-{number}", crate::record::now());
        block_on(ledger.decide(decision(&id, "SELECT 1")).durable()).unwrap();
        let receipt = Receipt {
            id: &id,
            principal: "ana",
            tenant: Some(tenant),
            tables: &["crm.customers".to_owned()],
            outcome,
            rows: *rows,
            scanned: *scanned,
            price: price.clone(),
            ..Receipt::default()
        };
        ledger.note(Entry::receipt(&receipt, false).unwrap());
    }
}

#[test]
fn the_same_receipts_give_the_same_invoice_to_the_cent() {
    let folder = tempfile::tempdir().unwrap();
    let [standard, heavy, contract] =
        [("standard", "0.0001"), ("heavy", "0.001"), ("contract", "0")]
            .map(|(name, per_query)| Some(price(name, per_query)));
    used(
        folder.path(),
        &[
            ("acme", standard, 1, Some(1), "complete"),
            ("acme", heavy.clone(), 1_000_000, Some(123_456_789_012), "complete"),
            ("acme", heavy, 3, None, "failed"),
            ("acme", None, 3, Some(7), "denied"),
            ("acme", None, 3, Some(7), "interrupted"),
            ("globex", contract, 7, Some(1_000_000_000), "canceled"),
        ],
    );
    let place = place(folder.path());
    assert_eq!(block_on(rate(&place)).unwrap(), 6);
    assert_eq!(block_on(rate(&place)).unwrap(), 0);
    let all = (0, i64::MAX);
    let sums = block_on(report(&place, &[Key::Tenant, Key::Price], all.0, all.1)).unwrap();
    let sums: Vec<_> =
        sums.iter().map(|s| (s.keys.join("/"), s.queries, s.amount.to_string())).collect();
    let expected = [
        ("acme/", 2, "0"),
        // 0.001 + 0.61728394506 + 0.10, and 0.001 + 0.0000003
        ("acme/heavy", 2, "0.71928424506"),
        ("acme/standard", 1, "0.000100100005"),
        ("globex/contract", 1, "0.0050007"),
    ];
    assert_eq!(sums, expected.map(|(keys, n, amount)| (keys.to_owned(), n, amount.to_owned())));
    let before = block_on(invoices(&place, all.0, all.1)).unwrap();
    let totals: Vec<_> = before.iter().map(|i| (i.tenant.as_str(), i.total.to_string())).collect();
    assert_eq!(totals, [("acme", "0.72".to_owned()), ("globex", "0.01".to_owned())]);

    // Another price under the same name changes nothing of what was, and shows.
    used(folder.path(), &[("acme", Some(price("heavy", "5")), 0, None, "complete")]);
    let again = block_on(replay(&place)).unwrap();
    assert_eq!((again.same, again.differing, again.new, again.gone), (6, 0, 1, 0));
    assert_eq!(block_on(invoices(&place, all.0, all.1)).unwrap(), before);
    block_on(rate(&place)).unwrap();
    let prices = block_on(applied(&place, all.0, all.1)).unwrap();
    let heavy = prices.iter().filter(|applied| applied.price.name == "heavy");
    let heavy: Vec<_> = heavy.map(|a| (a.price.per_query.to_string(), a.queries)).collect();
    assert_eq!(heavy, [("0.001".to_owned(), 2), ("5".to_owned(), 1)]);
}

#[test]
fn what_was_changed_after_rating_shows_in_a_replay() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let query = ("acme", Some(price("standard", "1")), 1, None, "complete");
    used(folder.path(), &[query.clone(), query.clone(), query]);
    block_on(rate(&place)).unwrap();
    block_on(async {
        let mut store = crate::store::Store::reopen(&place, None).await.unwrap();
        for change in [
            "UPDATE rated SET body = replace(body, '\"acme\"', '\"none\"') WHERE seq = 2",
            "UPDATE rated SET body = replace(body, '\"per_query\":\"1\"', '\"per_query\":\"9\"') \
             WHERE seq = 4",
        ] {
            sqlx::raw_sql(change).execute(&mut store.connection).await.unwrap();
        }
    });
    let again = block_on(replay(&place)).unwrap();
    assert_eq!((again.same, again.differing), (1, 2));
    assert_eq!(again.differ[0].1.tenant, "acme");
}

/// A price is a part of the record: `verify` finds that somebody made it cheaper.
#[test]
fn a_changed_price_breaks_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    used(folder.path(), &[("acme", Some(price("standard", "1")), 1, None, "complete")]);
    let key = crate::PublicKey::open(&crate::public_path(&folder.path().join("ledger.key")));
    let keys = [key.unwrap()];
    let verify = || block_on(crate::verify::verify(&place, &keys, &[])).unwrap();
    assert_eq!(verify().problems, []);
    block_on(async {
        let mut store = crate::store::Store::reopen(&place, None).await.unwrap();
        let change = "UPDATE records SET body = \
            replace(body, '\"per_query\":\"1\"', '\"per_query\":\"0.5\"') WHERE seq = 2";
        sqlx::raw_sql(change).execute(&mut store.connection).await.unwrap();
    });
    let found: Vec<_> = verify().problems.iter().map(|problem| problem.seq).collect();
    assert_eq!(found, [2]);
}

#[test]
fn sums_of_thirds_of_cents_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let site = place(folder.path());
    let query = ("acme", Some(price("p", "0.003333333")), 0, None, "complete");
    used(folder.path(), &vec![query; 30]);
    block_on(rate(&site)).unwrap();
    let sums = block_on(report(&site, &[], 0, i64::MAX)).unwrap();
    assert_eq!(sums[0].amount, money("0.09999999"));
    assert_eq!(block_on(invoices(&site, 0, i64::MAX)).unwrap()[0].total, money("0.10"));
}

/// Credits are in the receipt with the price of one: nothing else is needed.
#[test]
fn credits_are_billed_by_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    // Receipts of a ledger that knew of none.
    used(folder.path(), &[("acme", Some(price("p", "1")), 0, None, "complete")]);
    let ledger =
        Ledger::open(Options::at(place.clone(), folder.path().join("ledger.key"))).unwrap();
    for (id, credits) in [("a", "0.016666667"), ("b", "1.5")] {
        block_on(ledger.decide(decision(id, "SELECT 1")).durable()).unwrap();
        let price = Price { per_credit: money("3.00"), ..price("p", "1") };
        let receipt = Receipt {
            id,
            principal: "ana",
            tenant: Some("acme"),
            outcome: "complete",
            credits: Some(money(credits)),
            price: Some(price),
            ..Receipt::default()
        };
        ledger.note(Entry::receipt(&receipt, false).unwrap());
    }
    drop(ledger);
    assert_eq!(block_on(rate(&place)).unwrap(), 3);
    let sums = block_on(report(&place, &[Key::Tenant], 0, i64::MAX)).unwrap();
    // 3, 0.050000001 and 4.5
    assert_eq!((sums[0].credits, sums[0].amount), (money("1.516666667"), money("7.550000001")));
    assert_eq!(block_on(invoices(&place, 0, i64::MAX)).unwrap()[0].total, money("7.55"));
    let again = block_on(replay(&place)).unwrap();
    assert_eq!((again.same, again.differing, again.new), (3, 0, 0));
    block_on(async {
        let mut store = crate::store::Store::reopen(&place, None).await.unwrap();
        let change = "UPDATE rated SET body = replace(body, '0.016666667', '0.01') WHERE seq = 4";
        sqlx::raw_sql(change).execute(&mut store.connection).await.unwrap();
    });
    assert_eq!(block_on(replay(&place)).unwrap().differing, 1);
}

/// What was written before there were credits is read as it was written.
#[test]
fn what_knows_of_no_credits_is_rated_as_before() {
    let receipt = r#"{"seq":2,"time":"2026-01-02T03:04:05.000006Z","record":"receipt","id":"q",
        "principal":"ana","tenant":"acme","tables":["crm.customers"],"outcome":"complete","error":null,
        "rows":1000,"bytes":7,"elapsed_us":5,"scanned":2000000000,
        "price":{"name":"p","currency":"USD","per_query":"1","per_gb_scanned":"0.5"}}"#;
    let before = r#"{"chain":"main","seq":2,"id":"q","at":1767323045000006,"tenant":"acme",
        "principal":"ana","tables":["crm.customers"],"price":"p","currency":"USD",
        "terms":{"name":"p","currency":"USD","per_query":"1","per_gb_scanned":"0.5"},
        "rows":1000,"bytes":7,"scanned":2000000000,"amount":"2"}"#;
    let now = super::rating::rated("main", &serde_json::from_str(receipt).unwrap()).unwrap();
    assert_eq!(now, serde_json::from_str(before).unwrap());
    let written: serde_json::Value = serde_json::to_value(&now).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(before).unwrap());
}
