//! Queries as events of the Open Cybersecurity Schema Framework: Datastore Activity, class 6005
//! (<https://schema.ocsf.io/1.3.0/classes/datastore_activity>), one event per query.

use std::collections::HashMap;

use ring::digest;
use serde_json::{Value, json};

use crate::read::Stored;
use crate::record::Body;

/// How a text is named that isn't there, as records do.
const HASH: &str = "sha256:";

/// The version of the schema.
const VERSION: &str = "1.3.0";

/// Joins decisions with their receipts. Only queries that have no receipt yet are kept.
#[derive(Default)]
pub struct Events {
    /// By chain and id; nothing for a decision that isn't wanted.
    open: HashMap<(String, String), Option<Stored>>,
}

impl Events {
    /// Takes a record; gives the event of a query that has ended with it, if its decision was `wanted`.
    pub fn take(&mut self, stored: Stored, wanted: bool) -> Option<Value> {
        let key = (stored.chain.clone(), stored.body.id.clone());
        match stored.body.record.as_str() {
            "decision" => {
                self.open.insert(key, wanted.then_some(stored));
                None
            }
            "receipt" => match self.open.remove(&key) {
                Some(decision) => Some(event(&stored.chain, &decision?.body, Some(&stored.body))),
                // Retention has deleted the decision: what the receipt says is left.
                None => wanted.then(|| event(&stored.chain, &stored.body, Some(&stored.body))),
            },
            _ => None,
        }
    }

    /// The events of queries that have not ended, by their numbers.
    pub fn rest(self) -> Vec<Value> {
        let mut open: Vec<Stored> = self.open.into_values().flatten().collect();
        open.sort_by(|a, b| (&a.chain, a.body.seq).cmp(&(&b.chain, b.body.seq)));
        open.iter().map(|decision| event(&decision.chain, &decision.body, None)).collect()
    }
}

/// One query as an event. What the schema has no place for is in `unmapped`.
pub(crate) fn event(chain: &str, body: &Body, receipt: Option<&Body>) -> Value {
    let denied = body.outcome == "denied";
    let (status_id, status) = match receipt.map(|receipt| receipt.outcome.as_str()) {
        Some("complete") => (1, "Success"),
        Some(_) => (2, "Failure"),
        None if denied => (2, "Failure"),
        None => (0, "Unknown"),
    };
    let time = body.at().unwrap_or_default() / 1000;
    let error = receipt.and_then(|receipt| receipt.error.clone()).or_else(|| body.error.clone());
    let groups: Vec<Value> = body.roles.iter().map(|role| json!({"name": role})).collect();
    let mut event = json!({
        "activity_id": 4,
        "activity_name": "Query",
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6005,
        "class_name": "Datastore Activity",
        "type_uid": 600_504,
        "type_name": "Datastore Activity: Query",
        "time": time,
        "severity_id": if denied { 3 } else { 1 },
        "severity": if denied { "Medium" } else { "Informational" },
        "status_id": status_id,
        "status": status,
        "metadata": {
            "version": VERSION,
            "product": {"name": "Tollgate", "vendor_name": "Tollgate"},
            "log_name": chain,
            "sequence": body.seq,
            "uid": format!("{chain}/{}", body.seq),
            "correlation_uid": body.id,
        },
        "actor": {"user": {"name": body.principal, "type_id": 1, "groups": groups}},
        "src_endpoint": {"ip": body.address, "svc_name": body.application},
        "database": {"name": "tollgate", "type_id": 1, "type": "Relational"},
        "query_info": {"uid": body.id, "query_string": body.sql},
        "unmapped": {
            "decision": body.outcome,
            "tenant": body.tenant,
            "bundle": body.bundle,
            "policies": body.policies,
            "tables": body.tables,
        },
    });
    let Some(fields) = event.as_object_mut() else { return event };
    if let [table] = body.tables.as_slice() {
        fields.insert("type_id".to_owned(), json!(3));
        fields.insert("table".to_owned(), json!({"name": table}));
    } else {
        fields.insert("type_id".to_owned(), json!(1));
    }
    if let Some(error) = error {
        fields.insert("status_code".to_owned(), json!(error));
    }
    if let Some(receipt) = receipt {
        fields.insert("duration".to_owned(), json!(receipt.elapsed_us / 1000));
        fields.insert("end_time".to_owned(), json!(receipt.at().unwrap_or_default() / 1000));
        if let Some(Value::Object(unmapped)) = fields.get_mut("unmapped") {
            unmapped.insert("outcome".to_owned(), json!(receipt.outcome));
            unmapped.insert("rows".to_owned(), json!(receipt.rows));
            unmapped.insert("bytes".to_owned(), json!(receipt.bytes));
            unmapped.insert("cached".to_owned(), json!(receipt.cached));
            unmapped.insert("scanned".to_owned(), json!(receipt.scanned));
        }
    }
    event
}

/// Takes out of an event what clients wrote, and says whether there was any.
pub(crate) fn withhold_texts(event: &mut Value) -> bool {
    let mut found = false;
    if let Some(text) = event.pointer_mut("/query_info/query_string")
        && let Value::String(sql) = text
        && !sql.starts_with(HASH)
    {
        let digest = digest::digest(&digest::SHA256, sql.as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        *text = json!(format!("{HASH}{digest}"));
        found = true;
    }
    if let Some(endpoint) = event.pointer_mut("/src_endpoint").and_then(Value::as_object_mut) {
        found |= endpoint.remove("svc_name").is_some();
    }
    found
}
