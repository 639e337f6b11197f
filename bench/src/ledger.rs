//! What recording costs: how many records a second the ledger makes durable, how long one decision
//! waits, and how much room a query takes.

use std::path::Path;
use std::time::{Duration, Instant};

use tollgate_ledger::{Decision, Entry, Ledger, Options, Place, Receipt};

use crate::{Result, percentiles};

/// How long each part is measured.
const TIME: Duration = Duration::from_secs(5);

/// Queries at once, for throughput.
const CLIENTS: usize = 512;

const SQL: &str = "SELECT id, full_name, email FROM crm.customers WHERE id = 4711 ORDER BY id";
const SECURED: &str = "SELECT id, full_name, mask_email(email) AS email FROM (SELECT id, full_name, email \
                       FROM crm.customers WHERE tenant_id = 'acme') AS customers WHERE id = 4711 ORDER BY id";

pub(crate) fn run(folder: &Path) -> Result<()> {
    let file = folder.join("ledger.db");
    let options = Options::at(Place::Sqlite(file.clone()), folder.join("ledger.key"));
    let ledger = Ledger::open(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    let mut alone = Vec::new();
    let started = Instant::now();
    while started.elapsed() < TIME {
        let begun = Instant::now();
        runtime.block_on(query(&ledger, "alone", alone.len()))?;
        alone.push(begun.elapsed());
    }
    let queries_alone = alone.len();
    let (median, p99) = percentiles(alone);
    println!("one client: a decision is durable after {median:.1?} (p99 {p99:.1?})");

    let started = Instant::now();
    let many = runtime.block_on(async {
        let clients = (0..CLIENTS).map(|client| {
            let (ledger, name) = (&ledger, format!("c{client}"));
            async move {
                let mut count = 0;
                while started.elapsed() < TIME {
                    query(ledger, &name, count).await?;
                    count += 1;
                }
                Ok::<usize, Box<dyn std::error::Error>>(count)
            }
        });
        futures::future::try_join_all(clients).await
    })?;
    let queries: usize = many.iter().sum();
    drop(ledger);
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{CLIENTS} clients: {:.0} records a second, durable, hashed and signed",
        2.0 * queries as f64 / seconds
    );
    let bytes = std::fs::metadata(&file)?.len();
    let all = (queries + queries_alone) as f64;
    println!(
        "size: {:.0} bytes per record, {:.2} GB per million queries",
        bytes as f64 / (2.0 * all),
        bytes as f64 / all / 1000.0
    );
    Ok(())
}

/// A query's decision, awaited, and its receipt.
async fn query(ledger: &Ledger, client: &str, number: usize) -> Result<()> {
    let id = format!("5e0f3a-{client}-{number:x}");
    let decision = Decision {
        id: &id,
        principal: "ana",
        tenant: Some("acme"),
        roles: vec!["analyst"],
        address: "10.1.2.3".to_owned(),
        application: "psql",
        dialect: None,
        sql: SQL,
        secured_sql: Some(SECURED),
        bundle: "3f786850e387550fdab836ed7e6dc881de23001b",
        snapshot: 1,
        tables: vec!["crm.customers".to_owned()],
        policies: vec![
            "row policy own_tenant at policies/3_rows.sql:4".to_owned(),
            "masking policy m_email at policies/4_masks.sql:8".to_owned(),
        ],
        outcome: "permitted",
        error: None,
    };
    let durable = ledger.decide(Entry::decision(&decision, false)?).durable().await;
    durable.map_err(|refusal| format!("the ledger refuses: {refusal:?}"))?;
    let receipt = Receipt {
        id: &id,
        principal: "ana",
        tenant: Some("acme"),
        roles: &["analyst".to_owned()],
        tables: &["crm.customers".to_owned()],
        outcome: "complete",
        rows: 1,
        bytes: 80,
        elapsed_us: 2500,
        ..Receipt::default()
    };
    ledger.note(Entry::receipt(&receipt, false)?);
    Ok(())
}
