//! The queries of TPC-H and TPC-DS, governed, over both warehouses, against PostgreSQL over a copy that
//! DuckDB filtered and masked.
//!
//! Queries run without the `LIMIT` at their end: which of equal rows come first is nobody's promise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tollgate_warehouse::postgres::discover;

use crate::harness::client::Client;
use crate::harness::gateway::{Caches, start_over, start_with};
use crate::harness::postgres::Postgres;
use crate::harness::value::compare;
use crate::harness::{self, cases, python};
use crate::postgres_warehouse::warehouse;

const POLICIES: [&str; 1] = ["tpc/policies.sql"];
const SCALE: &str = "0.01";

/// Data and queries, made once for each version of the script.
async fn data() -> PathBuf {
    let script = cases().join("tpc/make.py");
    let text = std::fs::read(&script).unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, &text);
    let hash: String = hash.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let folder = home.join(".cache/tollgate").join(format!("tpc-{SCALE}-{hash}"));
    if !folder.exists() {
        let draft = folder.with_file_name(format!("tpc-draft-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&draft);
        let mut make = Command::new(python::interpreter());
        let made = make.arg(script).arg(&draft).arg(SCALE).output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(&draft, &folder).unwrap();
    }
    folder
}

/// The queries by name.
fn queries(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder.join("queries")).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.trim().trim_end_matches(';').trim_end();
            let end = text.rfind("LIMIT").filter(|end| {
                text[end + "LIMIT".len()..].chars().all(|c| c.is_whitespace() || c.is_ascii_digit())
            });
            (name, text[..end.unwrap_or(text.len())].to_owned())
        })
        .collect()
}

/// A database with one of the copies.
async fn load(postgres: &Postgres, folder: &Path, kind: &str) -> Client {
    let name = format!("tpc_{kind}");
    let client = postgres.create(&name, &[]).await;
    let script = folder.join(format!("{kind}.psql"));
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &postgres.dsn(&name), "-f"]).arg(script);
    psql.current_dir(folder);
    let loaded = psql.output().await.unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    client
}

/// Runs a query in the schema of its benchmark.
async fn run(
    client: &Client,
    name: &str,
    sql: &str,
) -> Result<Vec<Vec<harness::value::Value>>, String> {
    let schema = name.trim_end_matches(|c: char| c.is_ascii_digit());
    client.simple(&format!("SET search_path = {schema}")).await;
    let answer = tokio::time::timeout(Duration::from_secs(300), client.simple(sql)).await;
    let answer = answer.map_err(|_| "takes too long".to_owned())?;
    match answer.error() {
        Some((state, message)) => Err(format!("{state} {message}")),
        None => Ok(answer.rows().to_vec()),
    }
}

#[test]
fn industry_queries_give_what_the_projected_database_gives() {
    harness::run(async {
        let folder = data().await;
        let postgres = Postgres::shared().await;
        let permitted = load(postgres, &folder, "permitted").await;
        load(postgres, &folder, "whole").await;
        let audit = |name| postgres.scratch(name).join("audit.jsonl");
        let embedded = start_with(&folder.join("whole"), &audit("tpc embedded"), &POLICIES).await;
        let warehouse = warehouse(&postgres.dsn("tpc_whole"));
        let schemas = ["h", "ds"].map(str::to_owned);
        let tables = discover(&warehouse, &schemas).await.unwrap().tables;
        let caches = Caches::default();
        let audit = audit("tpc forwarded");
        let forwarded = start_over(tables, Arc::new(warehouse), &audit, &POLICIES, caches).await;
        let roads = [
            ("embedded", embedded.connect("ana").await),
            ("postgres", forwarded.connect("ana").await),
        ];

        let (mut findings, mut equal, mut rows) = (String::new(), BTreeMap::new(), 0);
        let queries = queries(&folder);
        assert_eq!(queries.len(), 22 + 99);
        for (name, sql) in queries {
            let want = match run(&permitted, &name, &sql).await {
                Ok(want) => want,
                Err(error) => {
                    findings.push_str(&format!("{name} PostgreSQL itself: {error}\n"));
                    continue;
                }
            };
            rows += want.len();
            for (road, client) in &roads {
                let got = run(client, &name, &sql).await;
                match got.and_then(|got| compare(&got, &want, false)) {
                    Ok(()) => {
                        let suite = name.trim_end_matches(|c: char| c.is_ascii_digit());
                        *equal.entry((suite.to_owned(), *road)).or_insert(0) += 1;
                    }
                    Err(what) => findings.push_str(&format!("{name} {road}: {what}\n")),
                }
            }
        }
        println!("{rows} rows; equal: {equal:?}");
        assert!(rows > 10_000);
        harness::golden("tpc/differs.txt", &findings);
    });
}
