//! What an expression may be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use crate::testing::{check_errors, describe};

fn refused(condition: &str, expected: &str) {
    let sql =
        format!("CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING\n({condition});");
    check_errors(&sql, &[expected]);
}

fn refused_mask(mask: &str, expected: &str) {
    let sql = format!("CREATE MASKING POLICY m ON crm.customers (email) USING\n({mask});");
    check_errors(&sql, &[expected]);
}

/// What `ana` may see of the rows.
fn rows(condition: &str, expected: &str) {
    let sql = format!(
        "GRANT SELECT (id) ON crm.orders TO PUBLIC; CREATE ROLE r; CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING ({condition});"
    );
    assert_eq!(describe(&sql, "ana", "crm.orders"), format!("id | {expected}"));
}

#[test]
fn conditions() {
    rows("tenant_id = 'acme'", "tenant_id = Utf8View(\"acme\")");
    rows(
        "orders.tenant_id = 'a' AND crm.orders.id = 1",
        "tenant_id = Utf8View(\"a\") AND id = Int64(1)",
    );
    rows("TENANT_ID <> 'a' OR NOT id < -1", "tenant_id != Utf8View(\"a\") OR NOT id < Int64(-1)");
    rows("amount > 1.5", "amount > Float64(1.5)");
    rows("placed_at >= '2026-01-01'", "placed_at >= TimestampMicrosecond(1767225600000000, None)");
    rows(
        "placed_at BETWEEN DATE '2026-01-01' AND NULL",
        "placed_at BETWEEN TimestampMicrosecond(1767225600000000, None) AND TimestampMicrosecond(NULL, None)",
    );
    rows("region IN ('eu', NULL)", "region IN ([Utf8View(\"eu\"), Utf8View(NULL)])");
    rows(
        "region NOT LIKE 'e%' OR region IS NULL",
        "region NOT LIKE Utf8(\"e%\") OR region IS NULL",
    );
    rows("upper(region) = 'EU'", "upper(CAST(region AS Utf8)) = Utf8(\"EU\")");
    rows(
        "CASE region WHEN 'eu' THEN true ELSE false END",
        "CASE WHEN region = Utf8View(\"eu\") THEN Boolean(true) ELSE Boolean(false) END",
    );
    rows("region || 'x' = 'eux'", "region || Utf8(\"x\") = Utf8(\"eux\")");
}

#[test]
fn questions_are_answered() {
    rows("tenant_id = principal_attr('tenant_id')", "tenant_id = Utf8(\"acme\")");
    rows("tenant_id = principal_attr('nope')", "tenant_id = Utf8(NULL)");
    rows(
        "tenant_id = principal_name() OR region = client_ip()",
        "tenant_id = Utf8(\"ana\") OR region = Utf8(\"10.1.2.3\")",
    );
    rows("region = ANY(principal_attrs('regions'))", "region IN ([Utf8(\"eu\"), Utf8(\"us\")])");
    rows("region = ANY(principal_attrs('nope'))", "Boolean(NULL)");
    rows("id = CAST(principal_attr('number') AS bigint)", "id = Int64(42)");
    rows("has_role('r') OR region = purpose()", "Boolean(false) OR region = Utf8(NULL)");
    rows(
        "tenant_id IN (SELECT t.tenant_id FROM admin.tenants t WHERE t.partner_id = principal_attr('tenant_id'))",
        "tenant_id IN (<subquery>)",
    );
    let policy = "GRANT SELECT (id) ON crm.orders TO PUBLIC; CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING (region = ANY(principal_attrs('regions')) OR id = principal_attr('number')::bigint OR tenant_id = principal_attr('tenant_id'));";
    // An empty list holds nothing; two tenants are not one; "many" is not a number.
    assert_eq!(
        describe(policy, "bob", "crm.orders"),
        "id | Boolean(false) OR id = Int64(NULL) OR tenant_id = Utf8(NULL)"
    );
}

#[test]
fn refused_conditions() {
    refused("nope = 1", "2:2: column \"nope\" of crm.orders does not exist");
    refused("customers.id = 1", "2:2: \"customers.id\" is not a column of crm.orders");
    refused("region", "2:2: expected a condition, found a value of type text");
    refused("id = 'x'", "2:7: \"x\" is not a value of type bigint");
    refused("region = 5", "2:11: text can't be compared with bigint");
    refused("id = principal_attr('n')", "2:7: bigint can't be compared with text");
    refused("placed_at = id", "2:14: timestamp without time zone can't be compared with bigint");
    refused("id / amount = 1", "2:2: arithmetic is not supported in policies");
    refused("CAST(region AS bigint) = 1", "2:7: a cast from text to bigint can fail on a value");
    refused("nope(region) = 'a'", "2:2: function \"nope\" does not exist for policies");
    refused(
        "upper(placed_at) = 'a'",
        "2:2: function \"upper\" doesn't take (timestamp without time zone)",
    );
    refused("mask_email(region) = 'a'", "2:2: mask_email can be used in masking policies only");
    refused("has_role('r')", "2:2: role \"r\" does not exist");
    refused(
        "principal_attr(region) = 'a'",
        "2:2: the argument of principal_attr must be a text literal",
    );
    refused("now() > placed_at", "2:2: this use of now is not supported in policies");
    refused(
        "current_timestamp > id",
        "2:22: timestamp without time zone can't be compared with bigint",
    );
    refused("region ~ 'a'", "2:2: operator \"~\" is not supported in policies");
    refused("EXISTS (SELECT 1)", "2:2: EXISTS is not supported in policies");
    refused("id = (SELECT 1)", "2:2: \"(SELECT 1)\" is not supported in policies");
    refused("id IS DISTINCT FROM 1", "2:2: IS DISTINCT FROM is not supported in policies");
    refused("region = $1", "2:11: the literal \"$1\" is not supported in policies");
    refused("count(*) > 1", "2:2: \"count(*)\" is not supported in policies");
    refused(
        "tenant_id NOT IN (SELECT tenant_id FROM admin.tenants)",
        "2:2: a subquery may stand only under AND and OR of a row policy",
    );
    refused(
        "NOT (tenant_id IN (SELECT tenant_id FROM admin.tenants))",
        "2:7: a subquery may stand only under AND and OR of a row policy",
    );
    refused(
        "tenant_id IN (SELECT tenant_id FROM admin.tenants LIMIT 1)",
        "2:2: this form of subquery is not supported in policies",
    );
    refused(
        "tenant_id IN (SELECT tenant_id FROM admin.tenants, crm.orders)",
        "2:2: this form of subquery is not supported in policies",
    );
    refused(
        "tenant_id IN (SELECT tenant_id FROM admin.tenants WHERE region = 'a')",
        "2:58: column \"region\" of admin.tenants does not exist",
    );
    refused(
        "tenant_id IN (SELECT tenant_id FROM admin.tenants WHERE orders.region = 'a')",
        "2:58: \"orders.region\" is not a column of admin.tenants",
    );
    refused("tenant_id IN (SELECT x FROM no.tenants)", "2:2: table no.tenants does not exist");
    // Both sides are reported.
    check_errors(
        "CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING (a = 1 AND\nb = 2);",
        &[
            "1:67: column \"a\" of crm.orders does not exist",
            "2:1: column \"b\" of crm.orders does not exist",
        ],
    );
}

#[test]
fn refused_masks() {
    refused_mask("1", "2:2: the mask is bigint, but column \"email\" of crm.customers is text");
    refused_mask(
        "birth_date",
        "2:2: the mask is date, but column \"email\" of crm.customers is text",
    );
    refused_mask("mask_nope(value)", "2:2: function \"mask_nope\" does not exist");
    refused_mask("mask_partial(value)", "2:2: wrong arguments for mask_partial");
    refused_mask("mask_partial(value, -1)", "2:2: wrong arguments for mask_partial");
    refused_mask("mask_date(value, 'century')", "2:2: wrong arguments for mask_date");
    refused_mask("mask_date(value, 'year')", "2:2: mask_date doesn't take values of type text");
    refused_mask("mask_round(value, 10)", "2:2: wrong arguments for mask_round");
    refused_mask("CASE WHEN true THEN value ELSE id END", "2:33: CASE gives text and bigint");
    refused_mask(
        "CASE WHEN tenant_id IN (SELECT tenant_id FROM admin.tenants) THEN value END",
        "2:12: a subquery may stand only under AND and OR of a row policy",
    );
}

fn refuses_depth(condition: &str) {
    let sql =
        format!("CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING ({condition});");
    assert_eq!(crate::testing::load(&sql).unwrap_err().len(), 1);
}

#[test]
fn depth_is_bounded() {
    refuses_depth(&format!("{}id = 1", "NOT ".repeat(150)));
    refuses_depth(&format!("{}id = 1{}", "(".repeat(150), ")".repeat(150)));
    refuses_depth(&vec!["id = 1"; 5_000].join(" OR "));
    rows(
        &format!("id = 1{}", " OR id = 2".repeat(90)),
        &format!("id = Int64(1){}", " OR id = Int64(2)".repeat(90)),
    );
    rows(&format!("{}id = 1", "NOT ".repeat(20)), &format!("{}id = Int64(1)", "NOT ".repeat(20)));
}
