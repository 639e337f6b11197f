//! What the tests of this room share.

use crate::{Decision, Entry, Ledger, Receipt};

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

pub(crate) fn decision(id: &str, sql: &str) -> Entry {
    let decision = Decision {
        id,
        principal: "ana",
        tenant: Some("acme"),
        roles: vec!["analyst"],
        address: "127.0.0.1".to_owned(),
        application: "psql",
        dialect: None,
        sql,
        secured_sql: Some(sql),
        bundle: "b",
        snapshot: 1,
        tables: vec!["crm.customers".to_owned()],
        policies: Vec::new(),
        outcome: "permitted",
        error: None,
    };
    Entry::decision(&decision, false).unwrap()
}

pub(crate) fn receipt(id: &str) -> Entry {
    let receipt = Receipt {
        id,
        principal: "ana",
        tenant: Some("acme"),
        outcome: "complete",
        rows: 3,
        bytes: 120,
        elapsed_us: 1500,
        ..Receipt::default()
    };
    Entry::receipt(&receipt, false).unwrap()
}

/// A query from its decision to its receipt.
pub(crate) fn run(ledger: &Ledger, id: &str, sql: &str) {
    block_on(ledger.decide(decision(id, sql)).durable()).unwrap();
    ledger.note(receipt(id));
}
