//! Over ledgers in files, days later.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tollgate_gateway::config::Config;
use tollgate_ledger::export::{Form, Outbox};
use tollgate_ledger::verify::{Report, verify};
use tollgate_ledger::{Decision, Entry, Ledger, Options, Place, PublicKey, Receipt, public_path};

use super::{Counts, Retention, Settings, Turn, rest};

const DAYS: i64 = 3 * 24 * 60 * 60 * 1_000_000;

fn configured(folder: &Path, keys: &str) -> Arc<Config> {
    let text = format!(
        "pg.tls = \"optional\"\nusers.file = \"u\"\npolicies.folder = \"p\"\nwarehouse.data = \"d\"\n\
         [ledger]\nkeep = \"2 days\"\nprune_every = \"1s\"\n{keys}"
    );
    let config = Config::parse(&folder.join("tollgate.toml"), &text);
    Arc::new(config.unwrap_or_else(|errors| panic!("{errors:?}")))
}

/// A gateway's ledger with so many queries that have ended.
async fn ledger(config: &Config, queries: usize) -> Ledger {
    let place = crate::ledger::place(config).unwrap().unwrap();
    let options = Options::at(place, config.ledger.key.clone());
    let ledger = tokio::task::spawn_blocking(|| Ledger::open(options).unwrap()).await.unwrap();
    for number in 0..queries {
        let id = format!("{number}");
        let decision = Decision {
            id: &id,
            principal: "ana",
            tenant: None,
            roles: vec!["analyst"],
            address: "127.0.0.1".to_owned(),
            application: "psql",
            dialect: None,
            sql: "SELECT 1",
            secured_sql: None,
            bundle: "b",
            snapshot: 1,
            tables: Vec::new(),
            policies: Vec::new(),
            outcome: "permitted",
            error: None,
        };
        ledger.decide(Entry::decision(&decision, false).unwrap()).durable().await.unwrap();
        let receipt =
            Receipt { id: &id, principal: "ana", outcome: "complete", ..Receipt::default() };
        ledger.note(Entry::receipt(&receipt, false).unwrap());
    }
    ledger
}

/// Three days later.
fn later(config: &Arc<Config>) -> Retention {
    let retention = Retention::of(config).unwrap().unwrap();
    let clock: fn() -> i64 = || chrono::Utc::now().timestamp_micros() + DAYS;
    Retention { clock, start: (Instant::now(), clock()), ..retention }
}

async fn proven(config: &Config) -> Report {
    let place = crate::ledger::place(config).unwrap().unwrap();
    let key = PublicKey::open(&public_path(&config.ledger.key)).unwrap();
    verify(&place, &[key], &[]).await.unwrap()
}

/// What a gateway that serves does until so much was counted.
async fn serves(retention: Retention, wanted: fn(&Counts) -> &AtomicU64, count: u64) {
    let counts = retention.counts();
    let (stop, signal) = watch::channel(false);
    let task = tokio::spawn(retention.serve(signal));
    let reached = async {
        while wanted(&counts).load(Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap();
    stop.send(true).unwrap();
    task.await.unwrap();
}

async fn close(ledger: Ledger) {
    tokio::task::spawn_blocking(|| drop(ledger)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_go_by_themselves_and_the_chain_stays_proven() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "");
    let ledger = ledger(&config, 20).await;
    // Today nothing is old.
    let today = Retention::of(&config).unwrap().unwrap();
    let counts = today.counts();
    serves(today, |counts| &counts.complete, 1).await;
    assert_eq!(counts.deleted.load(Relaxed), 0);
    assert_eq!(proven(&config).await.chains[0].records, 40);
    // While a gateway writes.
    let days_after = later(&config);
    let counts = days_after.counts();
    serves(days_after, |counts| &counts.deleted, 40).await;
    let report = proven(&config).await;
    assert_eq!((report.count, report.chains[0].records, report.chains[0].cut), (0, 0, 40));
    let mut text = String::new();
    counts.write(&mut text);
    assert!(text.contains("tollgate_retention_records_total 40\n"), "{text}");
    assert!(text.contains("tollgate_retention_runs_total{outcome=\"failed\"} 0\n"), "{text}");
    close(ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_export_has_not_got_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(
        folder.path(),
        "[[ledger.export]]\nname = \"siem\"\nto = \"tcp://127.0.0.1:1\"\n",
    );
    let ledger = ledger(&config, 20).await;
    // It has not begun, so nobody knows yet that it wants all of them.
    let days_after = later(&config);
    assert_eq!(days_after.turn().await, Ok(None));
    assert_eq!(days_after.at_interval().await, Duration::from_secs(1));
    let place = crate::ledger::place(&config).unwrap().unwrap();
    let mut outbox = Outbox::new(place, "siem", Form::Ocsf);
    assert!(outbox.lease().await.unwrap());
    let parcel = outbox.next(5).await.unwrap().unwrap();
    days_after.at_interval().await;
    assert_eq!(proven(&config).await.chains[0].records, 40);
    outbox.delivered(parcel).await.unwrap();
    days_after.at_interval().await;
    let report = proven(&config).await;
    assert_eq!((report.count, report.chains[0].records), (0, 30));
    assert_eq!(days_after.counts.deleted.load(Relaxed), 10);
    close(ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_from_a_ledger_that_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "");
    close(ledger(&config, 20).await).await;
    let Some(Place::Sqlite(file)) = crate::ledger::place(&config).unwrap() else {
        panic!("a file")
    };
    let whole = fs::read(&file).unwrap();
    let needle = b"\"principal\":\"ana\"";
    let mut bytes = whole.clone();
    // Wherever it stands: pages that were given up keep theirs.
    let places = whole.windows(needle.len()).enumerate().filter(|(_, bytes)| bytes == needle);
    places.for_each(|(at, _)| bytes[at + needle.len() - 2] = b'b');
    fs::write(&file, &bytes).unwrap();
    let days_after = later(&config);
    let so_far = || {
        let Counts { complete, failed, changed, deleted } = &*days_after.counts;
        [complete, failed, changed, deleted].map(|count| count.load(Relaxed))
    };
    assert_eq!(days_after.at_interval().await, Duration::from_secs(1));
    assert_eq!(so_far(), [0, 0, 1, 0]);
    assert_eq!(proven(&config).await.chains[0].records, 40);
    // Nor without the key.
    fs::write(&file, &whole).unwrap();
    let key = fs::read(&config.ledger.key).unwrap();
    fs::write(&config.ledger.key, "no key").unwrap();
    assert_eq!(days_after.at_interval().await, Duration::from_secs(1));
    assert_eq!(so_far(), [0, 1, 1, 0]);
    fs::write(&config.ledger.key, key).unwrap();
    days_after.at_interval().await;
    assert_eq!(so_far(), [1, 1, 1, 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_by_a_clock_that_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "");
    close(ledger(&config, 20).await).await;
    let today = Retention::of(&config).unwrap().unwrap();
    let jumped = Retention { clock: || chrono::Utc::now().timestamp_micros() + DAYS, ..today };
    assert_eq!(jumped.at_interval().await, Duration::from_secs(1));
    assert_eq!(jumped.counts.failed.load(Relaxed), 1);
    assert_eq!(proven(&config).await.chains[0].records, 40);
    let back = Retention { clock: || chrono::Utc::now().timestamp_micros(), ..jumped };
    back.at_interval().await;
    assert_eq!(back.counts.complete.load(Relaxed), 1);
    assert_eq!(proven(&config).await.chains[0].records, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_failed_is_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "");
    let ledger = ledger(&config, 20).await;
    let days_after = later(&config);
    // What is deleted is so by today's clock.
    let turn = days_after.turn().await;
    assert!(matches!(turn, Ok(Some(Turn::Taken(_)))), "{turn:?}");
    let today = Retention::of(&config).unwrap().unwrap();
    let settings = Settings { every: Duration::from_secs(60 * 60), ..today.settings };
    let today = Retention { settings, ..today };
    assert!(matches!(today.turn().await, Ok(Some(Turn::NotYet(_)))));
    today.failed.store(true, Relaxed);
    assert!(matches!(today.turn().await, Ok(Some(Turn::Taken(_)))));
    close(ledger).await;
}

#[test]
fn an_interval_ends_by_any_clock() {
    let hour = Duration::from_secs(60 * 60);
    for (last, now, left) in [
        (0, 0, 3600),
        (0, 600_000_000, 3000),
        (0, 3_600_000_000, 1),
        (0, i64::MAX, 1),
        (600_000_000, 0, 3600),
        (i64::MAX, 0, 3600),
    ] {
        assert_eq!(rest(last, hour, now), Duration::from_secs(left), "{last} {now}");
    }
}
