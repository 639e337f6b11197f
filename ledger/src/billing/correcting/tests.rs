//! Corrections: once for each figure, billed from then on, provable, and the same again from the records.

use std::path::Path;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromStr;

use super::super::{Key, Price, Rated, invoices, rate, rated, replay, report};
use super::{CORRECTIONS, Corrected, Corrections, Figure};
use crate::history::{Days, Queries, Whose};
use crate::prune::prune;
use crate::record::now;
use crate::testing::{block_on, decision};
use crate::verify::{Finding, verify};
use crate::{Entry, Ledger, LedgerError, Options, Place, PublicKey, Reader, Receipt, SigningKey};

fn money(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

struct World {
    folder: tempfile::TempDir,
    place: Place,
    key: SigningKey,
}

/// Queries that were charged a credit each, at three a credit, by their ids; `free` was charged nothing.
fn world(queries: &[&str]) -> World {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Sqlite(folder.path().join("ledger.db"));
    used(folder.path(), &place, queries);
    let key = SigningKey::read(&folder.path().join("ledger.key")).unwrap();
    World { folder, place, key }
}

fn used(folder: &Path, place: &Place, queries: &[&str]) {
    let ledger = Ledger::open(Options::at(place.clone(), folder.join("ledger.key"))).unwrap();
    for id in queries {
        block_on(ledger.decide(decision(id, "SELECT 1")).durable()).unwrap();
        let price = Price {
            name: "p".to_owned(),
            currency: "USD".to_owned(),
            per_query: money("0.01"),
            per_credit: money("3"),
            ..Price::default()
        };
        let receipt = Receipt {
            id,
            principal: "ana",
            tenant: Some("acme"),
            warehouse: Some("lake"),
            outcome: "complete",
            credits: (*id != "free").then_some(Decimal::ONE),
            price: Some(price),
            ..Receipt::default()
        };
        ledger.note(Entry::receipt(&receipt, false).unwrap());
    }
}

fn figure(query: &str, credits: &str) -> Figure {
    Figure { warehouse: "lake".to_owned(), query: query.to_owned(), credits: money(credits) }
}

impl World {
    fn take(&self, figures: &[Figure]) -> Result<Corrected, LedgerError> {
        block_on(async {
            let mut corrections = Corrections::open(&self.place, &self.key).await?;
            let done = corrections.take(figures).await;
            corrections.close().await?;
            done
        })
    }

    /// Credits billed, credits measured and the amount.
    fn sums(&self) -> [String; 3] {
        let sums = block_on(report(&self.place, &[Key::Tenant], 0, i64::MAX)).unwrap();
        let [sum] = sums.as_slice() else { panic!("{sums:?}") };
        let text = |sum: Decimal| sum.normalize().to_string();
        [text(sum.credits), text(sum.measured), text(sum.amount)]
    }

    fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// How many records there are of corrections, in a ledger that is whole.
    fn records(&self) -> i64 {
        let report = block_on(verify(&self.place, &[self.public()], &[])).unwrap();
        assert_eq!(report.problems, []);
        report.chains.iter().find(|chain| chain.name == CORRECTIONS).map_or(0, |c| c.records)
    }

    fn sql(&self, text: &'static str) {
        block_on(async {
            let mut store = crate::store::Store::open(&self.place, None).await.unwrap();
            sqlx::raw_sql(text).execute(&mut store.connection).await.unwrap();
        });
    }

    /// Same, otherwise, unproven.
    fn replayed(&self) -> (usize, usize, usize) {
        let replay = block_on(replay(&self.place)).unwrap();
        (replay.same, replay.differing, replay.unproven)
    }
}

#[test]
fn what_an_account_attributes_is_billed_from_then_on() {
    let world = world(&["a", "b", "c", "free"]);
    block_on(rate(&world.place)).unwrap();
    assert_eq!(world.sums(), ["3", "3", "9.04"]);
    let invoice = || block_on(invoices(&world.place, 0, i64::MAX)).unwrap()[0].total.to_string();
    assert_eq!(invoice(), "9.04");

    let elsewhere = Figure { warehouse: "sales".to_owned(), ..figure("c", "7") };
    let figures =
        [figure("a", "0.25"), figure("b", "1"), figure("free", "2"), figure("x", "9"), elsewhere];
    let done = world.take(&figures).unwrap();
    assert_eq!(done, Corrected { corrected: 1, same: 1, unknown: 3, refused: 0 });
    assert_eq!(world.sums(), ["2.25", "3", "6.79"]);
    assert_eq!((invoice().as_str(), world.records()), ("6.79", 1));
    assert_eq!(world.replayed(), (4, 0, 0));

    // Again: nothing. Another figure takes the place of the first, and may be the measured one.
    let done = world.take(&figures).unwrap();
    assert_eq!(done, Corrected { corrected: 0, same: 2, unknown: 3, refused: 0 });
    assert_eq!(world.records(), 1);
    for (credits, amount, records) in [("2.000000001", "12.040000003", 2), ("1", "9.04", 3)] {
        assert_eq!(world.take(&[figure("a", credits)]).unwrap().corrected, 1);
        assert_eq!(world.sums()[2], amount);
        assert_eq!((world.records(), world.replayed()), (records, (4, 0, 0)));
    }
    for absurd in ["-1", "79228162514264337593543950335"] {
        let done = world.take(&[figure("a", absurd)]).unwrap();
        assert_eq!(done, Corrected { refused: 1, ..Corrected::default() });
    }
    assert_eq!(world.records(), 3);

    // A correction says by itself what it is about.
    let mut texts = Vec::new();
    block_on(async {
        let mut reader = Reader::open(&world.place).await.unwrap();
        let each = reader.each(|stored| {
            if stored.chain == CORRECTIONS {
                texts.push(serde_json::from_str::<serde_json::Value>(&stored.json).unwrap());
            }
            Ok::<_, LedgerError>(())
        });
        each.await.unwrap();
    });
    let said = serde_json::json!({
        "seq": 1, "time": texts[0]["time"], "record": "correction", "id": "a", "principal": "ana",
        "tenant": "acme", "warehouse": "lake", "of": { "chain": "main", "seq": 2 },
        "credits": "0.25", "measured": "1", "currency": "USD", "amount": "0.76"
    });
    assert_eq!(texts[0], said);
    // What is rated later, and who asks for records, has it as well.
    used(world.folder.path(), &world.place, &["d"]);
    assert_eq!(world.take(&[figure("d", "4"), figure("a", "0.5")]).unwrap().corrected, 2);
    block_on(async {
        for whose in [Whose::Everyone, Whose::Of("ana".to_owned())] {
            let mut queries = Queries::open(&world.place, whose.clone()).await.unwrap();
            let mut credits = Vec::new();
            while let Some(query) = queries.next().await.unwrap() {
                credits.push(query.receipt.unwrap().credits.map(|credits| credits.to_string()));
            }
            let wanted = [Some("4"), None, Some("1"), Some("1"), Some("0.5")];
            assert_eq!(credits, wanted.map(|text| text.map(str::to_owned)));
            let mut days = Days::open(&world.place, whose).await.unwrap();
            let (mut sum, mut cost) = (Decimal::ZERO, Decimal::ZERO);
            while let Some(day) = days.next().await.unwrap() {
                sum += day.iter().map(|day| day.credits).sum::<Decimal>();
                cost += day.iter().map(|day| day.cost).sum::<Decimal>();
            }
            assert_eq!((sum, cost), (money("6.5"), money("19.55")));
        }
    });
    assert_eq!(world.sums(), ["6.5", "4", "19.55"]);
}

#[test]
fn corrections_without_a_record_are_found() {
    // A record that is changed; a correction that no record makes, that says something else, that was
    // taken out, or that is of another receipt; and a bill without one.
    for (edit, edited, found) in [
        ("UPDATE records SET body = replace(body, '0.25', '0.26') WHERE kind = 4", 1, (2, 0, 1)),
        ("INSERT INTO corrections VALUES (1, 4, 2, '9')", 0, (1, 1, 1)),
        ("UPDATE corrections SET credits = '9'", 0, (1, 1, 1)),
        ("DELETE FROM corrections", 0, (1, 1, 1)),
        ("UPDATE corrections SET seq = 4", 0, (0, 2, 1)),
        ("UPDATE rated SET body = replace(body, '0.25', '0.26')", 0, (1, 1, 0)),
    ] {
        let world = world(&["a", "b"]);
        assert_eq!(world.take(&[figure("a", "0.25")]).unwrap().corrected, 1);
        assert_eq!(world.replayed(), (2, 0, 0));
        world.sql(edit);
        let report = block_on(verify(&world.place, &[world.public()], &[])).unwrap();
        assert_eq!(report.count, edited, "{edit}: {:?}", report.problems);
        let (same, differing, unproven) = world.replayed();
        assert_eq!((same, differing, unproven), (found.0, found.1, found.2), "{edit}");
    }
    // The chain of corrections can't be cut short either, nor written on by somebody without the key.
    let world = world(&["a", "b"]);
    world.take(&[figure("a", "0.25"), figure("b", "0.5")]).unwrap();
    world.sql("DELETE FROM records WHERE kind = 4 AND seq = 2");
    let report = block_on(verify(&world.place, &[world.public()], &[])).unwrap();
    assert_eq!(report.problems[0].finding, Finding::Removed);
    world.sql("UPDATE chains SET seq = 1 WHERE name = 'usage/corrections'");
    let refused = world.take(&[figure("a", "0.75")]).unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged(_)), "{refused}");
    let other = tempfile::tempdir().unwrap();
    let other = SigningKey::open(&other.path().join("other.key")).unwrap();
    let refused = block_on(Corrections::open(&world.place, &other)).err().unwrap();
    assert!(matches!(refused, LedgerError::OtherKey(_)), "{refused}");
}

#[test]
fn two_at_once_correct_once_beside_a_gateway() {
    let names: Vec<String> = (0..300).map(|number| format!("q{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = world(&names);
    let options = Options::at(world.place.clone(), world.folder.path().join("ledger.key"));
    let ledger = Ledger::open(options).unwrap();
    let figures: Vec<Figure> = names.iter().map(|name| figure(name, "0.5")).collect();
    let done = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| world.take(&figures)));
        crate::testing::run(&ledger, "meanwhile", "SELECT 1");
        threads.map(|thread| thread.join().unwrap().unwrap())
    });
    drop(ledger);
    assert_eq!(done[0].corrected + done[1].corrected, 300);
    assert_eq!(done[0].same + done[1].same, 300);
    assert_eq!(world.records(), 300);
    block_on(rate(&world.place)).unwrap();
    assert_eq!(world.replayed(), (301, 0, 0));
}

#[test]
fn retention_deletes_corrections_and_keeps_what_was_billed() {
    let world = world(&["a", "b"]);
    world.take(&[figure("a", "0.25")]).unwrap();
    let before = world.sums();
    let cuts = block_on(prune(&world.place, &world.key, now() + 1, false)).unwrap();
    assert_eq!(cuts.iter().map(|cut| cut.records).collect::<Vec<_>>(), [4, 1]);
    assert_eq!((world.sums(), world.records()), (before, 0));
    assert_eq!(block_on(replay(&world.place)).unwrap().gone, 2);
    assert_eq!(world.replayed(), (0, 0, 0));
    // What was billed can be corrected without its receipt.
    assert_eq!(world.take(&[figure("b", "0.25")]).unwrap().corrected, 1);
    assert_eq!((world.sums()[0].as_str(), world.records()), ("0.5", 1));
    assert_eq!(world.replayed(), (0, 0, 0));
    let mut lines: Vec<Rated> = Vec::new();
    let visit = |line| {
        lines.push(line);
        Ok(())
    };
    block_on(rated(&world.place, 0, i64::MAX, visit)).unwrap();
    assert_eq!(lines.iter().filter(|line| line.measured == Some(Decimal::ONE)).count(), 2);
}

/// A ledger that an older program has written can be replayed as it is, and is brought up to date when it
/// is written.
#[test]
fn ledgers_from_before_corrections_are_read() {
    let world = world(&["a"]);
    block_on(rate(&world.place)).unwrap();
    world.sql(
        "DROP TABLE corrections; DROP INDEX rated_by_query; ALTER TABLE rated DROP COLUMN query; \
         UPDATE tollgate_ledger SET version = 3",
    );
    assert_eq!(world.replayed(), (1, 0, 0));
    assert_eq!(world.records(), 0);
    // Its queries have no names that the account knows.
    assert_eq!(world.take(&[figure("a", "0.25")]).unwrap().unknown, 1);
    assert_eq!(world.replayed(), (1, 0, 0));
}
