//! The audit trail of a gateway that clients use: one decision and one receipt each.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::raw::{Raw, message, zero};
use crate::harness::{self, gateway};

/// The records whose statement is `sql`, decision first; waits until the receipt is there.
async fn records(path: &Path, sql: &str) -> (Value, Value) {
    let limit = Instant::now() + Duration::from_secs(120);
    loop {
        let text = std::fs::read_to_string(path).unwrap();
        // The last line may be half written.
        let lines: Vec<Value> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let decisions: Vec<_> = lines.iter().filter(|line| line["sql"] == sql).collect();
        if let [decision] = decisions[..] {
            let same = |line: &&Value| line["id"] == decision["id"];
            let receipts: Vec<_> =
                lines.iter().filter(same).filter(|line| line["record"] == "receipt").collect();
            if let [receipt] = receipts[..] {
                assert_eq!(lines.iter().filter(same).count(), 2, "{sql}");
                assert_eq!(decision["record"], "decision");
                return (decision.clone(), receipt.clone());
            }
            assert!(receipts.is_empty(), "{sql} has several receipts");
        }
        assert!(decisions.len() < 2, "{sql} has several decisions");
        assert!(Instant::now() < limit, "{sql} has no complete record:\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn every_statement_leaves_a_decision_and_a_receipt() {
    harness::run(async {
        let world = harness::world().await;
        let path = world.postgres.scratch("audited").join("audit.jsonl");
        let running = gateway::start(&world.folder, &path).await;
        let ana = running.connect("ana").await;

        let permitted = "SELECT id, email FROM crm.customers ORDER BY id";
        assert_eq!(ana.simple(permitted).await.rows().len(), 40);
        let (decision, receipt) = records(&path, permitted).await;
        assert_eq!(decision["outcome"], "permitted");
        assert_eq!(decision["principal"], "ana");
        assert_eq!(decision["roles"], serde_json::json!(["analyst"]));
        assert_eq!(decision["tables"], serde_json::json!(["crm.customers"]));
        let policies = decision["policies"].to_string();
        assert!(policies.contains("tenant") && policies.contains("m_email"), "{policies}");
        assert_eq!(receipt["outcome"], "complete");
        assert_eq!(receipt["rows"], 40);
        assert!(receipt["bytes"].as_u64().unwrap() > 40, "{receipt}");

        let denied = "SELECT title FROM hr.salaries";
        assert!(ana.simple(denied).await.error().is_some());
        let (decision, receipt) = records(&path, denied).await;
        assert_eq!(decision["outcome"], "denied");
        assert_eq!(decision["error"], "undefined_table");
        assert_eq!(decision["secured_sql"], Value::Null);
        assert_eq!(receipt["outcome"], "denied");

        let failing = "SELECT 1 / (id - 7) FROM crm.customers";
        assert!(ana.simple(failing).await.error().is_some());
        let (decision, receipt) = records(&path, failing).await;
        assert_eq!(decision["outcome"], "permitted");
        assert_eq!(receipt["outcome"], "failed");
        assert_eq!(receipt["error"], "division_by_zero");

        // A client that vanishes while rows stream.
        let long = "SELECT a.* FROM crm.customers a, crm.customers b, crm.orders c, crm.orders d";
        let mut raw = Raw::session(running.address, "ana").await;
        raw.send(&message(b'Q', &zero(long))).await;
        raw.wait(b'D').await;
        drop(raw);
        let (decision, receipt) = records(&path, long).await;
        assert_eq!(decision["outcome"], "permitted");
        assert_eq!(receipt["outcome"], "abandoned");

        // The trail tells what was asked, never what was found.
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("CANARY"), "a value is in the audit trail");
    });
}
