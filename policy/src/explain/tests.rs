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

#[test]
fn aggregation_policies_are_named_whether_they_apply_or_not() {
    let bundle = load(
        "CREATE ROLE analyst; CREATE ROLE other; GRANT ROLE analyst TO USER 'ana';
GRANT SELECT ON crm.orders TO PUBLIC;
CREATE ROW POLICY mine ON crm.orders AS RESTRICTIVE TO USER 'ana' USING (id = 1);
CREATE AGGREGATION POLICY few ON crm.orders TO ROLE analyst ENTITY (tenant_id) MIN GROUP SIZE 5
  DIMENSIONS (region, date_trunc('month', placed_at)) MEASURES (amount)
  JOIN crm.customers ON (id = id) DIMENSIONS (country);
CREATE AGGREGATION POLICY more ON crm.orders TO ROLE other ENTITY (tenant_id) MIN GROUP SIZE 6
  MAX SHARE 10 PERCENT DIMENSIONS (region);",
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let few = "ENTITY (tenant_id) MIN GROUP SIZE 5 DIMENSIONS (region, date_trunc('month', placed_at)) \
               MEASURES (amount) JOIN crm.customers ON (id = id) DIMENSIONS (country)";
    let more = "ENTITY (tenant_id) MIN GROUP SIZE 6 MAX SHARE 10 PERCENT DIMENSIONS (region)";
    let snapshot = snapshot();
    let table = snapshot.table(&TableName::new("crm", "orders")).unwrap();
    for (rights, user, rows, applies) in [
        (Rights::Caller, "ana", "in aggregates only, of id = 1", true),
        (Rights::Author, "ana", "in aggregates only, of id = 1", true),
        (Rights::Caller, "eve", "all", false),
    ] {
        let found = explain(&bundle, &principal(user), &circumstances(), table, rights);
        assert_eq!(found.rows(), rows);
        let says: Vec<_> = found.aggregation_policies.iter().map(|one| one.says()).collect();
        let verb = if applies { "applies" } else { "is for others" };
        assert_eq!(
            says,
            [
                format!("aggregation policy few at p.sql:4 {verb}: {few}"),
                format!("aggregation policy more at p.sql:7 is for others: {more}"),
            ]
        );
        let shown = serde_json::to_value(&found.aggregation_policies[0]).unwrap();
        assert_eq!((&shown["applies"], &shown["rule"]), (&json!(applies), &json!(few)));
        assert_eq!(shown["policy"]["kind"], "aggregation_policy");
    }
}
