//! What queries used and cost as CloudEvents 1.0 (<https://github.com/cloudevents/spec>), for billing
//! elsewhere.

use serde_json::{Value, json};

use crate::billing::Rated;
use crate::record::spelled;

/// The type of the events. What they hold doesn't change under it, except that something is added.
const TYPE: &str = "tollgate.query.rated.v1";

/// One rated query. `ledger` names the ledger among others: with it, the id is the same whenever the
/// event is sent, and no other event has it.
pub(crate) fn event(ledger: &str, rated: &Rated) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": format!("{}/{}/{}", rated.chain, rated.seq, rated.id),
        "source": format!("/tollgate/ledgers/{ledger}"),
        "type": TYPE,
        "time": spelled(rated.at),
        "datacontenttype": "application/json",
        "data": {
            "query": rated.id,
            "tenant": rated.tenant,
            "user": rated.principal,
            "tables": rated.tables,
            "rows": rated.rows,
            "bytes": rated.bytes,
            "scanned": rated.scanned,
            "credits": rated.credits,
            "price": rated.terms,
            "currency": rated.currency,
            "amount": rated.amount,
        },
    });
    // A subject is not empty.
    if let Some(fields) = event.as_object_mut().filter(|_| !rated.tenant.is_empty()) {
        fields.insert("subject".to_owned(), json!(rated.tenant));
    }
    event
}
