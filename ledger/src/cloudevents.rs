//! What queries used and cost as CloudEvents 1.0 (<https://github.com/cloudevents/spec>), for billing
//! elsewhere.

use serde_json::{Value, json};

use crate::billing::Rated;
use crate::record::{Correction, spelled};

/// The type of the events. What they hold doesn't change under it, except that something is added.
const TYPE: &str = "tollgate.query.rated.v1";

/// The type of corrections. What such an event says takes the place of what was said of its query before.
const CORRECTED: &str = "tollgate.query.corrected.v1";

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
    about(&mut event, &rated.tenant);
    event
}

/// What a query is charged from now on: a record of a chain, with its number and time.
pub(crate) fn corrected(
    ledger: &str,
    (chain, seq, at): (&str, i64, i64),
    correction: &Correction,
) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": format!("{chain}/{seq}/{}", correction.id),
        "source": format!("/tollgate/ledgers/{ledger}"),
        "type": CORRECTED,
        "time": spelled(at),
        "datacontenttype": "application/json",
        "data": {
            "query": correction.id,
            // The id of the event that is corrected.
            "corrects": format!("{}/{}/{}", correction.of.chain, correction.of.seq, correction.id),
            "tenant": correction.tenant,
            "user": correction.principal,
            "credits": correction.credits,
            "measured": correction.measured,
            "currency": correction.currency,
            "amount": correction.amount,
        },
    });
    about(&mut event, &correction.tenant);
    event
}

/// Names the subject. It is not empty.
fn about(event: &mut Value, tenant: &str) {
    if let Some(fields) = event.as_object_mut().filter(|_| !tenant.is_empty()) {
        fields.insert("subject".to_owned(), json!(tenant));
    }
}
