//! An outbox loses nothing, whatever ends between sending and noting it.

use std::path::Path;

use serde_json::Value;

use super::{Outbox, forget, names};
use crate::testing::{block_on, decision, receipt, run};
use crate::{Ledger, Options, Place, SigningKey, prune};

fn place(folder: &Path) -> Place {
    Place::Sqlite(folder.join("ledger.db"))
}

fn ledger(folder: &Path) -> Ledger {
    Ledger::open(Options::at(place(folder), folder.join("ledger.key"))).unwrap()
}

/// The ids of the queries that come next, at most so many; they are delivered, or not.
async fn next(outbox: &mut Outbox, most: usize, deliver: bool) -> Vec<String> {
    assert!(outbox.lease().await.unwrap());
    let Some(parcel) = outbox.next(most).await.unwrap() else { return Vec::new() };
    let ids = parcel.events.iter().map(|event| {
        let json: Value = serde_json::from_str(&event.json).unwrap();
        json["query_info"]["uid"].as_str().unwrap().to_owned()
    });
    let ids = ids.collect();
    if deliver {
        outbox.delivered(parcel).await.unwrap();
    }
    ids
}

#[test]
fn what_was_not_delivered_comes_again_and_what_was_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    for id in ["a", "b", "c"] {
        run(&ledger, id, "SELECT 1");
    }
    drop(ledger);
    block_on(async {
        let mut outbox = Outbox::new(place(folder.path()), "siem");
        assert_eq!(next(&mut outbox, 2, false).await, ["a", "b"]);
        assert_eq!(next(&mut outbox, 1, true).await, ["a"]);
        // Whoever comes after a crash goes on from there; another export from the beginning.
        drop(outbox);
        let mut outbox = Outbox::new(place(folder.path()), "siem");
        assert_eq!(next(&mut outbox, 9, true).await, ["b", "c"]);
        assert_eq!(next(&mut outbox, 9, true).await, [""; 0]);
        let mut other = Outbox::new(place(folder.path()), "lake");
        assert_eq!(next(&mut other, 9, true).await, ["a", "b", "c"]);
        assert_eq!(names(&place(folder.path())).await.unwrap(), ["lake", "siem"]);
    });
}

/// Its decision was read by a process that is gone.
#[test]
fn a_query_that_ends_after_a_restart_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    block_on(async {
        ledger.decide(decision("long", "SELECT 'long'")).durable().await.unwrap();
        ledger.decide(decision("short", "SELECT 'short'")).durable().await.unwrap();
        ledger.note(receipt("short"));
        // The next decision is durable after the receipt.
        ledger.decide(decision("last", "SELECT 'last'")).durable().await.unwrap();
        let mut outbox = Outbox::new(place(folder.path()), "siem");
        assert_eq!(next(&mut outbox, 9, true).await, ["short"]);
        ledger.note(receipt("long"));
        drop(outbox);
    });
    drop(ledger);
    block_on(async {
        let mut outbox = Outbox::new(place(folder.path()), "siem");
        assert!(outbox.lease().await.unwrap());
        let parcel = outbox.next(9).await.unwrap().unwrap();
        let [event] = parcel.events.as_slice() else { panic!("{parcel:?}") };
        let json: Value = serde_json::from_str(&event.json).unwrap();
        assert_eq!(json["query_info"]["query_string"], "SELECT 'long'");
        assert_eq!((&json["status_id"], event.succeeded), (&1.into(), true));
        assert_eq!(json["metadata"]["uid"], "main/1");
        assert_eq!(parcel.track.needs_from(), 4, "one query has not ended");
    });
}

#[test]
fn retention_keeps_what_was_not_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    for id in ["a", "b", "c"] {
        run(&ledger, id, "SELECT 1");
    }
    drop(ledger);
    let key = SigningKey::read(&folder.path().join("ledger.key")).unwrap();
    let place = place(folder.path());
    block_on(async {
        let mut outbox = Outbox::new(place.clone(), "siem");
        assert_eq!(next(&mut outbox, 1, true).await, ["a"]);
        let cut = prune(&place, &key, i64::MAX, false).await.unwrap().remove(0);
        let waiting = cut.waiting.unwrap();
        assert_eq!((cut.records, waiting.export.as_str(), waiting.from), (2, "siem", 3));
        // Whoever wants it can; the export says what it has not got.
        let cut = prune(&place, &key, i64::MAX, true).await.unwrap().remove(0);
        assert_eq!((cut.records, cut.waiting.is_some()), (4, true));
    });
    let ledger = self::ledger(folder.path());
    run(&ledger, "d", "SELECT 1");
    drop(ledger);
    block_on(async {
        let mut outbox = Outbox::new(place.clone(), "siem");
        assert!(outbox.lease().await.unwrap());
        let parcel = outbox.next(9).await.unwrap().unwrap();
        assert_eq!((parcel.missing, parcel.events.len(), parcel.behind), (4, 1, 6));
        drop(outbox);
        assert!(forget(&place, "siem").await.unwrap());
        assert!(!forget(&place, "siem").await.unwrap());
        let cut = prune(&place, &key, i64::MAX, false).await.unwrap().remove(0);
        assert_eq!((cut.records, cut.waiting), (2, None));
    });
}
