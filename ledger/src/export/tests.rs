//! An outbox loses nothing, whatever ends between sending and noting it.

use std::path::Path;

use serde_json::Value;

use super::{Form, Outbox, forget, names};
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
        let mut outbox = Outbox::new(place(folder.path()), "siem", Form::Ocsf);
        assert_eq!(next(&mut outbox, 2, false).await, ["a", "b"]);
        assert_eq!(next(&mut outbox, 1, true).await, ["a"]);
        // Whoever comes after a crash goes on from there; another export from the beginning.
        drop(outbox);
        let mut outbox = Outbox::new(place(folder.path()), "siem", Form::Ocsf);
        assert_eq!(next(&mut outbox, 9, true).await, ["b", "c"]);
        assert_eq!(next(&mut outbox, 9, true).await, [""; 0]);
        let mut other = Outbox::new(place(folder.path()), "lake", Form::Ocsf);
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
        let mut outbox = Outbox::new(place(folder.path()), "siem", Form::Ocsf);
        assert_eq!(next(&mut outbox, 9, true).await, ["short"]);
        ledger.note(receipt("long"));
        drop(outbox);
    });
    drop(ledger);
    block_on(async {
        let mut outbox = Outbox::new(place(folder.path()), "siem", Form::Ocsf);
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
        let mut outbox = Outbox::new(place.clone(), "siem", Form::Ocsf);
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
        let mut outbox = Outbox::new(place.clone(), "siem", Form::Ocsf);
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

/// A receiver knows again what it has.
#[test]
fn usage_has_an_id_that_stays_and_an_amount_that_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    for (id, outcome) in [("a", "complete"), ("b", "denied"), ("c", "failed")] {
        block_on(ledger.decide(decision(id, "SELECT 1")).durable()).unwrap();
        let price = crate::billing::Price {
            name: "standard".to_owned(),
            currency: "EUR".to_owned(),
            per_query: "0.1".parse().unwrap(),
            per_million_rows: "0.5".parse().unwrap(),
            ..Default::default()
        };
        let receipt = crate::Receipt {
            id,
            principal: "ana",
            tenant: (id == "a").then_some("acme"),
            outcome,
            rows: 3,
            price: (outcome == "complete").then_some(price),
            ..Default::default()
        };
        ledger.note(crate::Entry::receipt(&receipt, false).unwrap());
    }
    drop(ledger);
    block_on(async {
        let mut sent = Vec::new();
        for _ in 0..2 {
            let mut outbox = Outbox::new(place(folder.path()), "billing", Form::Usage);
            assert!(outbox.lease().await.unwrap());
            let parcel = outbox.next(9).await.unwrap().unwrap();
            sent.push(parcel.events);
        }
        assert_eq!(sent[0], sent[1]);
        let events = sent.remove(0).into_iter();
        let events: Vec<Value> =
            events.map(|event| serde_json::from_str(&event.json).unwrap()).collect();
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!((&events[0]["id"], &events[0]["subject"]), (&"main/2/a".into(), &"acme".into()));
        assert_eq!(events[0]["data"]["amount"], "0.1000015");
        assert_eq!(events[0]["data"]["price"]["per_million_rows"], "0.5");
        assert_eq!((&events[1]["id"], &events[1]["subject"]), (&"main/6/c".into(), &Value::Null));
        assert_eq!(events[1]["data"]["amount"], "0");
        let source = events[0]["source"].as_str().unwrap();
        assert!(source.len() > 60 && source == events[1]["source"], "{source}");
    });
}

/// A correction is an event of its own, which names the one that it corrects.
#[test]
fn corrections_are_sent_as_usage() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    block_on(ledger.decide(decision("a", "SELECT 1")).durable()).unwrap();
    let receipt = crate::Receipt {
        id: "a",
        principal: "ana",
        warehouse: Some("lake"),
        outcome: "complete",
        credits: Some(1.into()),
        ..Default::default()
    };
    ledger.note(crate::Entry::receipt(&receipt, false).unwrap());
    drop(ledger);
    let place = place(folder.path());
    let key = crate::SigningKey::read(&folder.path().join("ledger.key")).unwrap();
    let figure = crate::billing::Figure {
        warehouse: "lake".to_owned(),
        query: "a".to_owned(),
        credits: "0.5".parse().unwrap(),
    };
    block_on(async {
        let mut corrections = crate::billing::Corrections::open(&place, &key, None).await.unwrap();
        assert_eq!(corrections.take(&[figure]).await.unwrap().corrected, 1);
        for (form, wanted) in [(Form::Usage, 2), (Form::Ocsf, 1)] {
            let mut outbox = Outbox::new(place.clone(), &format!("{form:?}"), form);
            assert!(outbox.lease().await.unwrap());
            let mut events: Vec<Value> = Vec::new();
            while let Some(parcel) = outbox.next(9).await.unwrap() {
                let read = |event: &super::Event| serde_json::from_str(&event.json).unwrap();
                events.extend(parcel.events.iter().map(read));
                outbox.delivered(parcel).await.unwrap();
            }
            assert_eq!(events.len(), wanted, "{events:?}");
            let corrected =
                events.iter().find(|event| event["type"] == "tollgate.query.corrected.v1");
            let Some(corrected) = corrected else { continue };
            assert_eq!(corrected["id"], "usage/corrections/1/a");
            let said = serde_json::json!({
                "query": "a", "corrects": "main/2/a", "tenant": "", "user": "ana",
                "credits": "0.5", "measured": "1", "currency": "", "amount": "0"
            });
            assert_eq!(corrected["data"], said);
        }
        assert!(crate::prune(&place, &key, i64::MAX, false).await.unwrap()[1].waiting.is_none());
    });
}
