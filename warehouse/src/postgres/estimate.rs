//! How much a forwarded query would read: where rows are hidden the sizes of whole tables, otherwise
//! what the server's planner says of the very text that it would run.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tollgate_catalog::Error;
use tollgate_rewriter::Secured;

use super::link::Query;
use super::{Postgres, error};
use crate::estimate::{Estimate, Read};

/// What the server adds to each row.
const ROW: u64 = 24;

impl Postgres {
    pub(super) async fn guess(&self, secured: &Secured) -> Result<Estimate, Error> {
        let read = Read::of(secured.plan())?;
        if read.whole.restricted {
            return Ok(read.whole);
        }
        let rendering = secured.for_postgres()?;
        let query = Query::of(&rendering)?;
        let mut lease = self.pool.lease(self.timeout).await?;
        let link = lease.link()?;
        let text = format!("EXPLAIN (FORMAT JSON) {}", query.text);
        let values = query.typed().map(|(value, of)| (value as &(dyn ToSql + Sync), of));
        let values: Vec<_> = values.collect();
        let row = link.ask(|client| client.query_typed_one(&text, &values)).await;
        let Json(plan) = row.map_err(error::planning)?.try_get(0).map_err(Error::internal)?;
        lease.finish().await?;
        let top = plan.pointer("/0/Plan").ok_or_else(|| Error::internal("EXPLAIN has no plan"))?;
        let explained = explained(top, &read.tables);
        // What the planner reads in a way that isn't known here counts whole.
        Ok(Estimate { rows: number(top, "Plan Rows"), ..read.at_most(explained) })
    }
}

/// What the nodes of the server's plan read; nothing if one reads in a way that isn't known.
fn explained(node: &Value, tables: &BTreeMap<String, u64>) -> Option<u64> {
    let mut sum = 0_u64;
    // A stack of our own: a plan may be deep.
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if let Some(relation) = node.get("Relation Name").and_then(Value::as_str) {
            let bytes = match node.get("Node Type").and_then(Value::as_str)? {
                "Seq Scan" => *tables.get(relation)?,
                "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan" | "Tid Scan" => {
                    let width = number(node, "Plan Width")?.saturating_add(ROW);
                    number(node, "Plan Rows")?.saturating_mul(width)
                }
                _ => return None,
            };
            sum = sum.saturating_add(bytes);
        }
        open.extend(node.get("Plans").and_then(Value::as_array).into_iter().flatten());
    }
    Some(sum)
}

fn number(node: &Value, name: &str) -> Option<u64> {
    let number = node.get(name)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of the planner's, cut at both ends"
    )]
    number.as_u64().or_else(|| number.as_f64().map(|number| number as u64))
}

/// A value of the type json.
struct Json(Value);

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(serde_json::from_slice(raw)?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::JSON
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use serde_json::json;

    use super::explained;

    #[test]
    fn what_a_plan_reads() {
        let tables = BTreeMap::from([("a".to_owned(), 8192), ("b".to_owned(), 1 << 20)]);
        let seq =
            json!({"Node Type": "Seq Scan", "Relation Name": "a", "Plan Rows": 1, "Plan Width": 4});
        let index = json!({"Node Type": "Index Scan", "Relation Name": "b", "Plan Rows": 10, "Plan Width": 76});
        let join = json!({"Node Type": "Nested Loop", "Plans": [seq, index]});
        assert_eq!(explained(&join, &tables), Some(8192 + 1000));
        let part = json!({"Node Type": "Append", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "a_1"}]});
        assert_eq!(explained(&part, &tables), None);
        let foreign = json!({"Node Type": "Foreign Scan", "Relation Name": "a"});
        assert_eq!(explained(&foreign, &tables), None);
    }
}
