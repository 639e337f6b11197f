//! The ledger as a gateway uses it: what is acknowledged is there, what isn't is refused.

mod crash;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::testing::{block_on, decision, receipt, run};
use crate::verify::verify;
use crate::{
    Ledger, LedgerError, Options, Place, Reader, Refusal, SigningKey, Stored, prune, public_path,
};

fn options(folder: &Path) -> Options {
    Options::at(Place::Sqlite(folder.join("ledger.db")), folder.join("ledger.key"))
}

/// All records of a ledger that is closed.
fn records(folder: &Path) -> Vec<Stored> {
    block_on(async {
        let mut reader = Reader::open(&options(folder).place).await.unwrap();
        let mut found = Vec::new();
        reader
            .each(|stored| {
                found.push(stored);
                Ok::<(), LedgerError>(())
            })
            .await
            .unwrap();
        found
    })
}

fn problems(folder: &Path) -> Vec<String> {
    let key = crate::PublicKey::open(&public_path(&folder.join("ledger.key"))).unwrap();
    let report = block_on(verify(&options(folder).place, &[key], &[])).unwrap();
    assert!(report.chains.iter().all(|chain| chain.open == 0), "{report:?}");
    report.problems.iter().map(ToString::to_string).collect()
}

/// What is exported, for a test to read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_acknowledged_is_there_in_order_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let export = Shared::default();
    let ledger =
        Ledger::open(Options { export: Some(Box::new(export.clone())), ..options(folder.path()) });
    let ledger = ledger.unwrap();
    run(&ledger, "one", "SELECT 1");
    run(&ledger, "two", "SELECT 'ü\u{0}\"'");
    drop(ledger);
    let records = records(folder.path());
    let kinds: Vec<_> = records.iter().map(|r| (r.body.seq, r.body.record.as_str())).collect();
    assert_eq!(kinds, [(1, "decision"), (2, "receipt"), (3, "decision"), (4, "receipt")]);
    assert_eq!(records[2].body.sql, "SELECT 'ü\u{0}\"'");
    assert_eq!(records[3].body.rows, 3);
    let lines: String = records.iter().map(|record| format!("{}\n", record.json)).collect();
    assert_eq!(String::from_utf8(export.0.lock().unwrap().clone()).unwrap(), lines);
    assert_eq!(problems(folder.path()), [""; 0]);
}

#[test]
fn files_are_the_owners_own() {
    let folder = tempfile::tempdir().unwrap();
    drop(Ledger::open(options(folder.path())).unwrap());
    for file in ["ledger.db", "ledger.key"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let pem = std::fs::read_to_string(folder.path().join("ledger.pub")).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
}

#[test]
fn many_writers_at_once_share_commits() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(Options { queue: 3, ..options(folder.path()) }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0..25 {
                    run(ledger, &format!("{thread}-{number}"), "SELECT 1");
                }
            });
        }
    });
    drop(ledger);
    assert_eq!(records(folder.path()).len(), 16 * 25 * 2);
    assert_eq!(problems(folder.path()), [""; 0]);
}

#[test]
fn a_query_without_a_receipt_is_interrupted_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(options(folder.path())).unwrap();
    run(&ledger, "done", "SELECT 1");
    block_on(ledger.decide(decision("dying", "SELECT 2")).durable()).unwrap();
    run(&ledger, "done too", "SELECT 3");
    drop(ledger);
    let ledger = Ledger::open(options(folder.path())).unwrap();
    assert_eq!(ledger.interrupted(), 1);
    // It has ended: a receipt that comes late is not a second one.
    ledger.note(receipt("dying"));
    drop(ledger);
    let last = records(folder.path()).pop().unwrap();
    assert_eq!((last.body.id.as_str(), last.body.outcome.as_str()), ("dying", "interrupted"));
    assert_eq!(last.body.tenant.as_deref(), Some("acme"));
    assert_eq!(last.body.tables, ["crm.customers"]);
    assert_eq!(Ledger::open(options(folder.path())).unwrap().interrupted(), 0);
    assert_eq!(problems(folder.path()), [""; 0]);
}

/// Who was told that a decision is not recorded finds nothing of the query.
#[test]
fn a_full_ledger_refuses_and_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = || Options { max_bytes: Some(400_000), ..options(folder.path()) };
    let ledger = Ledger::open(small()).unwrap();
    let text = "x".repeat(4000);
    block_on(ledger.decide(decision("runs", "SELECT 1")).durable()).unwrap();
    let mut recorded = 0;
    let refused = loop {
        let id = format!("q{recorded}");
        match block_on(ledger.decide(decision(&id, &text)).durable()) {
            Ok(()) => ledger.note(receipt(&id)),
            Err(refusal) => break (id, refusal),
        }
        recorded += 1;
        assert!(recorded < 1000, "it never fills");
    };
    assert_eq!(refused.1, Refusal::Full);
    // Queries that ran end all the same: their receipts are kept until there is room.
    ledger.note(receipt(&refused.0));
    ledger.note(receipt("runs"));
    let again = block_on(ledger.decide(decision("again", &text)).durable());
    assert_eq!(again, Err(Refusal::Full));

    drop(ledger);
    let ledger = Ledger::open(options(folder.path())).unwrap();
    run(&ledger, "after", "SELECT 1");
    drop(ledger);
    let records = records(folder.path());
    let decided = records.iter().filter(|r| r.body.record == "decision").count();
    assert_eq!(decided, recorded + 2);
    assert!(!records.iter().any(|r| r.body.id == refused.0 || r.body.id == "again"));
    assert_eq!(problems(folder.path()), [""; 0]);
}

#[test]
fn a_full_ledger_recovers_by_itself_after_retention() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { max_bytes: Some(400_000), ..options(folder.path()) };
    let ledger = Ledger::open(small).unwrap();
    let text = "x".repeat(4000);
    let mut number = 0;
    while block_on(ledger.decide(decision(&format!("q{number}"), &text)).durable()).is_ok() {
        ledger.note(receipt(&format!("q{number}")));
        number += 1;
    }
    let key = SigningKey::read(&folder.path().join("ledger.key")).unwrap();
    let young = crate::record::now();
    let cuts = block_on(prune(&options(folder.path()).place, &key, young, false)).unwrap();
    assert!(cuts[0].records > 0, "{cuts:?}");
    // Nobody has to come for it.
    for _ in 0..600 {
        if ledger.refusal().is_some() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
    run(&ledger, "after", "SELECT 1");
    drop(ledger);
    assert_eq!(records(folder.path()).last().unwrap().body.id, "after");
    assert_eq!(problems(folder.path()), [""; 0]);
}

#[test]
fn a_store_that_a_gateway_did_not_leave_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    drop(Ledger::open(options(folder.path())).unwrap());
    let other = Options { key: folder.path().join("other.key"), ..options(folder.path()) };
    assert!(matches!(Ledger::open(other), Err(LedgerError::OtherKey(_))));
    std::fs::write(folder.path().join("wrong.key"), "no key").unwrap();
    let wrong = Options { key: folder.path().join("wrong.key"), ..options(folder.path()) };
    assert!(matches!(Ledger::open(wrong), Err(LedgerError::Key { .. })));
    let place = options(folder.path()).place;
    let change = |statement: &'static str| {
        block_on(async {
            let mut store = crate::store::Store::reopen(&place, None).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut store.connection).await.unwrap();
            sqlx::Connection::close(store.connection).await.unwrap();
        });
    };
    change("UPDATE chains SET seq = 7");
    assert!(matches!(Ledger::open(options(folder.path())), Err(LedgerError::Damaged(_))));
    change("UPDATE tollgate_ledger SET version = 99");
    assert!(matches!(Ledger::open(options(folder.path())), Err(LedgerError::Newer(99))));
}
