//! Prices by who and when, exact sums, and the same again from the receipts.

use std::path::Path;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromStr;

use super::{Book, Key, Payer, Price, PriceError, invoices, rate, replay, report};
use crate::testing::{block_on, decision};
use crate::{Entry, Ledger, Options, Place, Receipt};

fn money(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn price(name: &str, to: Payer, per_query: &str) -> Price {
    Price {
        name: name.to_owned(),
        to,
        currency: "USD".to_owned(),
        per_query: money(per_query),
        per_gb_scanned: money("0.005"),
        per_million_rows: money("0.10"),
    }
}

fn place(folder: &Path) -> Place {
    Place::Sqlite(folder.join("ledger.db"))
}

/// Queries of tenants with roles, rows and scanned bytes.
fn used(folder: &Path, queries: &[(&str, &str, u64, Option<u64>, &'static str)]) {
    let ledger = Ledger::open(Options::at(place(folder), folder.join("ledger.key"))).unwrap();
    for (number, (tenant, role, rows, scanned, outcome)) in queries.iter().enumerate() {
        let id = format!("{}-{number}", crate::record::now());
        block_on(ledger.decide(decision(&id, "SELECT 1")).durable()).unwrap();
        let receipt = Receipt {
            id: &id,
            principal: "ana",
            tenant: Some(tenant),
            roles: &[(*role).to_owned()],
            tables: &["crm.customers".to_owned()],
            outcome,
            rows: *rows,
            scanned: *scanned,
            ..Receipt::default()
        };
        ledger.note(Entry::receipt(&receipt, false).unwrap());
    }
}

#[test]
fn the_same_receipts_give_the_same_invoice_to_the_cent() {
    let folder = tempfile::tempdir().unwrap();
    used(folder.path(), &[]);
    let place = place(folder.path());
    let prices = [
        price("standard", Payer::Everyone, "0.0001"),
        price("heavy", Payer::Role("analyst".to_owned()), "0.001"),
        price("contract", Payer::Tenant("globex".to_owned()), "0"),
    ];
    block_on(Book::add(&place, &prices, 0)).unwrap();
    used(
        folder.path(),
        &[
            ("acme", "reader", 1, Some(1), "complete"),
            ("acme", "analyst", 1_000_000, Some(123_456_789_012), "complete"),
            ("acme", "analyst", 3, None, "failed"),
            ("acme", "analyst", 3, Some(7), "denied"),
            ("acme", "analyst", 3, Some(7), "interrupted"),
            ("globex", "analyst", 7, Some(1_000_000_000), "canceled"),
        ],
    );
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

    let late = block_on(Book::add(&place, &[price("standard", Payer::Everyone, "5")], 1));
    assert!(matches!(late, Err(PriceError::Rated(_))), "{late:?}");
    // A price of later changes nothing of what was.
    block_on(Book::add(&place, &[price("standard", Payer::Everyone, "5")], i64::MAX - 1)).unwrap();
    let again = block_on(replay(&place)).unwrap();
    assert_eq!((again.same, again.differing, again.new, again.gone), (6, 0, 0, 0));
    assert_eq!(block_on(invoices(&place, all.0, all.1)).unwrap(), before);
}

#[test]
fn what_was_changed_after_rating_shows_in_a_replay() {
    let folder = tempfile::tempdir().unwrap();
    used(folder.path(), &[]);
    let place = place(folder.path());
    block_on(Book::add(&place, &[price("standard", Payer::Everyone, "1")], 0)).unwrap();
    used(folder.path(), &[("acme", "reader", 1, None, "complete"); 3]);
    block_on(rate(&place)).unwrap();
    block_on(async {
        let mut store = crate::store::Store::reopen(&place, None).await.unwrap();
        let change = "UPDATE rated SET body = replace(body, '\"acme\"', '\"none\"') WHERE seq = 2";
        sqlx::raw_sql(change).execute(&mut store.connection).await.unwrap();
    });
    let again = block_on(replay(&place)).unwrap();
    assert_eq!((again.same, again.differing), (2, 1));
    assert_eq!(again.differ[0].1.tenant, "acme");
}

#[test]
fn a_price_is_valid_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    used(folder.path(), &[]);
    let place = place(folder.path());
    let add = |price: Price, from: i64| block_on(Book::add(&place, &[price], from));
    add(price("p", Payer::Everyone, "1"), 100).unwrap();
    add(price("p", Payer::Everyone, "2"), 200).unwrap();
    block_on(Book::end(&place, &["p".to_owned()], 300)).unwrap();
    let book = block_on(Book::read(&place)).unwrap();
    let at = |time: i64| {
        let found = book.price(&crate::Body::default(), time);
        found.map(|price| price.per_query.to_string())
    };
    assert_eq!(
        [99, 100, 199, 200, 299, 300].map(at),
        [None, Some("1"), Some("1"), Some("2"), Some("2"), None].map(|p| p.map(str::to_owned))
    );
    let earlier = add(price("p", Payer::Everyone, "3"), 200);
    assert!(matches!(earlier, Err(PriceError::Earlier(_))));
    for wrong in ["-1", "0.0000000001", "1000000001"] {
        let wrong = add(price("q", Payer::Everyone, wrong), 0);
        assert!(matches!(wrong, Err(PriceError::Amount(_))), "{wrong:?}");
    }
    let euro = Price { currency: "euro".to_owned(), ..price("q", Payer::Everyone, "1") };
    assert!(matches!(add(euro, 0), Err(PriceError::Currency(_))));
}

#[test]
fn sums_of_thirds_of_cents_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let site = place(folder.path());
    used(folder.path(), &[]);
    block_on(Book::add(&site, &[price("p", Payer::Everyone, "0.003333333")], 0)).unwrap();
    used(folder.path(), &[("acme", "reader", 0, None, "complete"); 30]);
    block_on(rate(&site)).unwrap();
    let sums = block_on(report(&site, &[], 0, i64::MAX)).unwrap();
    assert_eq!(sums[0].amount, money("0.09999999"));
    assert_eq!(block_on(invoices(&site, 0, i64::MAX)).unwrap()[0].total, money("0.10"));
}
