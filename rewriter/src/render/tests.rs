//! What `verify` lets through, and what it doesn't.
#![allow(clippy::unwrap_used, reason = "tests")]

use tollgate_catalog::{ErrorKind, TableName};

use super::verify::verify;
use super::{Printed, Secured};

const RELATION: &str = "SELECT \"t1\".\"a\" AS \"c0\" FROM \"s\".\"t\" AS \"t1\" \
    WHERE (\"t1\".\"tenant\" = CAST($1 AS text))";

fn printed() -> Printed {
    let mut printed = Printed::default();
    let secured = Secured { text: RELATION.to_owned(), tables: vec![TableName::new("s", "t")] };
    printed.secured.insert("t2".to_owned(), secured);
    printed.aliases.extend(["t1".to_owned(), "t3".to_owned()]);
    printed.functions.insert("lower".to_owned());
    printed.literals.insert("5".to_owned());
    printed
}

#[track_caller]
fn passes(text: &str) {
    verify(text, &printed(), 1).unwrap();
}

#[track_caller]
fn is_denied(text: &str) {
    let denied = verify(text, &printed(), 1).map_err(|error| error.kind());
    assert_eq!(denied, Err(ErrorKind::Internal), "{text}");
}

fn over(relation: &str, rest: &str) -> String {
    format!("SELECT \"t2\".\"c0\" AS \"c0\" FROM ({relation}) AS \"t2\"{rest}")
}

#[test]
fn what_was_printed_passes() {
    passes(&over(RELATION, ""));
    passes(&over(RELATION, " WHERE (\"pg_catalog\".\"lower\"(\"t2\".\"c0\") = CAST($1 AS text))"));
    passes(&over(RELATION, " LIMIT CAST('5' AS bigint)"));
}

#[test]
fn a_table_stands_in_its_own_relation_only() {
    is_denied("SELECT \"t1\".\"a\" AS \"c0\" FROM \"s\".\"t\" AS \"t1\"");
    // Without its predicate, with a weaker one, with another column, or of another table.
    is_denied(&over("SELECT \"t1\".\"a\" AS \"c0\" FROM \"s\".\"t\" AS \"t1\"", ""));
    is_denied(&over(&RELATION.replace(" = ", " <> "), ""));
    is_denied(&over(&RELATION.replace("\"a\"", "\"b\""), ""));
    is_denied(&over(&RELATION.replace("\"t\" AS", "\"u\" AS"), ""));
    is_denied(&over(&format!("{RELATION} OR CAST('5' AS boolean)"), ""));
    is_denied(&over(RELATION, ", \"s\".\"t\" AS \"t3\""));
    is_denied(&over(RELATION, ", \"pg_catalog\".\"pg_shadow\" AS \"t3\""));
    is_denied(&over(RELATION, " JOIN pg_shadow AS \"t3\" ON (\"t3\".\"c0\" IS NULL)"));
    is_denied(&over(RELATION, " WHERE EXISTS (SELECT NULL AS \"c0\" FROM \"s\".\"t\" AS \"t3\")"));
    // Twice, or not at all.
    is_denied(&format!("({}) UNION ALL ({})", over(RELATION, ""), over(RELATION, "")));
    is_denied("SELECT CAST('5' AS integer) AS \"c0\"");
}

#[test]
fn what_was_not_printed_is_denied() {
    for rest in [
        " WHERE (\"pg_catalog\".\"upper\"(\"t2\".\"c0\") = CAST($1 AS text))",
        " WHERE (lower(\"t2\".\"c0\") = CAST($1 AS text))",
        " WHERE (\"public\".\"lower\"(\"t2\".\"c0\") = CAST($1 AS text))",
        " WHERE (\"t2\".\"c0\" = CAST('6' AS text))",
        " WHERE (\"t2\".\"c0\" = 5)",
        " WHERE (\"t2\".\"c0\" = E'5')",
        " WHERE (\"t2\".\"c0\" = $$5$$)",
        " WHERE (\"t2\".\"c0\" = CAST($2 AS text))",
        " WHERE (t2.c0 IS NULL)",
        " WHERE current_user IS NULL",
        " FOR UPDATE",
        " LIMIT 5",
        " FETCH FIRST 1 ROW ONLY",
        "; SELECT CAST('5' AS integer) AS \"c0\"",
    ] {
        is_denied(&over(RELATION, rest));
    }
    is_denied(&format!("WITH \"t3\" AS (SELECT NULL AS \"c0\") {}", over(RELATION, "")));
    is_denied(&over(RELATION, "").replace(" FROM (", " INTO \"t3\" FROM ("));
    is_denied(&format!("EXPLAIN ANALYZE {}", over(RELATION, "")));
    is_denied("DELETE FROM \"s\".\"t\"");
    is_denied("");
}
