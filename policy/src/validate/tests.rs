//! What validation refuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::fmt::Write;

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
fn ten_thousand_statements_load() {
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
    let bundle = load(&sql).unwrap();
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

/// An aggregation policy on orders: of that entity and group size, and the rest as it is written.
fn aggregates(entity: &str, rest: &str) -> String {
    format!(
        "CREATE AGGREGATION POLICY a ON crm.orders TO PUBLIC\nENTITY ({entity}) MIN GROUP SIZE {rest};"
    )
}

#[test]
fn aggregation_policies_load() {
    for rest in [
        "2 DIMENSIONS (region)",
        "4294967295 MAX SHARE 1 PERCENT DIMENSIONS (region, id) MEASURES (amount)",
        "5 MAX SHARE 100 PERCENT DIMENSIONS (date_trunc('Month', placed_at), date_trunc('year', placed_at))",
        "5 DIMENSIONS (region) JOIN admin.tenants ON (tenant_id = tenant_id) DIMENSIONS (partner_id)",
        // In any order, where it is clear which is which.
        "5 DIMENSIONS (region) JOIN crm.customers ON (region = email) DIMENSIONS (country)",
        "5 DIMENSIONS (region) JOIN crm.customers ON (email = region) DIMENSIONS (country)
         JOIN crm.customers ON (id = amount) DIMENSIONS (country, date_trunc('year', birth_date))",
    ] {
        load(&aggregates("tenant_id", rest)).unwrap_or_else(|errors| panic!("{rest}\n{errors}"));
    }
}

#[test]
fn aggregation_policies_mean_something() {
    for (entity, rest, expected) in [
        ("nope", "5 DIMENSIONS (region)", "2:9: column \"nope\" of crm.orders does not exist"),
        ("id, tenant_id", "5 DIMENSIONS (region)", "2:13: the entity is one column"),
        (
            "id",
            "1 DIMENSIONS (region)",
            "2:28: 1 is not a number of entities that a group can need",
        ),
        (
            "id",
            "2.5 DIMENSIONS (region)",
            "2:28: 2.5 is not a number of entities that a group can need",
        ),
        ("id", "5 MAX SHARE 0 PERCENT DIMENSIONS (region)", "2:40: 0 is not a share in percent"),
        (
            "id",
            "5 MAX SHARE 101 PERCENT DIMENSIONS (region)",
            "2:40: 101 is not a share in percent",
        ),
        ("id", "5 DIMENSIONS (region, nope)", "2:50: column \"nope\" of crm.orders does not exist"),
        (
            "id",
            "5 DIMENSIONS (region, id)",
            "2:50: column \"id\" tells the entities apart, so it is no dimension",
        ),
        ("id", "5 DIMENSIONS (region, region)", "2:50: dimension \"region\" is named twice"),
        (
            "id",
            "5 DIMENSIONS (placed_at, date_trunc('year', placed_at))",
            "2:72: dimension \"placed_at\" is named as it is and by date_trunc",
        ),
        (
            "id",
            "5 DIMENSIONS (date_trunc('year', placed_at), placed_at)",
            "2:73: dimension \"placed_at\" is named as it is and by date_trunc",
        ),
        (
            "id",
            "5 DIMENSIONS (date_trunc('hour', placed_at))",
            "2:53: \"hour\" is not a unit of date_trunc",
        ),
        (
            "id",
            "5 DIMENSIONS (date_trunc('year', region))",
            "2:61: column \"region\" of crm.orders is text, which date_trunc doesn't take",
        ),
        (
            "id",
            "5 DIMENSIONS (region) MEASURES (id)",
            "2:60: column \"id\" tells the entities apart, so it is no measure",
        ),
        (
            "id",
            "5 DIMENSIONS (amount) MEASURES (amount)",
            "2:60: column \"amount\" is a dimension, so it is no measure",
        ),
        (
            "id",
            "5 DIMENSIONS (region) MEASURES (amount, amount)",
            "2:68: measure \"amount\" is named twice",
        ),
        (
            "id",
            "5 DIMENSIONS (region) MEASURES (placed_at)",
            "2:60: column \"placed_at\" of crm.orders is timestamp without time zone, which can't be summed",
        ),
        (
            "id",
            "5 DIMENSIONS (region) JOIN crm.nothing ON (id = id) DIMENSIONS (country)",
            "2:55: table crm.nothing does not exist",
        ),
        (
            "id",
            "5 DIMENSIONS (region) JOIN crm.orders ON (id = id) DIMENSIONS (region)",
            "2:55: crm.orders can't be joined to crm.orders: it is the table itself",
        ),
        (
            "id",
            "5 DIMENSIONS (region) JOIN crm.customers ON (id = nope) DIMENSIONS (country)",
            "2:78: column \"nope\" of crm.orders does not exist",
        ),
        // In doubt the first one is of the joined table, where it is text.
        (
            "id",
            "5 DIMENSIONS (region) JOIN crm.customers ON (tenant_id = id) DIMENSIONS (country)",
            "2:73: column \"tenant_id\" of crm.customers is text, and column \"id\" of crm.orders is bigint",
        ),
        (
            "id",
            "5 DIMENSIONS (region) JOIN crm.customers ON (id = id) DIMENSIONS (country, id)",
            "2:103: column \"id\" is what the join is by, so it is no dimension",
        ),
        (
            "id",
            "5 DIMENSIONS (region) JOIN crm.customers ON (id = id) DIMENSIONS (country) JOIN crm.customers ON (id = id) DIMENSIONS (email)",
            "2:108: the join to crm.customers is declared twice",
        ),
    ] {
        check_errors(&aggregates(entity, rest), &[expected]);
    }
    let all = "0 MAX SHARE 0 PERCENT DIMENSIONS (nope, region, region) MEASURES (region)";
    check_errors(
        &aggregates("nope", all),
        &[
            "2:9: column \"nope\" of crm.orders does not exist",
            "2:30: 0 is not a number of entities that a group can need",
            "2:42: 0 is not a share in percent",
            "2:64: column \"nope\" of crm.orders does not exist",
            "2:78: dimension \"region\" is named twice",
            "2:96: column \"region\" is a dimension, so it is no measure",
        ],
    );
}

#[test]
fn aggregation_policies_agree_with_each_other() {
    let first = aggregates("id", "5 DIMENSIONS (region)");
    check_errors(
        &format!("{first}\n{}", aggregates("tenant_id", "5 DIMENSIONS (region)")),
        &[
            "3:27: policy \"a\" exists already",
            "4:9: crm.orders has another entity by aggregation policy \"a\"",
        ],
    );
    // Whichever stands first.
    let on_customers = "CREATE AGGREGATION POLICY c ON crm.customers TO USER 'ana' ENTITY (id) MIN GROUP SIZE 2 DIMENSIONS (country);";
    let joined = aggregates(
        "id",
        "5 DIMENSIONS (region)\nJOIN crm.customers ON (id = id) DIMENSIONS (country)",
    );
    let message =
        "crm.orders can't be joined to crm.customers: it has an aggregation policy itself";
    check_errors(&format!("{joined}\n{on_customers}"), &[&format!("3:6: {message}")]);
    check_errors(&format!("{on_customers}\n{joined}"), &[&format!("4:6: {message}")]);
    check_errors(
        "CREATE ROLE a;\nCREATE AGGREGATION POLICY k ON crm.nothing TO ROLE b ENTITY (id) MIN GROUP SIZE 5 DIMENSIONS (a);",
        &["2:32: table crm.nothing does not exist", "2:52: role \"b\" does not exist"],
    );
}

#[test]
fn aggregation_policies_stand_on_tables_and_join_tables() {
    let view = "CREATE VIEW s.v AS SELECT tenant_id FROM crm.orders;\n";
    let on_view = "CREATE AGGREGATION POLICY a ON s.v TO PUBLIC ENTITY (tenant_id) MIN GROUP SIZE 2 DIMENSIONS (tenant_id);";
    check_errors(
        &format!("{view}{on_view}"),
        &["2:32: an aggregation policy can't stand on s.v: it is a view"],
    );
    let to_view = aggregates(
        "id",
        "5 DIMENSIONS (region)\nJOIN s.v ON (tenant_id = tenant_id) DIMENSIONS (tenant_id)",
    );
    check_errors(
        &format!("{view}{to_view}"),
        &["4:6: crm.orders can't be joined to s.v: it is a view"],
    );
}

#[test]
fn an_aggregation_policy_joins_no_table_of_another_warehouse_and_no_record() {
    use tollgate_catalog::{Snapshot, Storage, Table, WarehouseName};

    let changed = |change: &dyn Fn(&mut Table)| {
        let catalog = crate::testing::snapshot();
        let tables = catalog.tables().map(|table| {
            let mut table = Table::clone(table);
            if table.name.schema == "admin" {
                change(&mut table);
            }
            table
        });
        Snapshot::new(1, tables)
    };
    let far = changed(&|table| table.warehouse = Some(WarehouseName::new("far")));
    let record = changed(&|table| {
        table.storage = Storage::Ledger;
        table.warehouse = Some(WarehouseName::default());
    });
    let load = |catalog: &Snapshot, sql: &str| {
        let file = crate::SourceFile { path: "p.sql".to_owned(), text: sql.to_owned() };
        let secret = crate::MaskSecret::new([7; 32]);
        let errors =
            crate::Bundle::load(&[file], catalog, &crate::testing::Functions, &secret).unwrap_err();
        errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>()
    };
    let join = aggregates(
        "id",
        "5 DIMENSIONS (region) JOIN admin.tenants ON (tenant_id = tenant_id) DIMENSIONS (partner_id)",
    );
    let told = "crm.orders can't be joined to admin.tenants: it is";
    assert_eq!(load(&far, &join), [format!("{told} in another warehouse")]);
    assert_eq!(load(&record, &join), [format!("{told} one of the gateway's own records")]);
    let on = "CREATE AGGREGATION POLICY a ON admin.tenants TO PUBLIC ENTITY (tenant_id) MIN GROUP SIZE 2 DIMENSIONS (partner_id);";
    let message = "an aggregation policy can't stand on admin.tenants: it is one of the gateway's own records";
    assert_eq!(load(&record, on), [message]);
}
