//! Which statements have a say, and that they agree with the decision.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use serde_json::{Value, json};
use tollgate_catalog::TableName;

use super::{Rights, explain};
use crate::testing::{circumstances, load, principal, snapshot};

const RULES: &str = "CREATE ROLE analyst; CREATE ROLE temp;
GRANT ROLE analyst TO USER 'ana'; GRANT ROLE temp TO USER 'ana';
CREATE ACCESS RULE careful TO ROLE temp REQUIRE MFA;
GRANT SELECT ON crm.orders TO ROLE analyst;
DENY SELECT (amount) ON crm.orders TO ROLE temp;
CREATE ROW POLICY mine ON crm.orders AS RESTRICTIVE TO PUBLIC USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY temps ON crm.orders AS PERMISSIVE TO ROLE temp USING (true);
CREATE MASKING POLICY m ON crm.orders (region) USING (NULL) EXCEPT ROLE analyst WHEN (id = 1) PREDICATES DENY;";

fn explained(user: &str, table: &str) -> Value {
    let bundle = load(RULES).unwrap_or_else(|errors| panic!("{errors}"));
    let snapshot = snapshot();
    let table = snapshot.table(&TableName::new("crm", table)).unwrap();
    let explanation = explain(&bundle, &principal(user), &circumstances(), table, Rights::Caller);
    serde_json::to_value(explanation).unwrap()
}

#[test]
fn every_statement_that_has_a_say_is_named() {
    let mut found = explained("ana", "orders");
    let policy = |line: u64, kind: &str, name: &str| json!({"file": "p.sql", "line": line, "column": 1, "kind": kind, "name": name});
    let grant = policy(4, "grant", "GRANT SELECT ON crm.orders");
    assert_eq!(found["outcome"], "visible");
    assert_eq!(found["held_roles"], json!(["analyst", "temp"]));
    assert_eq!(found["active_roles"], json!(["analyst"]));
    assert_eq!(
        found["access_rules"],
        json!([{"policy": policy(3, "access_rule", "careful"), "met": false, "unmet": ["mfa"]}])
    );
    assert_eq!(
        found["columns"][2].take(),
        json!({
            "name": "region", "visible": true, "grants": [grant], "denials": [],
            "masks": [{
                "policy": policy(8, "masking_policy", "m"), "strength": "null",
                "applies": {"unless": "id = 1"},
            }],
            "shown_as": "CASE WHEN id = 1 THEN region ELSE NULL END",
            "predicates": "deny",
        })
    );
    assert_eq!(
        found["columns"][3].take(),
        json!({
            "name": "amount", "visible": false, "grants": [grant],
            "denials": [policy(5, "deny", "DENY SELECT ON crm.orders")],
            "masks": [], "shown_as": null, "predicates": "masked",
        })
    );
    assert_eq!(
        found["row_policies"],
        json!([
            {
                "policy": policy(6, "restrictive_row_policy", "mine"), "applies": true,
                "condition": "tenant_id = principal_attr('tenant_id')",
            },
            {
                "policy": policy(7, "permissive_row_policy", "temps"), "applies": false,
                "condition": "true",
            },
        ])
    );
    assert_eq!(found["row_condition"], "false AND tenant_id = 'acme'");
}

#[test]
fn what_is_hidden_says_so() {
    let other = explained("bob", "orders");
    assert_eq!((&other["outcome"], &other["columns"][0]["grants"]), (&json!("hidden"), &json!([])));
    assert_eq!(explained("ana", "customers")["outcome"], "hidden");
}
