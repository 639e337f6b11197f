//! A process that writes as fast as it can is killed at random points: whatever it said was durable is
//! there, and every query has an end.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{options, problems, records};
use crate::Ledger;
use crate::testing::{block_on, decision, receipt};

const FOLDER: &str = "TOLLGATE_CRASH_FOLDER";
const ROUNDS: u64 = 6;

/// Not a test: the process that is killed. It prints the id of each decision that is durable.
#[test]
#[ignore = "run by the test below"]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let ledger = Ledger::open(options(&folder)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0u64.. {
                    let id = format!("{}-{thread}-{number}", std::process::id());
                    block_on(ledger.decide(decision(&id, "SELECT 1")).durable()).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "durable {id}").unwrap();
                    out.flush().unwrap();
                    drop(out);
                    ledger.note(receipt(&id));
                }
            });
        }
    });
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = HashSet::new();
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::crash::writes_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (first, started) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut ids = Vec::new();
            for line in lines.map_while(Result::ok) {
                // The last line may be cut.
                if let Some((_, id)) = line.split_once("durable ") {
                    ids.push(id.to_owned());
                    let _ = first.send(());
                }
            }
            ids
        });
        started.recv().unwrap();
        // Somewhere: the seed is the clock, and no assertion depends on it.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        std::thread::sleep(Duration::from_micros(u64::from(now.subsec_nanos()) % 150_000 + round));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut ids = reader.join().unwrap();
        // The pipe's last line may be a part of an id.
        ids.pop();
        acknowledged.extend(ids);
        interrupted += Ledger::open(options(folder.path())).unwrap().interrupted();
    }
    assert_eq!(problems(folder.path()), [""; 0]);
    let mut decisions = HashSet::new();
    let mut endings: HashMap<String, usize> = HashMap::new();
    for stored in records(folder.path()) {
        match stored.body.record.as_str() {
            "decision" => assert!(decisions.insert(stored.body.id)),
            _ => *endings.entry(stored.body.outcome).or_default() += 1,
        }
    }
    assert!(acknowledged.len() as u64 > ROUNDS, "too little was written: {}", acknowledged.len());
    let lost: Vec<_> = acknowledged.difference(&decisions).collect();
    assert!(lost.is_empty(), "{} of {} lost", lost.len(), acknowledged.len());
    assert_eq!(endings.values().sum::<usize>(), decisions.len());
    assert_eq!(endings.get("interrupted").copied().unwrap_or_default(), interrupted);
}
