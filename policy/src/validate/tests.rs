//! What validation refuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::testing::{check_errors, load};

#[test]
fn names_that_do_not_exist() {
    for (sql, expected) in [
        ("GRANT SELECT ON crm.nothing TO PUBLIC;", "1:17: table crm.nothing does not exist"),
        ("GRANT SELECT ON no.orders TO PUBLIC;", "1:17: table no.orders does not exist"),
        (
            "GRANT SELECT (id, nope) ON crm.orders TO PUBLIC;",
            "1:19: column \"nope\" of crm.orders does not exist",
        ),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA no TO PUBLIC;", "1:38: schema \"no\" has no tables"),
        ("DENY SELECT ON crm.orders TO ROLE a;", "1:35: role \"a\" does not exist"),
        ("GRANT ROLE a TO USER 'ana';", "1:12: role \"a\" does not exist"),
        ("CREATE ROLE public;", "1:13: \"public\" is not a role, everyone is PUBLIC"),
        ("TAG COLUMN crm.*.nope AS pii;", "1:12: no column matches \"crm.*.nope\""),
        (
            "CREATE MASKING POLICY m ON TAG pii.id USING (NULL);",
            "1:32: tag \"pii.id\" is on no column",
        ),
        (
            "CREATE MASKING POLICY m ON crm.customers (id) USING (NULL) EXCEPT ROLE r;",
            "1:72: role \"r\" does not exist",
        ),
        (
            "CREATE ROW POLICY p ON ALL TABLES WITH COLUMN (nope) AS RESTRICTIVE TO PUBLIC USING (true);",
            "1:48: no table has a column \"nope\"",
        ),
    ] {
        check_errors(sql, &[expected]);
    }
}

#[test]
fn duplicates_cycles_and_rival_masks() {
    check_errors(
        "CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING (true);\nCREATE MASKING POLICY p ON crm.customers (id) USING (NULL);",
        &["2:23: policy \"p\" exists already"],
    );
    check_errors(
        "CREATE ROLE a; CREATE ROLE b; CREATE ROLE c; CREATE ROLE d;\nGRANT ROLE a TO ROLE b;\nGRANT ROLE b TO ROLE c;\nGRANT ROLE c TO ROLE a;\nGRANT ROLE d TO ROLE a;\nGRANT ROLE d TO ROLE d;",
        &[
            "2:12: granting role \"a\" to \"b\" closes a cycle",
            "3:12: granting role \"b\" to \"c\" closes a cycle",
            "4:12: granting role \"c\" to \"a\" closes a cycle",
            "6:12: granting role \"d\" to \"d\" closes a cycle",
        ],
    );
    check_errors(
        "CREATE MASKING POLICY a ON crm.customers (email) USING (mask_email(value));\nCREATE MASKING POLICY b ON crm.customers (email) USING (mask_partial(value, 1));",
        &[
            "2:1: masking policies \"a\" and \"b\" are equally strict on column \"email\" of crm.customers",
        ],
    );
    load("CREATE MASKING POLICY a ON crm.customers (email) USING (mask_email(value));\nCREATE MASKING POLICY b ON crm.customers (email) USING (mask_email(value));").unwrap();
}

#[test]
fn the_type_of_a_mask_is_checked_for_each_column_of_a_tag() {
    check_errors(
        "TAG COLUMN *.customers.*id AS pii;\nCREATE MASKING POLICY m ON TAG pii USING (mask_email(value));",
        &["2:43: mask_email doesn't take values of type bigint"],
    );
}

#[test]
fn ten_thousand_statements_load_quickly() {
    let mut sql = String::new();
    for n in 0..2_500 {
        writeln!(sql, "CREATE ROLE r{n};").unwrap();
        writeln!(sql, "GRANT SELECT (id, amount) ON crm.orders TO ROLE r{n};").unwrap();
        writeln!(sql, "CREATE ROW POLICY p{n} ON crm.orders AS PERMISSIVE TO ROLE r{n} USING (region = 'r{n}');").unwrap();
        writeln!(
            sql,
            "GRANT ROLE r{n} TO {};",
            if n == 0 { "USER 'ana'".to_owned() } else { format!("ROLE r{}", n - 1) }
        )
        .unwrap();
    }
    let start = Instant::now();
    let bundle = load(&sql).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(bundle.roles_of(&crate::testing::principal("ana")).len(), 2_500);
}

#[test]
fn limits_and_prices_mean_something() {
    check_errors(
        "CREATE ROLE a;
CREATE LIMIT l TO ROLE a MAX ROWS 0 ON EXCEED ERROR MAX BYTES SCANNED '5 parsecs' MAX RUNTIME '0 s' MAX CONCURRENT 1.5;
CREATE LIMIT l TO ROLE b RATE 99999999999 PER HOUR PER USER;
CREATE LIMIT m TO PUBLIC RATE 5 PER HOUR PER ROLE;
CREATE PRICE q TO ROLE a PER QUERY 0.00000000001 CURRENCY 'usd';",
        &[
            "2:35: 0 is not a number that a limit can have",
            "2:71: \"5 parsecs\" is not a size",
            "2:95: \"0 s\" is not a duration",
            "2:116: 1.5 is not a number that a limit can have",
            "3:14: policy \"l\" exists already",
            "3:24: role \"b\" does not exist",
            "3:31: 99999999999 is not a number that a limit can have",
            "4:31: a rate per role is for roles only",
            "5:36: 0.00000000001 is not an amount of money",
            "5:59: \"usd\" is not a currency",
        ],
    );
}

#[test]
fn a_budget_needs_a_price() {
    let budget = |to: &str| {
        format!(
            "CREATE ROLE a; CREATE ROLE b; GRANT ROLE a TO ROLE b; GRANT ROLE b TO USER 'u';
CREATE LIMIT l TO {to} BUDGET 5 PER DAY;"
        )
    };
    for (to, price, error) in [
        ("ROLE a", "", Some("2:33: no price applies to role \"a\": a budget can't be spent")),
        ("ROLE a", "ROLE b", Some("2:33: no price applies to role \"a\": a budget can't be spent")),
        ("ROLE b", "ROLE a", None),
        ("USER 'u'", "ROLE a", None),
        ("USER 'v'", "ROLE a", Some("2:35: no price applies to user 'v': a budget can't be spent")),
        ("PUBLIC", "ROLE a", Some("2:33: no price applies to everyone: a budget can't be spent")),
        ("PUBLIC", "PUBLIC", None),
    ] {
        let mut sql = budget(to);
        if !price.is_empty() {
            sql.push_str(&format!(" CREATE PRICE p TO {price} PER QUERY 1 CURRENCY 'USD';"));
        }
        match error {
            None => drop(load(&sql).unwrap_or_else(|errors| panic!("{errors}"))),
            Some(error) => check_errors(&sql, &[error]),
        }
    }
    check_errors(
        "CREATE PRICE p TO PUBLIC PER QUERY 1 CURRENCY 'USD';
CREATE PRICE q TO PUBLIC PER QUERY 1 CURRENCY 'EUR' VALID FROM '2027-01-01' UNTIL '2026-01-01';",
        &["2:47: price \"p\" is in USD", "2:83: the price ends before it begins"],
    );
}

#[test]
fn a_policy_reads_no_table_of_another_warehouse() {
    use tollgate_catalog::{Snapshot, Table, WarehouseName};

    let far = |table: &std::sync::Arc<Table>| {
        let mut table = Table::clone(table);
        if table.name.schema == "admin" {
            table.warehouse = Some(WarehouseName::new("far"));
        }
        table
    };
    let catalog = crate::testing::snapshot();
    let apart = Snapshot::new(1, catalog.tables().map(far));
    let sql = "CREATE ROW POLICY p ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE TO PUBLIC\n \
               USING (tenant_id IN (SELECT tenant_id FROM admin.tenants));";
    let load = |catalog: &Snapshot| {
        let file = crate::SourceFile { path: "p.sql".to_owned(), text: sql.to_owned() };
        let secret = crate::MaskSecret::new([7; 32]);
        crate::Bundle::load(&[file], catalog, &crate::testing::Functions, &secret)
    };
    assert!(load(&catalog).is_ok());
    let errors = load(&apart).expect_err("the load succeeded");
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.line, error.column, error.message.as_str(), error.hint.as_str()))
        .collect();
    let told = |table: &str| {
        format!("a policy on {table} can't read admin.tenants: they are in different warehouses")
    };
    let hint = |table: &str| {
        format!(
            "{table} is in warehouse \"main\", and admin.tenants is in warehouse \"far\": \
             keep the mapping table beside the tables that it is about"
        )
    };
    let [customers, orders] = ["crm.customers", "crm.orders"];
    let (told, hint) = ([told(customers), told(orders)], [hint(customers), hint(orders)]);
    assert_eq!(found, [(2, 9, &*told[0], &*hint[0]), (2, 9, &*told[1], &*hint[1])]);
}
