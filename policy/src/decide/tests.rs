//! The truth table of composition.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use tollgate_catalog::{Snapshot, TableName};

use crate::testing::{circumstances, decide_on, describe, load, principal, snapshot};
use crate::{Denied, PolicyKind, Predicates, decide};

const ROLES: &str = "CREATE ROLE analyst; CREATE ROLE lead; CREATE ROLE other;
    GRANT ROLE analyst TO ROLE lead; GRANT ROLE lead TO USER 'ana'; GRANT ROLE other TO USER 'bob';";

fn check(rules: &str, user: &str, table: &str, expected: &str) {
    assert_eq!(describe(&format!("{ROLES}{rules}"), user, table), expected, "{user}: {rules}");
}

#[test]
fn grants_and_denials() {
    let orders = "id, tenant_id, region, amount, placed_at | all";
    for (rules, ana, bob, eve) in [
        ("", "denied crm.orders", "denied crm.orders", "denied crm.orders"),
        (
            "GRANT SELECT ON crm.orders TO ROLE analyst;",
            orders,
            "denied crm.orders",
            "denied crm.orders",
        ),
        (
            "GRANT SELECT ON crm.orders TO ROLE other, USER 'eve';",
            "denied crm.orders",
            orders,
            orders,
        ),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA crm TO PUBLIC;", orders, orders, orders),
        (
            "GRANT SELECT (region, id) ON crm.orders TO PUBLIC;",
            "id, region | all",
            "id, region | all",
            "id, region | all",
        ),
        (
            "GRANT SELECT (id) ON crm.orders TO PUBLIC; GRANT SELECT (region) ON crm.orders TO ROLE analyst;",
            "id, region | all",
            "id | all",
            "id | all",
        ),
        (
            "DENY SELECT (id) ON crm.orders TO ROLE analyst; GRANT SELECT (id, region) ON crm.orders TO PUBLIC;",
            "region | all",
            "id, region | all",
            "id, region | all",
        ),
        (
            "GRANT SELECT (id) ON crm.orders TO PUBLIC, USER 'ana'; DENY SELECT ON ALL TABLES IN SCHEMA crm TO ROLE lead;",
            "denied crm.orders",
            "id | all",
            "id | all",
        ),
        (
            "GRANT SELECT (id) ON crm.orders TO PUBLIC; DENY SELECT (id) ON crm.orders TO USER 'eve';",
            "id | all",
            "id | all",
            "denied crm.orders",
        ),
        // A role is not a user of the same name.
        (
            "CREATE ROLE eve; GRANT SELECT (id) ON crm.orders TO ROLE eve;",
            "denied crm.orders",
            "denied crm.orders",
            "denied crm.orders",
        ),
        (
            "GRANT ROLE other TO PUBLIC; GRANT SELECT (id) ON crm.orders TO ROLE other;",
            "id | all",
            "id | all",
            "id | all",
        ),
    ] {
        check(rules, "ana", "crm.orders", ana);
        check(rules, "bob", "crm.orders", bob);
        check(rules, "eve", "crm.orders", eve);
    }
}

#[test]
fn row_policies() {
    let grant = "GRANT SELECT (id) ON crm.orders TO PUBLIC;";
    let permissive = |name: &str, to: &str, id: u8| {
        format!("CREATE ROW POLICY {name} ON crm.orders AS PERMISSIVE TO {to} USING (id = {id});")
    };
    let restrictive = |name: &str, to: &str, id: u8| {
        format!(
            "CREATE ROW POLICY {name} ON ALL TABLES WITH COLUMN (region) AS RESTRICTIVE TO {to} USING (id <> {id});"
        )
    };
    let lead_one = permissive("p1", "ROLE analyst", 1);
    let user_two = permissive("p2", "USER 'ana'", 2);
    let all_three = restrictive("r3", "PUBLIC", 3);
    let other_four = restrictive("r4", "ROLE other", 4);
    for (rules, ana, bob) in [
        (vec![&lead_one], "id = Int64(1)", "Boolean(false)"),
        (vec![&lead_one, &user_two], "id = Int64(1) OR id = Int64(2)", "Boolean(false)"),
        (vec![&all_three], "id != Int64(3)", "id != Int64(3)"),
        (vec![&all_three, &other_four], "id != Int64(3)", "id != Int64(3) AND id != Int64(4)"),
        (vec![&lead_one, &other_four], "id = Int64(1)", "Boolean(false) AND id != Int64(4)"),
        (
            vec![&lead_one, &user_two, &all_three],
            "(id = Int64(1) OR id = Int64(2)) AND id != Int64(3)",
            "Boolean(false) AND id != Int64(3)",
        ),
        (vec![&other_four], "all", "id != Int64(4)"),
    ] {
        let rules: String = rules.into_iter().map(String::as_str).collect();
        check(&format!("{grant}{rules}"), "ana", "crm.orders", &format!("id | {ana}"));
        check(&format!("{grant}{rules}"), "bob", "crm.orders", &format!("id | {bob}"));
    }
}

#[test]
fn masks() {
    let grant = "GRANT SELECT (email) ON crm.customers TO PUBLIC;";
    let mask = |name: &str, using: &str, rest: &str| {
        format!("CREATE MASKING POLICY {name} ON crm.customers (email) USING ({using}) {rest};")
    };
    let null = mask("m_null", "NULL", "EXCEPT ROLE analyst");
    let redact = mask("m_redact", "mask_redact(value)", "PREDICATES MASKED");
    let hash = mask("m_hash", "mask_hash(value)", "EXCEPT ROLE other");
    let partial =
        mask("m_partial", "mask_email(value)", "EXCEPT ROLE analyst WHEN (country = 'DE')");
    let plain = mask("m_upper", "upper(value)", "");
    for (rules, ana, bob) in [
        (vec![&null], "email", "email=Utf8View(NULL)"),
        (vec![&redact, &null], "email=Utf8View(\"REDACTED\")", "email=Utf8View(NULL)"),
        (vec![&hash, &null], "email=mask_hash(email)", "email=Utf8View(NULL)"),
        (vec![&hash, &partial], "email=mask_hash(email)", "email=mask_email(email)"),
        (
            vec![&partial],
            "email=CASE WHEN country = Utf8(\"DE\") THEN email ELSE mask_email(email) END",
            "email=mask_email(email)",
        ),
        (
            vec![&partial, &plain],
            "email=CASE WHEN country = Utf8(\"DE\") THEN CAST(upper(CAST(email AS Utf8)) AS Utf8View) ELSE mask_email(email) END",
            "email=mask_email(email)",
        ),
        (
            vec![&redact, &hash, &partial],
            "email=Utf8View(\"REDACTED\")",
            "email=Utf8View(\"REDACTED\")",
        ),
    ] {
        let rules: String = rules.into_iter().map(String::as_str).collect();
        check(&format!("{grant}{rules}"), "ana", "crm.customers", &format!("{ana} | all"));
        check(&format!("{grant}{rules}"), "bob", "crm.customers", &format!("{bob} | all"));
    }
    // A branch that shows the value makes a CASE the weakest of masks.
    let case = mask("m_case", "CASE WHEN country = 'DE' THEN value ELSE NULL END", "");
    check(
        &format!("{grant}{case}{partial}"),
        "bob",
        "crm.customers",
        "email=mask_email(email) | all",
    );
}

#[test]
fn grants_of_writes_show_nothing_and_denials_of_writes_hide_nothing() {
    check(
        "GRANT INSERT, UPDATE (id), DELETE ON crm.orders TO PUBLIC;",
        "ana",
        "crm.orders",
        "denied crm.orders",
    );
    check(
        "GRANT UPDATE (amount), SELECT (id) ON crm.orders TO PUBLIC; DENY UPDATE, DELETE ON crm.orders TO PUBLIC;",
        "ana",
        "crm.orders",
        "id | all",
    );
    check(
        "GRANT SELECT ON ALL TABLES WITH COLUMN (partner_id) TO PUBLIC;",
        "ana",
        "admin.tenants",
        "tenant_id, partner_id | all",
    );
}

#[test]
fn the_least_that_any_applying_mask_allows_holds() {
    let grant = "GRANT SELECT (email) ON crm.customers TO PUBLIC;";
    let mask = |name: &str, using: &str, rest: &str| {
        format!("CREATE MASKING POLICY {name} ON crm.customers (email) USING ({using}) {rest};")
    };
    let deny = mask("a", "mask_email(value)", "EXCEPT ROLE analyst PREDICATES DENY");
    let equality = mask("b", "mask_hash(value)", "EXCEPT ROLE other PREDICATES EQUALITY");
    let sometimes = mask("c", "upper(value)", "EXCEPT ROLE analyst WHEN (id = 1) PREDICATES DENY");
    for (rules, ana, bob) in [
        (vec![&deny], None, Some(Predicates::Deny)),
        (vec![&equality], Some(Predicates::Equality), None),
        // The hash is shown, and the weaker mask's rule still holds.
        (vec![&deny, &equality], Some(Predicates::Equality), Some(Predicates::Deny)),
        (vec![&sometimes, &equality], Some(Predicates::Deny), Some(Predicates::Deny)),
    ] {
        let rules: String = rules.into_iter().map(String::as_str).collect();
        let bundle = load(&format!("{ROLES}{grant}{rules}")).unwrap();
        for (user, expected) in [("ana", ana), ("bob", bob)] {
            let parts = decide_on(&bundle, user, &["crm.customers"]).unwrap().into_parts();
            let found = parts.tables[0].columns()[0].mask.as_ref().map(|mask| mask.predicates);
            assert_eq!(found, expected, "{user}: {rules}");
        }
    }
}

#[test]
fn tags_cover_columns_by_pattern() {
    check(
        "GRANT SELECT (id, tenant_id, national_id) ON crm.customers TO PUBLIC; TAG COLUMN *.*.national_* AS pii.id;
         CREATE MASKING POLICY m ON TAG pii.id USING (mask_null(value));",
        "eve",
        "crm.customers",
        "id, tenant_id, national_id=Utf8View(NULL) | all",
    );
    check(
        "GRANT SELECT (income, birth_date) ON crm.customers TO PUBLIC;
         CREATE MASKING POLICY i ON crm.customers (income) USING (mask_round(value, 1000));
         CREATE MASKING POLICY b ON crm.customers (birth_date) USING (date_trunc('year', value));",
        "eve",
        "crm.customers",
        "income=mask_round(income, Int64(1000)), birth_date=mask_date(birth_date, Utf8(\"year\")) | all",
    );
}

#[test]
fn a_permit_says_on_what_it_rests() {
    let bundle = load(&format!(
        "{ROLES}\nGRANT SELECT ON crm.orders TO ROLE analyst;\nGRANT SELECT ON hr.salaries TO ROLE other;\nCREATE ROW POLICY mine ON crm.orders AS RESTRICTIVE TO PUBLIC USING (id = 1);"
    ))
    .unwrap();
    let parts = decide_on(&bundle, "ana", &["crm.orders", "crm.orders"]).unwrap().into_parts();
    assert_eq!(parts.tables.len(), 2);
    assert_eq!(parts.bundle_hash, bundle.hash());
    assert_eq!(
        parts.standing.active().iter().map(String::as_str).collect::<Vec<_>>(),
        ["analyst", "lead"]
    );
    let policies: Vec<_> = parts.tables[0]
        .policies()
        .iter()
        .map(|p| (p.kind, p.name.as_str(), p.line, p.column))
        .collect();
    assert_eq!(
        policies,
        [
            (PolicyKind::Grant, "GRANT SELECT ON crm.orders", 3, 1),
            (PolicyKind::RestrictiveRowPolicy, "mine", 5, 1),
        ]
    );
    assert!(!parts.tables[0].is_unrestricted());
    let denied = decide_on(&bundle, "ana", &["crm.orders", "hr.salaries"]).unwrap_err();
    assert_eq!(denied, Denied::Table(TableName::new("hr", "salaries")));
}

/// A statement over tables of some catalog.
struct Over(Vec<Arc<tollgate_catalog::Table>>);

impl crate::NamesTables for Over {
    fn tables(&self) -> &[Arc<tollgate_catalog::Table>] {
        &self.0
    }
}

#[test]
fn a_table_that_changed_since_validation_is_denied() {
    let bundle = load("GRANT SELECT ON crm.orders TO PUBLIC;").unwrap();
    let name = TableName::new("crm", "orders");
    let mut table = snapshot().table(&name).unwrap().as_ref().clone();
    assert!(
        decide(&bundle, &principal("eve"), &circumstances(), Over(vec![Arc::new(table.clone())]))
            .is_ok()
    );
    table.columns.swap(0, 1);
    let changed = Snapshot::new(2, [table]);
    let table = Arc::clone(changed.table(&name).unwrap());
    let standing = bundle.standing(&principal("eve"), &circumstances()).unwrap();
    assert_eq!(bundle.visible(&principal("eve"), &standing, &table), None);
    assert!(decide(&bundle, &principal("eve"), &circumstances(), Over(vec![table])).is_err());
}

/// What a rule says, in short.
fn rule(found: &crate::Aggregation) -> String {
    let dimensions = |all: &[crate::Dimension]| {
        let texts = all.iter().map(|one| match &one.bucket {
            None => one.column.to_string(),
            Some(unit) => format!("{}:{unit}", one.column),
        });
        texts.collect::<Vec<_>>().join(" ")
    };
    let joins = found.joins.iter().map(|join| {
        let crate::DeclaredJoin { table, column, key, dimensions: of } = join;
        format!("; {table} {key}={column} by {}", dimensions(of))
    });
    let crate::Aggregation { least, dominance, entity, measures, .. } = found;
    let by = dimensions(&found.dimensions);
    format!(
        "{least} of {entity}, {dominance}%, by {by}, sums {measures:?}{}",
        joins.collect::<String>()
    )
}

#[test]
fn the_strictest_of_aggregation_policies() {
    let policy = |name: &str, to: &str, rest: &str| {
        format!(
            "CREATE AGGREGATION POLICY {name} ON crm.orders TO {to} ENTITY (tenant_id) MIN GROUP SIZE {rest};\n"
        )
    };
    let wide = policy(
        "wide",
        "ROLE analyst",
        "5 DIMENSIONS (region, date_trunc('month', placed_at), date_trunc('year', placed_at)) MEASURES (amount)
         JOIN crm.customers ON (email = tenant_id) DIMENSIONS (country, date_trunc('year', birth_date))
         JOIN admin.tenants ON (partner_id = tenant_id) DIMENSIONS (tenant_id)",
    );
    let seen = "5 of 1, 50%, by 2 4:month 4:year, sums [3]; crm.customers 2=1 by 5 6:year; admin.tenants 1=1 by 0";
    let other = policy(
        "other",
        "USER 'ana', 'bob'",
        "3 MAX SHARE 40 PERCENT DIMENSIONS (date_trunc('year', placed_at), id)
         JOIN crm.customers ON (email = tenant_id) DIMENSIONS (date_trunc('year', birth_date))
         JOIN crm.customers ON (country = tenant_id) DIMENSIONS (email)",
    );
    let of_other =
        "3 of 1, 40%, by 4:year 0, sums []; crm.customers 2=1 by 6:year; crm.customers 5=1 by 2";
    let both = "5 of 1, 40%, by 4:year, sums []; crm.customers 2=1 by 6:year";
    for (rules, ana, bob, eve) in [
        (vec![&wide], Some(seen), None, None),
        (vec![&other], Some(of_other), Some(of_other), None),
        (vec![&wide, &other], Some(both), Some(of_other), None),
        (vec![&other, &wide], Some(both), Some(of_other), None),
    ] {
        let rules: String = rules.into_iter().map(String::as_str).collect();
        let grant = "GRANT SELECT ON crm.orders TO PUBLIC;";
        let bundle =
            load(&format!("{ROLES}{grant}{rules}")).unwrap_or_else(|errors| panic!("{errors}"));
        for (user, expected) in [("ana", ana), ("bob", bob), ("eve", eve)] {
            let mut parts = decide_on(&bundle, user, &["crm.orders"]).unwrap().into_parts();
            let table = &mut parts.tables[0];
            assert_eq!(table.aggregation().map(rule).as_deref(), expected, "{user}: {rules}");
            assert_eq!(table.is_unrestricted(), expected.is_none());
            assert_eq!(table.take_guarded().is_some(), expected.is_some());
            let named = table.policies().iter().filter(|p| p.kind == PolicyKind::AggregationPolicy);
            let count = expected.map_or(0, |expected| 1 + usize::from(expected == both));
            assert_eq!(named.count(), count, "{user}: {rules}");
        }
    }
}

#[test]
fn what_restricts_to_aggregates_holds_for_roles_that_are_off() {
    let bundle = load(&format!(
        "{ROLES} CREATE ROLE temp; GRANT ROLE temp TO USER 'ana';
         CREATE ACCESS RULE careful TO ROLE temp REQUIRE MFA;
         GRANT SELECT ON crm.orders TO ROLE analyst;
         CREATE AGGREGATION POLICY a ON crm.orders TO ROLE temp ENTITY (id) MIN GROUP SIZE 2 DIMENSIONS (region);"
    ))
    .unwrap();
    let parts = decide_on(&bundle, "ana", &["crm.orders"]).unwrap().into_parts();
    assert!(!parts.standing.active().contains("temp"));
    assert!(parts.tables[0].aggregation().is_some());
}

#[test]
fn a_guard_reads_the_entity_as_it_is_and_all_else_as_the_caller() {
    const REST: &str = "CREATE ROW POLICY r ON crm.customers AS RESTRICTIVE TO PUBLIC USING (country = 'DE');
        CREATE MASKING POLICY m ON crm.customers (national_id) USING (mask_hash(value));
        CREATE MASKING POLICY e ON crm.customers (email) USING (mask_email(value));
        CREATE AGGREGATION POLICY a ON crm.customers TO PUBLIC ENTITY (national_id) MIN GROUP SIZE 2 DIMENSIONS (country);";
    let rows = "country = Utf8(\"DE\")";
    let (email, hash) = ("email=mask_email(email)", "national_id=mask_hash(national_id)");
    for (granted, outside, inside) in [
        ("country, email", format!("{email}, country"), format!("{email}, national_id, country")),
        ("national_id", hash.to_owned(), "national_id".to_owned()),
        (
            "email, national_id, id",
            format!("id, {email}, {hash}"),
            format!("id, {email}, national_id"),
        ),
    ] {
        let bundle = load(&format!("GRANT SELECT ({granted}) ON crm.customers TO PUBLIC; {REST}"))
            .unwrap_or_else(|errors| panic!("{errors}"));
        let mut parts = decide_on(&bundle, "eve", &["crm.customers"]).unwrap().into_parts();
        let table = &mut parts.tables[0];
        assert_eq!(crate::testing::show(table), format!("{outside} | {rows}"));
        let mut guarded = table.take_guarded().unwrap();
        assert_eq!(crate::testing::show(&guarded), format!("{inside} | {rows}"));
        assert_eq!(guarded.policies(), table.policies());
        assert!(guarded.aggregation().is_none() && guarded.take_guarded().is_none());
        // It is taken once, and the table stays one of aggregates.
        assert!(table.take_guarded().is_none());
        assert!(table.aggregation().is_some() && !table.is_unrestricted());
    }
    let ungranted = load(REST).unwrap();
    let denied = decide_on(&ungranted, "eve", &["crm.customers"]).unwrap_err();
    assert_eq!(denied, Denied::Table(TableName::new("crm", "customers")));
}

#[test]
fn a_view_reads_what_answers_in_aggregates_only_as_that() {
    let bundle = load(
        "CREATE VIEW s.below AS SELECT region FROM crm.orders;
         CREATE VIEW s.v AS SELECT region FROM s.below; GRANT SELECT ON s.v TO PUBLIC;
         CREATE MASKING POLICY m ON crm.orders (tenant_id) USING (NULL);
         CREATE AGGREGATION POLICY a ON crm.orders TO USER 'ana' ENTITY (tenant_id) MIN GROUP SIZE 2 DIMENSIONS (region);",
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let catalog = bundle.catalog(&Arc::new(snapshot()));
    let view = Arc::clone(catalog.table(&TableName::new("s", "v")).unwrap());
    for (user, guarded) in [("ana", true), ("bob", false)] {
        let over = Over(vec![Arc::clone(&view)]);
        let permit = decide(&bundle, &principal(user), &circumstances(), over).unwrap();
        let mut view = permit.into_parts().tables.remove(0);
        assert!(view.aggregation().is_none() && view.take_guarded().is_none());
        let mut below = view.take_reads().remove(0);
        assert!(below.aggregation().is_none());
        let mut table = below.take_reads().remove(0);
        assert_eq!(table.aggregation().is_some(), guarded);
        let shown = "id, tenant_id=Utf8View(NULL), region, amount, placed_at | all";
        assert_eq!(crate::testing::show(&table), shown);
        let below_guard = table.take_guarded().map(|table| crate::testing::show(&table));
        let expected = guarded.then(|| "id, tenant_id, region, amount, placed_at | all".to_owned());
        assert_eq!(below_guard, expected);
    }
}
