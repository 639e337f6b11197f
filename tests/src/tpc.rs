//! The queries of TPC-H and TPC-DS, governed, over all warehouses, against PostgreSQL over a copy that
//! DuckDB filtered and masked.
//!
//! Queries run without the `LIMIT` at their end: which of equal rows come first is nobody's promise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::harness::client::Client;
use crate::harness::postgres::Postgres;
use crate::harness::three::{Query, Three};
use crate::harness::{self, cases, python};

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

#[test]
fn industry_queries_give_what_the_projected_database_gives() {
    harness::run(async {
        let folder = data().await;
        let postgres = Postgres::shared().await;
        let permitted = load(postgres, &folder, "permitted").await;
        load(postgres, &folder, "whole").await;
        let whole = folder.join("whole");
        let three = Three::start(&whole, "tpc_whole", &["h", "ds"], &["tpc/policies.sql"]).await;
        let queries: Vec<Query> = queries(&folder)
            .into_iter()
            .map(|(name, sql)| {
                let schema = if name.starts_with("ds") { "ds" } else { "h" };
                Query { name, schema, sql, ordered: false }
            })
            .collect();
        assert_eq!(queries.len(), 22 + 99);
        let outcome = three.measure(&permitted, &queries).await;
        assert!(outcome.rows.values().sum::<usize>() > 10_000);
        harness::golden("tpc/differs.txt", &outcome.text());
    });
}
