//! Turns by clocks that are wrong.

use std::path::Path;

use crate::chain::{Hash, Purpose, sign};
use crate::export::{Form, Outbox};
use crate::record::now;
use crate::store::Store;
use crate::testing::{block_on, run};
use crate::{
    Ledger, LedgerError, Options, Place, Retention, Schedule, SigningKey, Turn, prune,
    retain_in_turn,
};

const HOUR: i64 = 3_600_000_000;

/// A ledger with so many queries that have ended.
fn ledger(folder: &Path, queries: usize) -> (Place, SigningKey) {
    let (place, key) = (Place::Sqlite(folder.join("ledger.db")), folder.join("ledger.key"));
    let ledger = Ledger::open(Options::at(place.clone(), key.clone())).unwrap();
    (0..queries).for_each(|number| run(&ledger, &format!("{number}"), "SELECT 1"));
    drop(ledger);
    (place, SigningKey::read(&key).unwrap())
}

/// Lets the last cut have been at another time.
async fn cut_at(place: &Place, key: &SigningKey, at: i64) {
    let mut store = Store::open(place, None).await.unwrap();
    let cut = store.cut(1).await.unwrap().unwrap();
    let signature =
        sign(key, Purpose::Cut, "main", cut.seq, &Hash::read(cut.hash.bytes()).unwrap(), at);
    let update = "UPDATE cuts SET at = $1, signature = $2";
    let update = sqlx::query(update).bind(at).bind(signature.as_slice());
    update.execute(&mut store.connection).await.unwrap();
}

#[test]
fn a_turn_that_was_in_the_future_holds_none_back() {
    let folder = tempfile::tempdir().unwrap();
    let (place, key) = ledger(folder.path(), 4);
    block_on(async {
        // Two of them, as if they were old.
        let update = "UPDATE chains SET open_from = 5";
        let mut store = Store::open(&place, None).await.unwrap();
        sqlx::query(update).execute(&mut store.connection).await.unwrap();
        prune(&place, &key, i64::MAX, false).await.unwrap();
        sqlx::query("UPDATE chains SET open_from = 9")
            .execute(&mut store.connection)
            .await
            .unwrap();
        let turn = async || {
            let schedule = Schedule { now: now(), before: i64::MAX, every: HOUR };
            retain_in_turn(&place, &key, schedule).await.unwrap()
        };
        for minutes in [-59, 0, 59] {
            let at = now() + minutes * HOUR / 60;
            cut_at(&place, &key, at).await;
            assert_eq!(turn().await, Turn::NotYet(at), "{minutes}");
        }
        cut_at(&place, &key, now() + 24 * HOUR).await;
        let Turn::Taken(Retention::Cut(cuts)) = turn().await else { panic!("it is due") };
        assert_eq!(cuts.iter().map(|cut| (cut.seq, cut.records)).collect::<Vec<_>>(), [(8, 4)]);
    });
}

/// A ledger is verified only where something can be deleted, and by its key.
#[test]
fn nothing_to_delete_is_found_before_all_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (place, key) = ledger(folder.path(), 2);
    block_on(async {
        let mut store = Store::open(&place, None).await.unwrap();
        let edit = "UPDATE records SET principal = 'bob' WHERE seq = 1";
        sqlx::query(edit).execute(&mut store.connection).await.unwrap();
        let turn = async |key: &SigningKey, before| {
            let schedule = Schedule { now: now(), before, every: HOUR };
            retain_in_turn(&place, key, schedule).await
        };
        let Turn::Taken(Retention::Cut(cuts)) = turn(&key, 0).await.unwrap() else {
            panic!("nothing is old")
        };
        assert_eq!((cuts.len(), cuts[0].records), (1, 0));
        let changed = Turn::Taken(Retention::Changed(1));
        assert_eq!(turn(&key, i64::MAX).await.unwrap(), changed);
        let other = SigningKey::open(&folder.path().join("other.key")).unwrap();
        let error = turn(&other, i64::MAX).await.unwrap_err();
        assert!(matches!(&error, LedgerError::OtherKey(chain) if chain == "main"), "{error}");
        // An export that has begun and got nothing is told of, though all is kept for it.
        let mut outbox = Outbox::new(place.clone(), "siem", Form::Ocsf);
        assert!(outbox.lease().await.unwrap());
        drop(outbox.next(9).await.unwrap());
        let Turn::Taken(Retention::Cut(cuts)) = turn(&key, i64::MAX).await.unwrap() else {
            panic!("nothing can be deleted")
        };
        assert_eq!((cuts[0].records, cuts[0].waiting.as_ref().unwrap().from), (0, 1));
    });
}
