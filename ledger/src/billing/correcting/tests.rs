//! Corrections: once for each figure, billed from then on, provable, and the same again from the records.

use std::path::Path;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromStr;
use sqlx::Row;

use super::super::{Key, Price, Rated, invoices, rate, rated, replay, report};
use super::{CORRECTIONS, Corrected, Corrections, Figure};
use crate::history::{Days, Queries, Whose};
use crate::prune::prune;
use crate::record::{Correction, now};
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
            let mut corrections = Corrections::open(&self.place, &self.key, None).await?;
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

    fn sql(&self, text: impl Into<String>) {
        block_on(self.run(&text.into()));
    }

    async fn run(&self, text: &str) {
        let mut store = crate::store::Store::open(&self.place, None).await.unwrap();
        sqlx::raw_sql(text).execute(&mut store.connection).await.unwrap();
    }

    /// The tenant, user, credits measured and attributed, and the amount of the first correction.
    fn correction(&self) -> [String; 5] {
        block_on(async {
            let mut store = crate::store::Store::open_to_read(&self.place).await.unwrap();
            let query = "SELECT body FROM records WHERE kind = 4 AND seq = 1";
            let row = sqlx::query(query).fetch_one(&mut store.connection).await.unwrap();
            let said: Correction = serde_json::from_str(row.get(0)).unwrap();
            let Correction { tenant, principal, measured, credits, amount, .. } = said;
            [tenant, principal, measured.to_string(), credits.to_string(), amount.to_string()]
        })
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
    let refused = block_on(Corrections::open(&world.place, &other, None)).err().unwrap();
    assert!(matches!(refused, LedgerError::OtherKey(_)), "{refused}");
}

/// What was rated is made again by the program itself, so that the bill fits the table of corrections: what
/// gives a forged one away is that no record made it.
#[test]
fn bills_by_corrections_that_no_record_made_are_found() {
    for forged in [
        "INSERT INTO corrections VALUES (1, 4, 0, '0')",
        "INSERT INTO corrections VALUES (1, 4, -1, '0'), (1, 6, -2, '0')",
        "INSERT INTO corrections VALUES (1, 4, 2, '0')",
        "INSERT INTO corrections VALUES (1, 4, 9223372036854775807, '0')",
        "DELETE FROM records WHERE kind = 4; UPDATE corrections SET credits = '0'",
    ] {
        for corrected in [false, true] {
            let world = world(&["a", "b", "c"]);
            if corrected {
                world.take(&[figure("a", "0.25")]).unwrap();
            } else if forged.starts_with("DELETE") {
                continue;
            }
            world.sql(forged);
            world.sql("DELETE FROM rated");
            block_on(rate(&world.place)).unwrap();
            assert_ne!(world.sums()[2], if corrected { "6.78" } else { "9.03" });
            let forgeries = forged.matches("(1,").count().max(1);
            assert_eq!(world.replayed(), (3, 0, forgeries), "{forged}");
        }
    }
}

/// Retention leaves numbers of corrections unused, and receipts where an export holds them back.
#[test]
fn what_retention_has_deleted_proves_no_correction_of_what_it_has_not() {
    let world = world(&["a", "b"]);
    world.take(&[figure("a", "0.25")]).unwrap();
    world.take(&[figure("a", "0.5")]).unwrap();
    let prune = || block_on(prune(&world.place, &world.key, now() + 1, false)).unwrap();
    let deleted = |cuts: Vec<crate::Cut>| cuts.iter().map(|cut| cut.records).collect::<Vec<_>>();
    world.sql("INSERT INTO exports VALUES ('x', 1, 0, 1), ('x', 2, 2, 3)");
    assert_eq!(deleted(prune()), [0, 0]);
    assert_eq!((world.replayed(), world.records()), ((2, 0, 0), 2));
    // The receipt of the other query stays.
    world.sql("UPDATE exports SET seq = 2, needs_from = 3 WHERE chain = 1");
    assert_eq!(deleted(prune()), [2, 2]);
    assert_eq!((world.replayed(), world.records()), ((1, 0, 0), 0));
    world.sql("INSERT INTO corrections VALUES (1, 4, 1, '0')");
    world.sql("DELETE FROM rated WHERE seq = 4");
    block_on(rate(&world.place)).unwrap();
    assert_eq!(world.replayed(), (1, 0, 1));
    // So does one of a receipt that is still to come.
    world.sql("UPDATE corrections SET seq = 6 WHERE seq = 4");
    assert_eq!(world.replayed(), (0, 1, 1));
}

/// The key signs what the receipt says, whatever became of the line that was made of it.
#[test]
fn nothing_is_signed_of_what_was_rated_but_what_its_receipt_says() {
    // Another query's name.
    let world = world(&["a", "b"]);
    block_on(rate(&world.place)).unwrap();
    world.sql("UPDATE rated SET query = CASE seq WHEN 2 THEN 'lake/b' ELSE 'lake/a' END");
    assert_eq!(world.replayed(), (0, 2, 0));
    let done = world.take(&[figure("a", "0.25")]).unwrap();
    assert_eq!(done, Corrected { refused: 1, ..Corrected::default() });
    assert_eq!(world.records(), 0);
    // One more name hides nothing.
    world.sql("UPDATE rated SET query = 'lake/b'");
    let done = world.take(&[figure("a", "0.25"), figure("b", "0.5")]).unwrap();
    assert_eq!(done, Corrected { corrected: 1, unknown: 1, ..Corrected::default() });

    // Another line, for a while.
    for edit in [
        "UPDATE rated SET body = replace(body, 'acme', 'evil'), tenant = 'evil'",
        "UPDATE rated SET body = replace(body, '\"per_credit\":\"3\"', '\"per_credit\":\"9\"')",
        "UPDATE rated SET body = replace(body, '\"credits\":\"1\"', '\"credits\":\"7\"')",
        "UPDATE rated SET body = replace(body, 'ana', 'bob'), principal = 'bob'",
    ] {
        let world = self::world(&["a"]);
        block_on(rate(&world.place)).unwrap();
        world.sql("CREATE TABLE backup AS SELECT * FROM rated");
        world.sql(edit);
        assert_eq!(world.replayed(), (0, 1, 0), "{edit}");
        assert_eq!(world.take(&[figure("a", "0.25")]).unwrap().corrected, 1);
        let said = world.correction();
        let wanted = ["acme", "ana", "1", "0.25", "0.76"].map(str::to_owned);
        assert_eq!(said, wanted, "{edit}");
        world.sql(
            "UPDATE rated SET tenant = backup.tenant, principal = backup.principal FROM backup",
        );
        assert_eq!(world.replayed(), (1, 0, 0), "{edit}");
    }

    // A receipt that was taken away for a while is none that retention has deleted.
    let world = self::world(&["a"]);
    block_on(rate(&world.place)).unwrap();
    world.sql(
        "UPDATE rated SET body = replace(body, 'acme', 'evil'); \
         CREATE TABLE backup AS SELECT * FROM records; DELETE FROM records; \
         INSERT INTO cuts VALUES (1, 2, zeroblob(32), 0, zeroblob(64))",
    );
    let done = world.take(&[figure("a", "0.25")]).unwrap();
    assert_eq!(done, Corrected { refused: 1, ..Corrected::default() });
}

/// A correction is proven by its receipt, and a rated line in all that bills are made of.
#[test]
fn a_replay_compares_all_that_a_bill_rests_on() {
    // Signed while the receipt was another one.
    for (edit, back) in [
        ("'acme', 'evil'", "'evil', 'acme'"),
        ("'\"credits\":\"1\"', '\"credits\":\"2\"'", "'\"credits\":\"2\"', '\"credits\":\"1\"'"),
        ("'USD', 'EUR'", "'EUR', 'USD'"),
        (
            "'\"per_credit\":\"3\"', '\"per_credit\":\"9\"'",
            "'\"per_credit\":\"9\"', '\"per_credit\":\"3\"'",
        ),
        ("'ana', 'bob'", "'bob', 'ana'"),
    ] {
        let world = world(&["a"]);
        let replace = |what: &str| {
            world.sql(format!("UPDATE records SET body = replace(body, {what}) WHERE kind = 2"))
        };
        replace(edit);
        assert_eq!(world.take(&[figure("a", "0.25")]).unwrap().corrected, 1);
        replace(back);
        world.sql("DELETE FROM rated");
        block_on(rate(&world.place)).unwrap();
        assert_eq!(world.records(), 1, "{edit}");
        assert_eq!(world.replayed(), (1, 0, 1), "{edit}");
        // Also once a true one has taken its place.
        assert_eq!(world.take(&[figure("a", "0.5")]).unwrap().corrected, 1);
        assert_eq!(world.replayed(), (1, 0, 1), "{edit}");
    }
    for (edit, found) in [
        ("UPDATE rated SET query = NULL WHERE seq = 2", (1, 1, 0)),
        ("UPDATE rated SET query = 'sales/a' WHERE seq = 2", (1, 1, 0)),
        ("UPDATE rated SET at = at - 86400000000 WHERE seq = 2", (1, 1, 0)),
        ("UPDATE rated SET tenant = 'x' WHERE seq = 2", (1, 1, 0)),
        ("UPDATE rated SET principal = 'x' WHERE seq = 2", (1, 1, 0)),
        // Lines of receipts that never were.
        (
            "INSERT INTO rated SELECT chain, 1000, at, tenant, principal, body, NULL FROM rated",
            (2, 1, 0),
        ),
        (
            "INSERT INTO rated SELECT chain, 0, at, tenant, principal, body, NULL FROM rated",
            (2, 1, 0),
        ),
        (
            "INSERT INTO rated SELECT 7, seq, at, tenant, principal, body, NULL FROM rated",
            (2, 2, 0),
        ),
        (
            "INSERT INTO rated SELECT 2, seq, at, tenant, principal, body, NULL FROM rated",
            (2, 2, 0),
        ),
    ] {
        let world = world(&["a", "b"]);
        assert_eq!(world.take(&[figure("a", "0.25")]).unwrap().corrected, 1);
        let edit = match edit.contains("1000") || edit.contains(", 0,") {
            true => format!("{edit} WHERE seq = 2"),
            false => edit.to_owned(),
        };
        world.sql(edit.clone());
        assert_eq!(world.replayed(), found, "{edit}");
    }
}

/// What a full ledger has no room for isn't corrected either.
#[test]
fn corrections_stay_within_the_bound_of_the_ledger() {
    let names: Vec<String> = (0..400).map(|number| format!("q{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = world(&names);
    let figures: Vec<Figure> = names.iter().map(|name| figure(name, "0.5")).collect();
    block_on(rate(&world.place)).unwrap();
    let Place::Sqlite(file) = &world.place else { unreachable!() };
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let size = std::fs::metadata(file).unwrap().len();
    block_on(async {
        let mut corrections =
            Corrections::open(&world.place, &world.key, Some(size + 16_384)).await.unwrap();
        let full = corrections.take(&figures).await.unwrap_err();
        assert!(full.to_string().contains("full"), "{full}");
    });
    assert_eq!((world.records(), world.replayed()), (0, (400, 0, 0)));
    assert_eq!(world.take(&figures).unwrap().corrected, 400);
}

/// A replica's chain that began after corrections were opened is corrected like others.
#[test]
fn chains_that_come_later_are_corrected() {
    let world = world(&["a"]);
    block_on(async {
        let mut corrections = Corrections::open(&world.place, &world.key, None).await.unwrap();
        let later = "UPDATE chains SET id = 9 WHERE id = 1; UPDATE records SET chain = 9 WHERE chain = 1; \
             UPDATE rated SET chain = 9";
        world.run(later).await;
        let done = corrections.take(&[figure("a", "0.25")]).await.unwrap();
        assert_eq!(done, Corrected { corrected: 1, ..Corrected::default() });
    });
    assert_eq!((world.records(), world.replayed()), (1, (1, 0, 0)));
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
        "DROP TABLE corrections; DROP TABLE asked; DROP INDEX rated_by_query; ALTER TABLE rated DROP COLUMN query; \
         UPDATE tollgate_ledger SET version = 3",
    );
    assert_eq!(world.replayed(), (1, 0, 0));
    assert_eq!(world.records(), 0);
    // Its queries get the names that the account knows.
    assert_eq!(world.take(&[figure("a", "0.25")]).unwrap().corrected, 1);
    assert_eq!(world.replayed(), (1, 0, 0));
}
