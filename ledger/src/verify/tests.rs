//! Whatever is changed in a store is found, and said where.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{Finding, Report, verify};
use crate::chain::{Checkpoint, Hash};
use crate::keys::{PublicKey, SigningKey, public_path};
use crate::store::{Place, Store};
use crate::testing::{self, decision, receipt};
use crate::{Ledger, Options, Reader, prune};

/// A ledger of 20 queries with checkpoints after every 8th record, closed.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let site = Site { folder };
        let ledger = site.open();
        for number in 0..20 {
            testing::run(&ledger, &format!("q{number}"), "SELECT 1");
        }
        site
    }

    fn open(&self) -> Ledger {
        let options = Options { checkpoint_every: 8, ..Options::at(self.place(), self.key()) };
        Ledger::open(options).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("ledger.key")
    }

    fn place(&self) -> Place {
        Place::Sqlite(self.file())
    }

    fn public(&self) -> PublicKey {
        PublicKey::open(&public_path(&self.key())).unwrap()
    }

    fn head(&self) -> Checkpoint {
        testing::block_on(async {
            Reader::open(&self.place()).await.unwrap().heads().await.unwrap().remove(0)
        })
    }

    /// Changes a copy of the store as somebody would who can write to it.
    fn tampered(&self, statements: &[String]) -> (PathBuf, Report) {
        let copy = self.folder.path().join("copy.db");
        std::fs::copy(self.file(), &copy).unwrap();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", copy.display()));
        }
        testing::block_on(async {
            let mut store = Store::reopen(&Place::Sqlite(copy.clone()), None).await.unwrap();
            for statement in statements {
                sqlx::raw_sql(statement).execute(&mut store.connection).await.unwrap();
            }
            store.close().await.unwrap();
        });
        let report = self.report(&copy, &[]);
        (copy, report)
    }

    fn report(&self, file: &Path, kept: &[Checkpoint]) -> Report {
        let (place, keys) = (Place::Sqlite(file.to_owned()), [self.public()]);
        testing::block_on(verify(&place, &keys, kept)).unwrap()
    }
}

fn sql(text: &str) -> String {
    text.to_owned()
}

#[track_caller]
fn finds(report: &Report, finding: Finding, seq: i64) {
    let found = report.problems.iter().any(|p| p.finding == finding && p.seq == seq);
    assert!(found, "{finding:?} at {seq} is not among {:#?}", report.problems);
}

#[test]
fn a_ledger_that_nobody_touched_is_whole() {
    let site = Site::new();
    let report = site.report(&site.file(), &[site.head()]);
    assert_eq!(report.problems, []);
    let [chain] = report.chains.as_slice() else { panic!("{report:?}") };
    assert_eq!((chain.records, chain.head, chain.cut, chain.open), (40, 40, 0, 0));
    // A second run goes on where the first one ended.
    testing::run(&site.open(), "later", "SELECT 2");
    let report = site.report(&site.file(), &[site.head()]);
    assert_eq!((report.problems.len(), report.chains[0].records), (0, 42));
}

#[test]
fn each_kind_of_change_is_named() {
    let site = Site::new();
    let edit = sql("UPDATE records SET body = replace(body, '\"ana\"', '\"eve\"') WHERE seq = 5");
    finds(&site.tampered(&[edit]).1, Finding::Edited, 5);
    let column = sql("UPDATE records SET principal = 'eve' WHERE seq = 5");
    finds(&site.tampered(&[column]).1, Finding::Edited, 5);
    let time = sql("UPDATE records SET at = at + 1 WHERE seq = 6");
    finds(&site.tampered(&[time]).1, Finding::Edited, 6);
    let broken = sql("UPDATE records SET body = 'gone' WHERE seq = 7");
    finds(&site.tampered(&[broken]).1, Finding::Edited, 7);
    let hash = sql("UPDATE records SET hash = zeroblob(32) WHERE seq = 9");
    finds(&site.tampered(&[hash]).1, Finding::Edited, 9);

    let remove = sql("DELETE FROM records WHERE seq BETWEEN 11 AND 12");
    let (_, report) = site.tampered(&[remove]);
    finds(&report, Finding::Removed, 11);
    assert!(report.problems[0].text.contains("records 11 to 12"), "{:?}", report.problems);
    let tail = sql("DELETE FROM records WHERE seq > 38");
    finds(&site.tampered(&[tail]).1, Finding::Removed, 39);
    let all = sql("DELETE FROM records");
    finds(&site.tampered(&[all]).1, Finding::Removed, 1);

    // Removed, and the rest moved up.
    let shift = [
        sql("DELETE FROM records WHERE seq = 11"),
        sql("UPDATE records SET seq = -seq WHERE seq > 11"),
        sql("UPDATE records SET seq = -seq - 1 WHERE seq < 0"),
    ];
    finds(&site.tampered(&shift).1, Finding::Moved, 11);

    let swap = [
        sql("UPDATE records SET seq = -1 WHERE seq = 3"),
        sql("UPDATE records SET seq = 3 WHERE seq = 4"),
        sql("UPDATE records SET seq = 4 WHERE seq = -1"),
    ];
    let (_, report) = site.tampered(&swap);
    finds(&report, Finding::Moved, 3);
    finds(&report, Finding::Moved, 4);

    let insert = |seq: i64| {
        format!(
            "INSERT INTO records SELECT chain, {seq}, kind, at, principal, body, hash \
             FROM records WHERE seq = 5"
        )
    };
    finds(&site.tampered(&[insert(41)]).1, Finding::Inserted, 41);
    assert!(site.tampered(&[insert(0)]).1.count > 0);
    assert!(site.tampered(&[insert(-7)]).1.count > 0);
    let stranger = sql(
        "INSERT INTO records SELECT 99, seq, kind, at, principal, body, hash FROM records WHERE seq = 5",
    );
    assert!(site.tampered(&[stranger]).1.count > 0);

    let signature = sql("UPDATE chains SET signature = zeroblob(64)");
    finds(&site.tampered(&[signature]).1, Finding::BadSignature, 40);
    let checkpoint = sql("UPDATE checkpoints SET signature = zeroblob(64) \
         WHERE seq = (SELECT min(seq) FROM checkpoints)");
    let (_, report) = site.tampered(&[checkpoint]);
    assert!(report.problems.iter().all(|p| p.finding == Finding::BadSignature && p.seq < 40));
    assert_eq!(report.count, 1);
}

/// Who can write to the store but hasn't the key: all hashes fit, no signature does.
#[test]
fn a_chain_that_was_hashed_anew_is_found() {
    let site = Site::new();
    let rows = testing::block_on(async {
        let mut store = Store::open_to_read(&site.place()).await.unwrap();
        store.records(1, 0, 100).await.unwrap()
    });
    let mut hash = Hash::genesis("main");
    let mut statements = Vec::new();
    for row in rows {
        let body = row.body.replace("\"ana\"", "\"eve\"");
        hash = Hash::of(&hash, body.as_bytes());
        let body = body.replace('\'', "''");
        statements.push(format!(
            "UPDATE records SET body = '{body}', principal = 'eve', hash = x'{hash}' \
             WHERE seq = {}",
            row.seq
        ));
    }
    let (_, report) = site.tampered(&statements);
    finds(&report, Finding::Rewritten, 40);
    assert!(report.problems.iter().all(|problem| problem.finding == Finding::Rewritten));
    // The head, the checkpoint of the stop, and those after every eighth record.
    assert!(report.count > 4, "{:?}", report.problems);
    // And with the head made to fit.
    statements.push(format!("UPDATE chains SET hash = x'{hash}'"));
    statements.push(sql("DELETE FROM checkpoints"));
    finds(&site.tampered(&statements).1, Finding::BadSignature, 40);
    // And with a key of one's own.
    let own = SigningKey::open(&site.folder.path().join("other.key")).unwrap();
    let end = crate::chain::sign(&own, crate::chain::Purpose::Head, "main", 40, &hash, 0);
    let (signature, public) = (crate::chain::hex(&end), own.public().hex());
    statements.push(format!(
        "UPDATE chains SET at = 0, signature = x'{signature}', public_key = x'{public}'"
    ));
    finds(&site.tampered(&statements).1, Finding::BadSignature, 40);
}

/// What only a checkpoint that is kept elsewhere shows: the store of an earlier time.
#[test]
fn an_earlier_store_is_found_with_a_kept_checkpoint() {
    let site = Site::new();
    let earlier = site.folder.path().join("earlier.db");
    std::fs::copy(site.file(), &earlier).unwrap();
    testing::run(&site.open(), "later", "SELECT 2");
    let kept = site.head();
    assert_eq!(site.report(&earlier, &[]).count, 0, "a chain can't prove that by itself");
    finds(&site.report(&earlier, std::slice::from_ref(&kept)), Finding::Truncated, 40);
    let forged = Checkpoint { seq: 39, ..kept.clone() };
    finds(&site.report(&site.file(), &[forged]), Finding::BadSignature, 39);
    let gone = site.tampered(&[sql("DELETE FROM chains"), sql("DELETE FROM records")]).0;
    finds(&site.report(&gone, &[kept]), Finding::Truncated, 42);
}

#[test]
fn a_chain_that_retention_has_cut_is_whole() {
    let site = Site::new();
    let early = site.head();
    let young = crate::record::now();
    testing::run(&site.open(), "young", "SELECT 2");
    let key = SigningKey::read(&site.key()).unwrap();
    let cuts = testing::block_on(prune(&site.place(), &key, young, false)).unwrap();
    assert_eq!((cuts[0].records, cuts[0].seq), (40, 40));
    let report = site.report(&site.file(), &[early, site.head()]);
    assert_eq!(report.problems, []);
    assert_eq!((report.chains[0].cut, report.chains[0].records), (40, 2));
    // The chain goes on, and what is deleted without a signature is found.
    testing::run(&site.open(), "after", "SELECT 3");
    assert_eq!(site.report(&site.file(), &[]).count, 0);
    finds(&site.tampered(&[sql("DELETE FROM cuts")]).1, Finding::Removed, 1);
    let forged = [
        sql("DELETE FROM records WHERE seq = 41"),
        sql("UPDATE cuts SET seq = 41, hash = (SELECT hash FROM checkpoints WHERE seq = 41)"),
    ];
    assert!(site.tampered(&forged[..1]).1.count > 0);
}

#[test]
fn nothing_of_a_running_query_is_cut() {
    let site = Site::new();
    let ledger = site.open();
    testing::block_on(ledger.decide(decision("running", "SELECT 1")).durable()).unwrap();
    testing::run(&ledger, "other", "SELECT 1");
    let key = SigningKey::read(&site.key()).unwrap();
    let cuts = testing::block_on(prune(&site.place(), &key, i64::MAX, false)).unwrap();
    assert_eq!(cuts[0].seq, 40);
    ledger.note(receipt("running"));
    drop(ledger);
    assert_eq!(site.report(&site.file(), &[]).count, 0);
}

/// A change that somebody makes who can write to the store.
#[derive(Debug, Clone)]
enum Change {
    Edit(i64, usize, u8),
    Remove(i64),
    Insert(i64, i64),
    Swap(i64, i64),
    Hash(i64, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let seq = || 1..=40i64;
    prop_oneof![
        (seq(), 0..2000usize, 1..=255u8).prop_map(|(s, at, by)| Change::Edit(s, at, by)),
        seq().prop_map(Change::Remove),
        (seq(), 41..50i64).prop_map(|(from, to)| Change::Insert(from, to)),
        (seq(), seq()).prop_filter("two", |(a, b)| a != b).prop_map(|(a, b)| Change::Swap(a, b)),
        (seq(), 0..32usize).prop_map(|(s, at)| Change::Hash(s, at)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_change_is_found(changes in proptest::collection::vec(change(), 1..3)) {
        let site = SITE.with(std::rc::Rc::clone);
        let before = testing::block_on(async {
            Store::open_to_read(&site.place()).await.unwrap().records(1, 0, 100).await.unwrap()
        });
        let statements: Vec<String> = changes.iter().flat_map(|change| statements(change, &site)).collect();
        let (copy, report) = site.tampered(&statements);
        let after = testing::block_on(async {
            Store::open_to_read(&Place::Sqlite(copy)).await.unwrap().records(1, -100, 100).await.unwrap()
        });
        let same = format!("{before:?}") == format!("{after:?}");
        prop_assert_eq!(report.count == 0, same, "{:?}: {:?}", changes, report.problems);
    }
}

thread_local! {
    static SITE: std::rc::Rc<Site> = std::rc::Rc::new(Site::new());
}

fn statements(change: &Change, site: &Site) -> Vec<String> {
    match change {
        Change::Edit(seq, at, by) => {
            let rows = testing::block_on(async {
                Store::open_to_read(&site.place())
                    .await
                    .unwrap()
                    .records(1, seq - 1, 1)
                    .await
                    .unwrap()
            });
            let mut bytes = rows[0].body.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = bytes[at].wrapping_add(*by) & 0x7f;
            let hex = crate::chain::hex(&bytes);
            vec![format!("UPDATE records SET body = CAST(x'{hex}' AS TEXT) WHERE seq = {seq}")]
        }
        Change::Remove(seq) => vec![format!("DELETE FROM records WHERE seq = {seq}")],
        Change::Insert(from, to) => vec![format!(
            "INSERT OR IGNORE INTO records SELECT chain, {to}, kind, at, principal, body, hash \
             FROM records WHERE seq = {from}"
        )],
        Change::Swap(a, b) => vec![
            format!("UPDATE records SET seq = -1 WHERE seq = {a}"),
            format!("UPDATE records SET seq = {a} WHERE seq = {b}"),
            format!("UPDATE records SET seq = {b} WHERE seq = -1"),
        ],
        Change::Hash(seq, at) => {
            let mut hash = [0; 32];
            hash[*at] = 1;
            let hex = crate::chain::hex(&hash);
            vec![format!("UPDATE records SET hash = x'{hex}' WHERE seq = {seq}")]
        }
    }
}
