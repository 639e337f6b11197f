//! What counts as wider, narrower and neutral, rule by rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use datafusion_expr::col;

use super::{Change, diff};
use crate::testing::{Functions, snapshot};
use crate::{Bundle, MaskSecret, SourceFile};

const BASE: &str = "CREATE ROLE analyst; CREATE ROLE lead;\n\
    GRANT SELECT ON crm.orders TO ROLE analyst, lead;\n";

fn load(path: &str, sql: &str) -> Bundle {
    let file = SourceFile { path: path.to_owned(), text: format!("{BASE}{sql}") };
    Bundle::load(&[file], &snapshot(), &Functions, &MaskSecret::new([7; 32]))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn line(change: &Change) -> String {
    let table = change.table.as_deref().unwrap_or("-");
    let columns = change.columns.as_ref().map(|columns| format!(" ({})", columns.join(", ")));
    let columns = columns.unwrap_or_default();
    format!("{} {}: {table}{columns}: {}", change.class, change.who, change.what)
}

/// From the first to the second, and back: exactly these lines.
fn check(one: &str, other: &str, there: &[&str], back: &[&str]) {
    let (one, other) = (load("old", one), load("new", other));
    for (from, to, expected) in [(&one, &other, there), (&other, &one, back)] {
        let changes = diff(from, to);
        let found: Vec<_> = changes.iter().map(line).collect();
        assert_eq!(found, expected, "\n{changes:#?}");
        for change in changes {
            assert!(!change.old.is_empty() || !change.new.is_empty(), "no place: {change:?}");
        }
    }
}

#[test]
fn the_same_rules_elsewhere_are_no_change() {
    check("", "", &[], &[]);
    check(
        "GRANT ROLE lead TO USER 'ana';",
        "\n\n -- here\nGRANT ROLE lead TO USER 'ana';",
        &[],
        &[],
    );
}

#[test]
fn grants_and_denials() {
    check(
        "",
        "GRANT SELECT (id, email) ON crm.customers TO ROLE analyst;",
        &["widens role analyst: crm.customers (id, email): grant"],
        &["narrows role analyst: crm.customers (id, email): grant"],
    );
    // it was granted on the whole table before
    check(
        "",
        "GRANT SELECT (id) ON crm.orders TO ROLE lead;",
        &["neutral everyone: -: statement"],
        &["neutral everyone: -: statement"],
    );
    check(
        "",
        "DENY SELECT (amount) ON crm.orders TO ROLE lead;",
        &["narrows role lead: crm.orders (amount): denial"],
        &["widens role lead: crm.orders (amount): denial"],
    );
    // a role that sees nothing itself: its denial binds whoever has another role, too
    check(
        "CREATE ROLE extra;",
        "CREATE ROLE extra; DENY SELECT (amount) ON crm.orders TO ROLE extra;",
        &["narrows role extra: crm.orders (amount): denial"],
        &["widens role extra: crm.orders (amount): denial"],
    );
    check(
        "DENY SELECT ON hr.salaries TO PUBLIC;",
        "",
        &["neutral everyone: hr.salaries (id, amount): denial"],
        &["narrows everyone: hr.salaries (id, amount): denial"],
    );
    check(
        "DENY SELECT ON hr.salaries TO PUBLIC;",
        "DENY SELECT ON hr.salaries TO PUBLIC; GRANT SELECT ON hr.salaries TO ROLE lead;",
        &["neutral role lead: hr.salaries (id, amount): grant"],
        &["narrows role lead: hr.salaries (id, amount): grant"],
    );
}

#[test]
fn row_policies() {
    const MINE: &str = "CREATE ROW POLICY mine ON crm.orders AS RESTRICTIVE TO ROLE analyst USING";
    let policy = |condition: &str| format!("{MINE} ({condition});");
    let (widens, narrows) =
        (["widens role analyst: crm.orders: rows"], ["narrows role analyst: crm.orders: rows"]);
    check("", &policy("id = 1"), &narrows, &widens);
    check(&policy("id = 1"), &policy("id = 1 AND region = 'eu'"), &narrows, &widens);
    check(&policy("id = 1 OR id = 2"), &policy("id = 1"), &narrows, &widens);
    check(&policy("id IN (1, 2, 3)"), &policy("id IN (3, 1)"), &narrows, &widens);
    // what can't be ordered widens, both ways
    check(&policy("id < 2"), &policy("id < 3"), &widens, &widens);
    let neutral = ["neutral role analyst: crm.orders: rows"];
    check(&policy("id = 1 OR id = 2"), &policy("id IN (2, 1)"), &neutral, &neutral);

    let permissive = |name: &str, to: &str, condition: &str| {
        format!("CREATE ROW POLICY {name} ON crm.orders AS PERMISSIVE TO {to} USING ({condition});")
    };
    let first = permissive("a", "ROLE analyst", "id = 1");
    let both = first.clone() + &permissive("b", "ROLE lead", "id = 2");
    check(
        "",
        &first,
        &["narrows everyone: crm.orders: rows"],
        &["widens everyone: crm.orders: rows"],
    );
    check(
        &first,
        &both,
        &["widens role lead: crm.orders: rows"],
        &["narrows role lead: crm.orders: rows"],
    );
    let covered = first.clone() + &permissive("b", "ROLE analyst", "id = 1 AND region = 'eu'");
    check(&first, &covered, &neutral, &neutral);
    // a permissive policy that becomes a restrictive one
    let turned = first.replace("PERMISSIVE", "RESTRICTIVE");
    check(
        &first,
        &turned,
        &["widens everyone: crm.orders: rows", "narrows role analyst: crm.orders: rows"],
        &["widens role analyst: crm.orders: rows", "narrows everyone: crm.orders: rows"],
    );
}

#[test]
fn masks() {
    let mask = |using: &str, rest: &str| {
        format!("CREATE MASKING POLICY m ON crm.orders (region) USING ({using}) {rest};")
    };
    let everyone = |class: &str| format!("{class} everyone: crm.orders (region): mask");
    let (widens, narrows) = (everyone("widens"), everyone("narrows"));
    let (widens, narrows) = ([widens.as_str()], [narrows.as_str()]);
    check("", &mask("mask_partial(value, 1)", ""), &narrows, &widens);
    check(&mask("mask_partial(value, 1)", ""), &mask("NULL", ""), &narrows, &widens);
    check(&mask("mask_partial(value, 1)", ""), &mask("mask_hash(value)", ""), &widens, &widens);
    check(&mask("NULL", ""), &mask("'x'", ""), &narrows, &narrows);
    // a mask that shows another column
    check("", &mask("tenant_id", ""), &widens, &widens);
    let roles = |class: &str, role: &str| format!("{class} role {role}: crm.orders (region): mask");
    check(
        &mask("NULL", ""),
        &mask("NULL", "EXCEPT ROLE lead"),
        &[roles("widens", "lead").as_str()],
        &[roles("narrows", "lead").as_str()],
    );
    check(
        &mask("NULL", "EXCEPT ROLE lead WHEN (id = 1)"),
        &mask("NULL", "EXCEPT ROLE lead WHEN (id = 1 AND amount = 1)"),
        &[roles("narrows", "lead").as_str()],
        &[roles("widens", "lead").as_str()],
    );
    // by a tag: the statement that tags is named at the line
    let tagged = "TAG COLUMN crm.customers.email AS t; TAG COLUMN crm.orders.tenant_id AS t; \
                  CREATE MASKING POLICY m ON TAG t USING (NULL);";
    let less = tagged.replace("TAG COLUMN crm.orders.tenant_id AS t; ", "");
    check(
        tagged,
        &less,
        &["widens everyone: crm.orders (tenant_id): mask"],
        &["narrows everyone: crm.orders (tenant_id): mask"],
    );
    check(
        &mask("mask_partial(value, 1)", "PREDICATES DENY"),
        &mask("mask_partial(value, 1)", ""),
        &["widens everyone: crm.orders (region): predicates"],
        &["narrows everyone: crm.orders (region): predicates"],
    );
}

#[test]
fn memberships() {
    check(
        "",
        "GRANT ROLE lead TO USER 'ana';",
        &[
            "widens user 'ana': -: membership",
            "widens user 'ana': crm.orders (id, tenant_id, region, amount, placed_at): membership",
        ],
        &[
            "narrows user 'ana': -: membership",
            "narrows user 'ana': crm.orders (id, tenant_id, region, amount, placed_at): membership",
        ],
    );
    check(
        "GRANT ROLE analyst TO USER 'ana';",
        "GRANT ROLE analyst TO USER 'ana'; GRANT ROLE lead TO USER 'ana';",
        &["neutral user 'ana': -: membership"],
        &["neutral user 'ana': -: membership"],
    );
    // a role that only restricts
    let base = "CREATE ROLE temp; DENY SELECT (amount) ON crm.orders TO ROLE temp; \
                CREATE ROW POLICY t ON crm.orders AS RESTRICTIVE TO ROLE temp USING (id = 1);";
    check(
        base,
        &format!("{base} GRANT ROLE temp TO ROLE lead;"),
        &[
            "narrows role lead: -: membership",
            "narrows role lead: crm.orders: membership",
            "narrows role lead: crm.orders (amount): membership",
        ],
        &[
            "widens role lead: -: membership",
            "widens role lead: crm.orders: membership",
            "widens role lead: crm.orders (amount): membership",
        ],
    );
    // a condition that asks for the role
    let base = "CREATE ROLE temp; CREATE ROW POLICY t ON crm.orders AS RESTRICTIVE TO PUBLIC \
                USING (NOT has_role('temp'));";
    check(
        base,
        &format!("{base} GRANT ROLE temp TO ROLE lead;"),
        &["widens role lead: -: membership", "widens role lead: crm.orders: membership"],
        &["widens role lead: -: membership", "widens role lead: crm.orders: membership"],
    );
}

#[test]
fn access_rules() {
    let rule = |demands: &str| format!("CREATE ACCESS RULE office TO ROLE lead {demands};");
    let wide = rule("FROM ('10.0.0.0/8') VALID UNTIL '2027-06-30'");
    let orders = "crm.orders (id, tenant_id, region, amount, placed_at)";
    let widens = [
        "widens role lead: -: access rule".to_owned(),
        format!("widens role lead: {orders}: access rule"),
    ];
    let narrows = [
        "narrows role lead: -: access rule".to_owned(),
        format!("narrows role lead: {orders}: access rule"),
    ];
    let (widens, narrows) =
        (widens.each_ref().map(String::as_str), narrows.each_ref().map(String::as_str));
    check("", &wide, &narrows, &widens);
    for stricter in [
        "FROM ('10.1.0.0/16', '10.2.0.0/16') VALID UNTIL '2027-06-30'",
        "FROM ('10.0.0.0/8') VALID UNTIL '2027-06-29'",
        "FROM ('10.0.0.0/8') VALID UNTIL '2027-06-30' REQUIRE MFA",
    ] {
        check(&wide, &rule(stricter), &narrows, &widens);
    }
    check(&wide, &rule("FROM ('10.1.0.0/16')"), &widens, &widens);
    // two rules that demand together what one did
    let two =
        rule("FROM ('10.0.0.0/8')") + &rule("VALID UNTIL '2027-06-30'").replace("office", "season");
    check(
        &wide,
        &two,
        &["neutral role lead: -: access rule"],
        &["neutral role lead: -: access rule"],
    );
}

#[test]
fn views() {
    let view = |column: &str| {
        format!(
            "CREATE VIEW s.v AS SELECT {column} FROM crm.orders; GRANT SELECT ON s.v TO ROLE lead;"
        )
    };
    check(
        "",
        &view("id"),
        &["widens role lead: s.v (id): grant", "neutral everyone: -: statement"],
        &["narrows role lead: s.v (id): grant", "neutral everyone: -: statement"],
    );
    check(
        &view("id"),
        &view("amount"),
        &[
            "widens everyone: s.v: view",
            "widens role lead: s.v (amount): grant",
            "narrows role lead: s.v (id): grant",
        ],
        &[
            "widens everyone: s.v: view",
            "widens role lead: s.v (id): grant",
            "narrows role lead: s.v (amount): grant",
        ],
    );
    // what changes below shows above, if the view reads it
    let mask = |column: &str| {
        view("region") + &format!("CREATE MASKING POLICY m ON crm.orders ({column}) USING (NULL);")
    };
    check(
        &view("region"),
        &mask("region"),
        &["narrows everyone: crm.orders (region): mask", "narrows everyone: s.v: mask"],
        &["widens everyone: crm.orders (region): mask", "widens everyone: s.v: mask"],
    );
    check(
        &view("region"),
        &mask("tenant_id"),
        &["narrows everyone: crm.orders (tenant_id): mask"],
        &["widens everyone: crm.orders (tenant_id): mask"],
    );
}

#[test]
fn statements_that_show_nobody_anything_else_are_told_too() {
    let test = "TEST POLICY AS USER 'ana' SELECT 1 EXPECT DENIED;";
    check(
        "",
        &format!("CREATE ROLE idle; {test} GRANT INSERT ON crm.orders TO ROLE lead;"),
        &["neutral everyone: -: statement"; 3],
        &["neutral everyone: -: statement"; 3],
    );
}

#[test]
fn what_reads_other_columns_is_no_function_of_the_value() {
    assert!(super::masks::reads_only(&col("a").eq(col("a")), Some("a")));
    assert!(!super::masks::reads_only(&col("a").eq(col("b")), Some("a")));
    assert!(!super::masks::reads_only(&col("a"), None));
}

#[test]
fn limits_are_compared_part_by_part() {
    let of = |body: &str| format!("CREATE LIMIT l TO ROLE analyst {body};");
    for (tight, loose) in [
        ("MAX ROWS 10 ON EXCEED TRUNCATE", "MAX ROWS 20 ON EXCEED TRUNCATE"),
        ("MAX ROWS 10 ON EXCEED ERROR", "MAX ROWS 10 ON EXCEED TRUNCATE"),
        ("MAX BYTES SCANNED '1 GB'", "MAX BYTES SCANNED '1 GiB'"),
        ("MAX RUNTIME '59 s'", "MAX RUNTIME '1 min'"),
        ("MAX CONCURRENT 1", "MAX CONCURRENT 2"),
        ("RATE 5 PER MINUTE PER USER", "RATE 6 PER MINUTE PER USER"),
        ("RATE 5 PER HOUR PER USER", "RATE 5 PER MINUTE PER USER"),
        ("MAX RUNTIME '1 s' MAX CONCURRENT 1", "MAX RUNTIME '1 s'"),
    ] {
        check(
            &of(tight),
            &of(loose),
            &["widens role analyst: -: limit"],
            &["narrows role analyst: -: limit"],
        );
    }
    check(
        "",
        &of("MAX CONCURRENT 1"),
        &["narrows role analyst: -: limit"],
        &["widens role analyst: -: limit"],
    );
    // Neither is proven to hold the other.
    check(
        &of("RATE 60 PER HOUR PER USER"),
        &of("RATE 2 PER MINUTE PER USER"),
        &["widens role analyst: -: limit"],
        &["widens role analyst: -: limit"],
    );
    check(
        &of("MAX RUNTIME '60 s'"),
        "CREATE LIMIT renamed TO ROLE analyst MAX RUNTIME '1 min';",
        &["neutral role analyst: -: limit"],
        &["neutral role analyst: -: limit"],
    );
    // Everyone's limit is hers, too; and what is shared by more is tighter for each.
    check(
        &of("MAX CONCURRENT 3"),
        "CREATE LIMIT l TO PUBLIC MAX CONCURRENT 3;",
        &["narrows everyone: -: limit", "neutral role analyst: -: limit"],
        &["widens everyone: -: limit", "neutral role analyst: -: limit"],
    );
}

#[test]
fn prices_matter_where_a_budget_is_spent() {
    let price =
        |amount: &str| format!("CREATE PRICE p TO PUBLIC PER QUERY {amount} CURRENCY 'USD';");
    check(
        &price("1"),
        &price("2"),
        &["neutral everyone: -: price"],
        &["neutral everyone: -: price"],
    );
    let spent = |amount: &str, budget: &str| {
        format!("{}CREATE LIMIT l TO ROLE analyst BUDGET {budget};", price(amount))
    };
    check(
        &spent("1", "5 PER DAY"),
        &spent("2", "5 PER DAY"),
        &["narrows everyone: -: price"],
        &["widens everyone: -: price"],
    );
    check(
        &spent("1", "5 PER DAY"),
        &spent("1", "5 PER MONTH"),
        &["narrows role analyst: -: limit"],
        &["widens role analyst: -: limit"],
    );
}

#[test]
fn aggregation_policies() {
    let named = |name: &str, to: &str, entity: &str, rest: &str| {
        format!(
            "CREATE AGGREGATION POLICY {name} ON crm.orders TO {to} ENTITY ({entity}) MIN GROUP SIZE {rest};"
        )
    };
    let of = |rest: &str| named("a", "ROLE analyst", "tenant_id", rest);
    let widens = &["widens role analyst: crm.orders: aggregates"];
    let narrows = &["narrows role analyst: crm.orders: aggregates"];
    let neutral = &["neutral role analyst: crm.orders: aggregates"];
    let base = "5 DIMENSIONS (region)";
    check("", &of(base), narrows, widens);
    for (tight, loose) in [
        ("5 DIMENSIONS (region)", "4 DIMENSIONS (region)"),
        ("5 MAX SHARE 49 PERCENT DIMENSIONS (region)", base),
        (base, "5 MAX SHARE 51 PERCENT DIMENSIONS (region)"),
        (base, "5 DIMENSIONS (region, id)"),
        (base, "5 DIMENSIONS (region) MEASURES (amount)"),
        (base, "5 DIMENSIONS (region) JOIN crm.customers ON (id = id) DIMENSIONS (country)"),
        (
            "5 DIMENSIONS (region) JOIN crm.customers ON (id = id) DIMENSIONS (country)",
            "5 DIMENSIONS (region) JOIN crm.customers ON (id = id) DIMENSIONS (country, income)",
        ),
        ("6 DIMENSIONS (region)", "5 DIMENSIONS (region, id) MEASURES (amount)"),
    ] {
        check(&of(tight), &of(loose), widens, narrows);
    }
    // What isn't less in each respect isn't proven to be less.
    for (one, other) in [
        ("6 DIMENSIONS (region, id)", base),
        ("5 DIMENSIONS (placed_at)", "5 DIMENSIONS (date_trunc('month', placed_at))"),
        (
            "5 DIMENSIONS (region) JOIN crm.customers ON (id = id) DIMENSIONS (country)",
            "5 DIMENSIONS (region) JOIN crm.customers ON (tenant_id = tenant_id) DIMENSIONS (country)",
        ),
    ] {
        check(&of(one), &of(other), widens, widens);
    }
    check(&of(base), &named("a", "ROLE analyst", "id", base), widens, widens);
    // By another name, or in other words.
    check(&of(base), &named("b", "ROLE analyst", "tenant_id", base), neutral, neutral);
    check(&of(base), &of("5 MAX SHARE 50 PERCENT DIMENSIONS (region)"), neutral, neutral);
    // What binds everyone binds her, too.
    let all = of(base) + &named("b", "PUBLIC", "tenant_id", base);
    check(
        &of(base),
        &all,
        &["narrows everyone: crm.orders: aggregates"],
        &["widens everyone: crm.orders: aggregates"],
    );
    check(&named("b", "PUBLIC", "tenant_id", base), &all, neutral, neutral);
    // Together they allow what both allow.
    let two = of("5 DIMENSIONS (region, id)")
        + &named("b", "ROLE analyst", "tenant_id", "4 DIMENSIONS (region, amount)");
    check(&of(base), &two, neutral, neutral);
    check(
        "",
        &(of(base) + "GRANT SELECT ON hr.salaries TO ROLE lead;"),
        &["widens role lead: hr.salaries (id, amount): grant", narrows[0]],
        &[widens[0], "narrows role lead: hr.salaries (id, amount): grant"],
    );
    // Through a view.
    let view = "CREATE VIEW s.v AS SELECT id FROM crm.orders; GRANT SELECT ON s.v TO ROLE lead;";
    check(
        view,
        &(of(base) + view),
        &[narrows[0], "narrows role analyst: s.v: aggregates"],
        &[widens[0], "widens role analyst: s.v: aggregates"],
    );
}

#[test]
fn aggregation_policies_come_and_go_with_roles() {
    let policy = |name: &str, to: &str, rest: &str| {
        format!(
            "CREATE AGGREGATION POLICY {name} ON crm.orders TO {to} ENTITY (id) MIN GROUP SIZE {rest};"
        )
    };
    let base = "CREATE ROLE temp; ".to_owned() + &policy("t", "ROLE temp", "5 DIMENSIONS (region)");
    check(
        &base,
        &format!("{base} GRANT ROLE temp TO ROLE lead;"),
        &["narrows role lead: -: membership", "narrows role lead: crm.orders: membership"],
        &["widens role lead: -: membership", "widens role lead: crm.orders: membership"],
    );
    // What is stricter stays.
    let base = base + &policy("l", "ROLE lead", "6 DIMENSIONS (region)");
    check(
        &format!("{base} GRANT ROLE temp TO ROLE lead;"),
        &base,
        &["neutral role lead: -: membership"],
        &["narrows role lead: -: membership", "narrows role lead: crm.orders: membership"],
    );
}
