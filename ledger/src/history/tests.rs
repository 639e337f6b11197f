//! What is read back: whose it is, in which order, over how many pages.

use std::path::Path;

use super::{Days, Queries, Query, Whose};
use crate::testing::block_on;
use crate::{Decision, Entry, Ledger, Options, Place, Receipt};

fn options(folder: &Path) -> Options {
    Options::at(Place::Sqlite(folder.join("ledger.db")), folder.join("ledger.key"))
}

fn decision(id: &str, principal: &str) -> Entry {
    let decision = Decision {
        id,
        principal,
        tenant: None,
        roles: Vec::new(),
        address: String::new(),
        application: "",
        dialect: None,
        sql: "SELECT 1",
        secured_sql: None,
        bundle: "",
        snapshot: 1,
        tables: vec!["shop.items".to_owned()],
        policies: Vec::new(),
        outcome: "permitted",
        error: None,
    };
    Entry::decision(&decision, false).unwrap()
}

fn receipt(id: &str, principal: &str, outcome: &'static str) -> Entry {
    let tables = ["shop.items".to_owned()];
    let receipt = Receipt {
        id,
        principal,
        outcome,
        tables: &tables,
        rows: 2,
        bytes: 5,
        ..Receipt::default()
    };
    Entry::receipt(&receipt, false).unwrap()
}

async fn all(folder: &Path, whose: Whose) -> Vec<Query> {
    let mut queries = Queries::open(&options(folder).place, whose).await.unwrap();
    let mut found = Vec::new();
    while let Some(query) = queries.next().await.unwrap() {
        found.push(query);
    }
    found
}

fn of(principal: &str) -> Whose {
    Whose::Of(principal.to_owned())
}

#[test]
fn everyone_reads_their_own_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(options(folder.path())).unwrap();
    block_on(async {
        // Two overlap, and one never ends.
        for (id, who) in [("a1", "ana"), ("b1", "bob"), ("a2", "ana"), ("a3", "ana")] {
            ledger.decide(decision(id, who)).durable().await.unwrap();
        }
        ledger.note(receipt("a2", "ana", "complete"));
        ledger.note(receipt("b1", "bob", "failed"));
        ledger.note(receipt("a1", "ana", "denied"));
        ledger.decide(decision("b2", "bob")).durable().await.unwrap();
        let ids = |found: &[Query]| {
            let said = |query: &Query| {
                let ended = query.receipt.as_ref().map(|receipt| receipt.outcome.clone());
                format!("{} {}", query.decision.id, ended.unwrap_or_default())
            };
            found.iter().map(said).collect::<Vec<_>>()
        };
        let ana = all(folder.path(), of("ana")).await;
        assert_eq!(ids(&ana), ["a3 ", "a2 complete", "a1 denied"]);
        assert_eq!(ids(&all(folder.path(), of("bob")).await), ["b2 ", "b1 failed"]);
        for stranger in ["", "an", "ana ", "Ana", "a%", "' OR 1 = 1 --"] {
            assert_eq!(ids(&all(folder.path(), of(stranger)).await), [""; 0], "{stranger}");
        }
        let everyone = all(folder.path(), Whose::Everyone).await;
        assert_eq!(ids(&everyone), ["b2 ", "a3 ", "a2 complete", "b1 failed", "a1 denied"]);
        assert!(everyone.iter().all(|query| query.chain == "main"));

        let mut days = Days::open(&options(folder.path()).place, of("ana")).await.unwrap();
        let sums = days.next().await.unwrap().unwrap();
        let [sum] = sums.as_slice() else { panic!("{sums:?}") };
        assert_eq!((sum.queries, sum.refused, sum.rows, sum.bytes), (2, 1, 4, 10));
        assert_eq!(
            (sum.principal.as_str(), sum.tables.as_slice()),
            ("ana", &["shop.items".to_owned()][..])
        );
        // Unless midnight came in between.
        assert!(days.next().await.unwrap().is_none());
    });
}

#[test]
fn pages_leave_nothing_out_and_repeat_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(options(folder.path())).unwrap();
    block_on(async {
        let mut pending = Vec::new();
        for number in 0..1700 {
            let who = if number % 10 == 0 { "bob" } else { "ana" };
            pending.push(ledger.decide(decision(&number.to_string(), who)));
        }
        for pending in pending {
            pending.durable().await.unwrap();
        }
        for number in 0..1700 {
            let who = if number % 10 == 0 { "bob" } else { "ana" };
            ledger.note(receipt(&number.to_string(), who, "complete"));
        }
        ledger.decide(decision("last", "eve")).durable().await.unwrap();
        for (whose, count) in [(of("ana"), 1530), (of("bob"), 170), (Whose::Everyone, 1701)] {
            let found = all(folder.path(), whose.clone()).await;
            let mut numbers: Vec<i32> =
                found.iter().filter_map(|query| query.decision.id.parse().ok()).collect();
            assert_eq!(found.len(), count, "{whose:?}");
            let open = found.iter().filter(|query| query.receipt.is_none()).count();
            assert_eq!(open, usize::from(whose == Whose::Everyone));
            assert!(numbers.is_sorted_by(|one, other| one > other) || whose != Whose::Everyone);
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count - open);
        }
        let mut days = Days::open(&options(folder.path()).place, Whose::Everyone).await.unwrap();
        let mut queries = 0;
        while let Some(sums) = days.next().await.unwrap() {
            queries += sums.iter().map(|sum| sum.queries).sum::<u64>();
        }
        assert_eq!(queries, 1700);
    });
}

/// What nobody asks for isn't read: a record there that is none would be an error.
#[test]
fn what_is_older_than_asked_for_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(options(folder.path())).unwrap();
    block_on(async {
        for id in ["old", "late", "new"] {
            ledger.decide(decision(id, "ana")).durable().await.unwrap();
            ledger.note(receipt(id, "ana", "complete"));
        }
    });
    drop(ledger);
    let now = crate::record::now();
    let hour = 3_600_000_000;
    block_on(async {
        let place = options(folder.path()).place;
        let mut store = crate::store::Store::reopen(&place, None).await.unwrap();
        for change in [
            format!("UPDATE records SET at = at - {hour} WHERE seq <= 2"),
            "UPDATE records SET body = 'nothing' WHERE seq = 1".to_owned(),
            // It waited for its commit.
            "UPDATE records SET at = at - 60000000 WHERE seq = 3".to_owned(),
        ] {
            sqlx::raw_sql(&change).execute(&mut store.connection).await.unwrap();
        }
        for whose in [of("ana"), Whose::Everyone] {
            let open = async |since| {
                Queries::open(&place, whose.clone()).await.unwrap().since(Some(since))
            };
            let mut queries = open(now - hour / 2).await;
            let mut ids = Vec::new();
            while let Some(query) = queries.next().await.unwrap() {
                ids.push(query.decision.id);
            }
            assert_eq!(ids, ["new", "late"]);
            let mut queries = open(now - hour).await;
            queries.next().await.unwrap().unwrap();
            queries.next().await.unwrap().unwrap();
            assert!(queries.next().await.is_err(), "it is read if it may be asked for");
            let days = Days::open(&place, whose.clone()).await.unwrap();
            let sums = days.since(Some(now - hour / 2)).next().await.unwrap().unwrap();
            assert!(!sums.is_empty());
        }
    });
}

/// What has no price is on the line of what has one; two currencies have two.
#[test]
fn what_is_billed_is_summed_up_by_currency() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(options(folder.path())).unwrap();
    let price = |currency: &str, per_gb: &str| crate::billing::Price {
        name: "p".to_owned(),
        currency: currency.to_owned(),
        per_query: "0.1".parse().unwrap(),
        per_gb_scanned: per_gb.parse().unwrap(),
        per_credit: "2".parse().unwrap(),
        ..Default::default()
    };
    let tables = ["shop.items".to_owned()];
    block_on(async {
        for (id, price, filtered) in [
            ("a", Some(price("USD", "1")), Some(false)),
            ("b", None, None),
            ("c", Some(price("USD", "0")), None),
            ("d", Some(price("EUR", "1")), Some(true)),
            // One of a ledger that didn't note it.
            ("e", Some(price("GBP", "1")), None),
        ] {
            ledger.decide(decision(id, "ana")).durable().await.unwrap();
            let receipt = Receipt {
                id,
                principal: "ana",
                outcome: "complete",
                tables: &tables,
                scanned: Some(500_000_000),
                credits: Some("0.25".parse().unwrap()),
                filtered,
                price,
                ..Receipt::default()
            };
            ledger.note(Entry::receipt(&receipt, false).unwrap());
        }
    });
    drop(ledger);
    let sums = block_on(async {
        let mut days = Days::open(&options(folder.path()).place, of("ana")).await.unwrap();
        days.next().await.unwrap().unwrap()
    });
    let told = sums.iter().map(|sum| {
        let (cost, credits) = (sum.cost.normalize(), sum.credits.normalize());
        format!("{} {} {cost} {credits} {}", sum.currency, sum.queries, sum.tells_cost)
    });
    // The one without a price is on the first line.
    let wanted = ["EUR 2 1.1 0.5 false", "GBP 1 1.1 0.25 false", "USD 2 1.7 0.5 true"];
    assert_eq!(told.collect::<Vec<_>>(), wanted);
}
