//! What the parser refuses, where, and with which hint.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use crate::model::Glob;
use crate::testing::{check_errors, load};

#[test]
fn errors_have_places() {
    for (sql, expected) in [
        (
            "CREATE TABLE t (a int);",
            "1:1: expected a statement of the policy language, found \"CREATE\"",
        ),
        ("CREATE ROLE", "1:12: expected a role, found the end of the file"),
        ("CREATE ROLE a b;", "1:15: expected the end of the statement, found \"b\""),
        ("GRANT SELECT ON orders TO PUBLIC;", "1:24: expected \".\", found \"TO\""),
        ("GRANT SELECT ON crm.orders;", "1:27: expected TO, found \";\""),
        (
            "GRANT SELECT ON crm.orders TO ana;",
            "1:31: expected ROLE, USER or PUBLIC, found \"ana\"",
        ),
        ("GRANT SELECT ON crm.orders TO USER ana;", "1:36: expected a user, found \"ana\""),
        ("GRANT SELECT, SELECT ON crm.orders TO PUBLIC;", "1:15: SELECT is named twice"),
        ("GRANT DELETE (id) ON crm.orders TO PUBLIC;", "1:14: expected ON, found \"(\""),
        (
            "DENY SELECT, UPDATE (a) ON crm.orders TO PUBLIC;",
            "1:22: column \"a\" of crm.orders does not exist",
        ),
        (
            "GRANT USAGE ON crm.orders TO PUBLIC;",
            "1:7: expected SELECT, INSERT, UPDATE or DELETE, found \"USAGE\"",
        ),
        (
            "REVOKE SELECT ON crm.orders FROM PUBLIC;",
            "1:1: REVOKE is not supported by this version",
        ),
        ("CREATE AGGREGATION POLICY k5 ON crm.orders;", "1:43: expected TO, found \";\""),
        (
            "CREATE AGGREGATION POLICY k5 ON ALL TABLES IN SCHEMA crm TO PUBLIC;",
            "1:33: an aggregation policy is for one table",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC MIN GROUP SIZE 5;",
            "1:54: expected ENTITY, found \"MIN\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 'a';",
            "1:81: expected a number of entities, found \"'a'\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5;",
            "1:82: expected DIMENSIONS, found \";\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 MAX SHARE 9;",
            "1:94: expected PERCENT, found \";\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS ();",
            "1:95: expected a dimension, found \")\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (lower(region));",
            "1:95: this is not a dimension",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (amount % 2);",
            "1:102: expected \")\", found \"%\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (date_trunc(placed_at, 'month'));",
            "1:106: expected a unit, found \"placed_at\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (region) JOIN crm.customers ON (id) DIMENSIONS (country);",
            "1:128: expected \"=\", found \")\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (region) JOIN crm.customers ON (id = id) MEASURES (income);",
            "1:135: expected DIMENSIONS, found \"MEASURES\"",
        ),
        (
            "CREATE AGGREGATION POLICY k5 ON crm.orders TO PUBLIC ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (region) MAX SHARE 5 PERCENT;",
            "1:103: expected another clause, or the end of the statement, found \"MAX\"",
        ),
        ("CREATE LIMIT l MAX ROWS 1;", "1:16: expected TO, found \"MAX\""),
        ("CREATE LIMIT l TO PUBLIC;", "1:25: expected what the limit allows, found \";\""),
        ("CREATE LIMIT l TO PUBLIC MAX ROWS 1;", "1:36: expected ON EXCEED, found \";\""),
        (
            "CREATE LIMIT l TO PUBLIC MAX ROWS 1 ON EXCEED CUT;",
            "1:47: expected TRUNCATE or ERROR, found \"CUT\"",
        ),
        (
            "CREATE LIMIT l TO PUBLIC MAX ROWS -1 ON EXCEED ERROR;",
            "1:35: expected a number of rows, found \"-\"",
        ),
        (
            "CREATE LIMIT l TO PUBLIC MAX RUNTIME '1 s' MAX RUNTIME '2 s';",
            "1:44: the limit says this twice",
        ),
        ("CREATE LIMIT l TO PUBLIC MAX BYTES SCANNED 50;", "1:44: expected a size, found \"50\""),
        (
            "CREATE LIMIT l TO PUBLIC RATE 6 PER DAY PER USER;",
            "1:33: expected PER SECOND, PER MINUTE or PER HOUR, found \"PER\"",
        ),
        (
            "CREATE LIMIT l TO PUBLIC RATE 6 PER HOUR;",
            "1:41: expected PER USER, PER ROLE or PER TENANT, found \";\"",
        ),
        (
            "CREATE LIMIT l TO PUBLIC MAX SIZE 3;",
            "1:26: expected what the limit allows, found \"MAX\"",
        ),
        (
            "CREATE LIMIT l TO PUBLIC MAX CONCURRENT 3 SOMETIMES;",
            "1:43: expected the end of the statement, found \"SOMETIMES\"",
        ),
        ("CREATE PRICE p TO PUBLIC;", "1:25: expected what is to be paid for, found \";\""),
        ("CREATE PRICE p TO PUBLIC PER QUERY 1;", "1:37: expected CURRENCY, found \";\""),
        (
            "CREATE PRICE p TO PUBLIC PER QUERY 1 PER QUERY 2 CURRENCY 'USD';",
            "1:38: the price says this twice",
        ),
        (
            "CREATE PRICE p TO PUBLIC PER QUERY 1 CURRENCY 'USD' VALID TILL '2027-01-01';",
            "1:59: expected FROM or UNTIL, found \"TILL\"",
        ),
        ("CREATE VIEW v AS SELECT 1;", "1:15: expected \".\", found \"AS\""),
        ("CREATE VIEW s.v AS SELECT a, t.* FROM t;", "1:32: a view can't select \"*\""),
        ("CREATE VIEW s.v AS SELECT * FROM t;", "1:27: a view can't select \"*\""),
        ("CREATE VIEW s.v AS DELETE FROM t;", "1:20: expected a query"),
        (
            "CREATE VIEW crm.orders AS SELECT count(*), 2 * a FROM t;",
            "1:13: relation crm.orders exists already",
        ),
        (
            "TEST POLICY AS USER 'ana' ROLES (r) SELECT 1 EXPECT DENIED;",
            "1:34: role \"r\" does not exist",
        ),
        ("TEST POLICY AS USER 'ana' SELECT 1;", "1:35: expected EXPECT, found \";\""),
        ("TEST POLICY AS USER 'ana' DELETE FROM a EXPECT DENIED;", "1:27: expected a query"),
        (
            "TEST POLICY AS USER 'ana' FROM '10.0.0.0/8' SELECT 1 EXPECT DENIED;",
            "1:32: \"10.0.0.0/8\" is not an address",
        ),
        (
            "TEST POLICY AS USER 'ana' FROM 10 SELECT 1 EXPECT DENIED;",
            "1:32: expected an address, found \"10\"",
        ),
        (
            "TEST POLICY AS USER 'ana' MFA PURPOSE 'a' MFA SELECT 1 EXPECT DENIED;",
            "1:43: the test says this twice",
        ),
        ("TEST POLICY AS USER 'ana' SELECT 1 EXPECT NO ROWS;", "1:43: expected ROWS, found \"NO\""),
        (
            "TEST POLICY AS USER 'ana' SELECT (1 EXPECT DENIED;",
            "1:50: expected EXPECT, found \";\"",
        ),
        (
            "TEST POLICY AS USER 'ana' SELECT 1 EXPECT ROWS (1), (1, 2);",
            "1:53: the rows differ in their number of values",
        ),
        (
            "TEST POLICY AS USER 'ana' WITH (a = '1', a = '2') SELECT 1 EXPECT DENIED;",
            "1:42: attribute \"a\" is given twice",
        ),
        (
            "CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC;",
            "1:59: row policy \"p\" has no USING",
        ),
        (
            "CREATE ROW POLICY p ON crm.orders TO PUBLIC USING (true);",
            "1:35: expected AS PERMISSIVE or AS RESTRICTIVE, found \"TO\"",
        ),
        (
            "CREATE ROW POLICY p ON crm.orders AS PERMISSIVE TO PUBLIC USING (id = );",
            "1:71: expected an expression, found: )",
        ),
        (
            "CREATE ROW POLICY p ON crm.orders AS PERMISSIVE TO PUBLIC USING (id = 1 id);",
            "1:73: expected \")\", found \"id\"",
        ),
        (
            "CREATE MASKING POLICY m ON crm.customers (email);",
            "1:49: masking policy \"m\" has no USING",
        ),
        (
            "CREATE MASKING POLICY m ON crm.customers (email, id) USING (NULL);",
            "1:48: expected \")\", found \",\"",
        ),
        (
            "CREATE MASKING POLICY m ON crm.customers (email) USING (NULL) PREDICATES NONE;",
            "1:74: expected MASKED, found \"NONE\"",
        ),
        ("TAG COLUMN crm.customers AS pii;", "1:26: expected \".\", found \"AS\""),
        ("\n  'open", "2:3: unterminated string literal"),
    ] {
        check_errors(sql, &[expected]);
    }
}

#[test]
fn one_load_reports_all_errors() {
    check_errors(
        "-- a comment\nGRANT ALL ON x.y TO PUBLIC;\nCREATE ROLE a;\nCREATE ROLE a; DENY;\nGRANT SELECT ON x.y TO ROLE b;",
        &[
            "2:7: expected SELECT, INSERT, UPDATE or DELETE, found \"ALL\"",
            "4:13: role \"a\" exists already",
            "4:20: expected SELECT, INSERT, UPDATE or DELETE, found \";\"",
            "5:17: table x.y does not exist",
            "5:29: role \"b\" does not exist",
        ],
    );
    let shown = load("CREATE ROLE").unwrap_err().to_string();
    assert_eq!(
        shown,
        "p.sql:1:12: error: expected a role, found the end of the file\n  hint: names are identifiers, in double quotes if need be"
    );
}

#[test]
fn globs() {
    let glob =
        |pieces: &[Option<&str>]| Glob(pieces.iter().map(|p| p.map(str::to_owned)).collect());
    assert!(glob(&[None]).matches("anything") && glob(&[None]).matches(""));
    assert!(glob(&[Some("a"), None]).matches("abc") && !glob(&[Some("a"), None]).matches("ba"));
    assert!(
        glob(&[None, Some("_id")]).matches("x_id_id") && !glob(&[None, Some("_id")]).matches("id")
    );
    assert!(!glob(&[Some("id")]).matches("id2"));
}
