//! What `verify` lets through, and what it doesn't.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use tollgate_catalog::ErrorKind;

use super::verify::verify;
use super::{Dialect, Printed, Secured};

const RELATION: &str = "SELECT \"t1\".\"a\" AS \"c0\" FROM \"s\".\"t\" AS \"t1\" \
    WHERE (\"t1\".\"tenant\" = CAST($1 AS text))";

fn printed() -> Printed {
    let mut printed = Printed::default();
    let secured =
        Secured { text: RELATION.to_owned(), tables: vec![vec!["s".to_owned(), "t".to_owned()]] };
    printed.secured.insert("t2".to_owned(), secured);
    printed.aliases.extend(["t1".to_owned(), "t3".to_owned()]);
    printed.functions.insert("lower".to_owned());
    printed.literals.insert("5".to_owned());
    printed
}

#[track_caller]
fn passes(text: &str) {
    verify(Dialect::Postgres, text, &printed(), 1).unwrap();
}

#[track_caller]
fn is_denied(text: &str) {
    let denied = verify(Dialect::Postgres, text, &printed(), 1).map_err(|error| error.kind());
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

/// A lookup is a derived table inside of the generated one, in Snowflake's text only.
#[test]
fn lookups_stand_inside_of_a_relation() {
    let base = "\"d\".\"s\".\"t\" AS \"t1\"";
    let lookup = "SELECT \"t4\".\"k\" AS \"c0\" FROM \"d\".\"s\".\"m\" AS \"t4\"";
    let text = |lookup: &str| {
        format!(
            "SELECT \"t1\".\"a\" AS \"c0\" FROM ({base} LEFT JOIN ({lookup}) AS \"t3\" \
             ON (\"t1\".\"k\" = \"t3\".\"c0\"))"
        )
    };
    let relation = text(lookup);
    let mut printed = Printed::default();
    let tables = ["t", "m"].map(|name| ["d", "s", name].map(str::to_owned).to_vec()).to_vec();
    printed.secured.insert("t2".to_owned(), Secured { text: relation.clone(), tables });
    printed.aliases.extend(["t1", "t3", "t4"].map(str::to_owned));
    let verified =
        |dialect, text: &str| verify(dialect, text, &printed, 0).map_err(|error| error.kind());
    verified(Dialect::Snowflake, &over(&relation, "")).unwrap();
    let denied = [
        (Dialect::Postgres, over(&relation, "")),
        (Dialect::Snowflake, over(&text(&format!("{lookup} WHERE (\"t4\".\"k\" IS NULL)")), "")),
        (Dialect::Snowflake, over(&text(&lookup.replace("\"m\"", "\"n\"")), "")),
        (Dialect::Snowflake, format!("SELECT \"t3\".\"c0\" AS \"c0\" FROM ({lookup}) AS \"t3\"")),
    ];
    for (dialect, text) in denied {
        assert_eq!(verified(dialect, &text), Err(ErrorKind::Internal), "{text}");
    }
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

const THERE: &str = "SELECT \"t1\".\"A\" AS \"c0\" FROM \"D\".\"S\".\"T\" AS \"t1\" \
    WHERE (\"t1\".\"TENANT\" = CAST(:1 AS VARCHAR))";

fn printed_there() -> Printed {
    let mut printed = Printed::default();
    let name = ["D", "S", "T"].map(str::to_owned).to_vec();
    printed.secured.insert("t2".to_owned(), Secured { text: THERE.to_owned(), tables: vec![name] });
    printed.aliases.extend(["t1".to_owned(), "t3".to_owned()]);
    for function in
        ["LOWER", "CEIL", "SUBSTR", "LEFT", "DATEADD", "LAG", "CURRENT_DATE", "TRY_CAST"]
    {
        printed.functions.insert(function.to_owned());
    }
    for literal in ["5", "+", "day"] {
        printed.literals.insert(literal.to_owned());
    }
    printed.numbers.insert("3".to_owned());
    printed
}

#[test]
fn what_was_printed_for_snowflake_passes() {
    for rest in [
        "",
        " WHERE (LOWER(\"t2\".\"c0\") = CAST(:1 AS VARCHAR))",
        " WHERE (CEIL(\"t2\".\"c0\") = CAST('5' AS NUMBER(10,0)))",
        " WHERE (SUBSTR(\"t2\".\"c0\", CAST('5' AS NUMBER(10,0))) IS NULL)",
        " WHERE (LEFT(\"t2\".\"c0\", CAST('5' AS NUMBER(10,0))) IS NULL)",
        " WHERE (TRY_CAST(\"t2\".\"c0\" AS DATE) IS NULL)",
        " WHERE (\"t2\".\"c0\" LIKE CAST(:1 AS VARCHAR) ESCAPE '+')",
        " WHERE (DATEADD('day', CAST('5' AS NUMBER(19,0)), CURRENT_DATE()) IS NULL)",
        " WHERE (CAST('5' AS TIMESTAMP_LTZ(6)) > CAST('5' AS TIMESTAMP_NTZ(6)))",
        " WHERE (LAG(\"t2\".\"c0\", 3) OVER (ORDER BY \"t2\".\"c0\" ASC NULLS LAST) IS NULL)",
        " ORDER BY \"t2\".\"c0\" DESC NULLS FIRST LIMIT NULL OFFSET 3",
    ] {
        let text = over(THERE, rest);
        verify(Dialect::Snowflake, &text, &printed_there(), 1)
            .unwrap_or_else(|error| panic!("{text}: {:?}", error.cause()));
    }
}

/// A sample stands beside the raw table, as it was printed, and nowhere else.
#[test]
fn samples_stand_inside_of_a_relation() {
    let sampled = |sample: &str| {
        format!("SELECT \"t1\".\"a\" AS \"c0\" FROM \"s\".\"t\" AS \"t1\" TABLESAMPLE {sample}")
    };
    let relation = sampled("BERNOULLI (10) REPEATABLE (7)");
    let mut printed = Printed::default();
    let tables = vec![["s", "t"].map(str::to_owned).to_vec()];
    printed.secured.insert("t2".to_owned(), Secured { text: relation.clone(), tables });
    printed.aliases.extend(["t1", "t3"].map(str::to_owned));
    printed.samples.insert("TABLESAMPLE BERNOULLI (10) REPEATABLE (7)".to_owned());
    printed.numbers.extend(["10", "7"].map(str::to_owned));
    let verified = |printed: &Printed, text: &str| {
        verify(Dialect::Postgres, text, printed, 0).map_err(|error| error.kind())
    };
    verified(&printed, &over(&relation, "")).unwrap();
    for text in [
        over(&sampled("BERNOULLI (7) REPEATABLE (7)"), ""),
        over(&sampled("SYSTEM (10) REPEATABLE (7)"), ""),
        over(&sampled("BERNOULLI (10)"), ""),
        over(&relation, " TABLESAMPLE BERNOULLI (10) REPEATABLE (7)"),
        over(
            &relation,
            " CROSS JOIN (SELECT 7 AS \"c0\") AS \"t3\" TABLESAMPLE BERNOULLI (10) REPEATABLE (7)",
        ),
        relation.clone(),
    ] {
        assert_eq!(verified(&printed, &text), Err(ErrorKind::Internal), "{text}");
    }
    // What the relation says isn't enough.
    printed.samples.clear();
    assert_eq!(verified(&printed, &over(&relation, "")), Err(ErrorKind::Internal));
}

#[test]
fn what_was_not_printed_for_snowflake_is_denied() {
    let denied = |text: &str| {
        let denied = verify(Dialect::Snowflake, text, &printed_there(), 1);
        assert_eq!(denied.map_err(|error| error.kind()), Err(ErrorKind::Internal), "{text}");
    };
    for rest in [
        " WHERE (UPPER(\"t2\".\"c0\") IS NULL)",
        " WHERE (\"LOWER\"(\"t2\".\"c0\") IS NULL)",
        " WHERE (D.S.LOWER(\"t2\".\"c0\") IS NULL)",
        " WHERE (FLOOR(\"t2\".\"c0\") IS NULL)",
        " WHERE (SAFE_CAST(\"t2\".\"c0\" AS DATE) IS NULL)",
        " WHERE (\"t2\".\"c0\" = '6')",
        " WHERE (\"t2\".\"c0\" = 6)",
        " WHERE (\"t2\".\"c0\" = '\\'5')",
        " WHERE (\"t2\".\"c0\" = $$5$$)",
        " WHERE (\"t2\".\"c0\" = $1)",
        " WHERE (\"t2\".\"c0\" = ?)",
        " WHERE (\"t2\".\"c0\" = CAST(:2 AS VARCHAR))",
        " WHERE (\"t2\".\"c0\":a IS NULL)",
        " WHERE (t2.c0 IS NULL)",
        " WHERE CURRENT_TIMESTAMP IS NULL",
        ", \"D\".\"S\".\"T\" AS \"t3\"",
        ", \"S\".\"T\" AS \"t3\"",
        ", TABLE(RESULT_SCAN('5')) AS \"t3\"",
        ", LATERAL FLATTEN(\"t2\".\"c0\") AS \"t3\"",
        " LIMIT 4",
        "; SELECT CAST('5' AS NUMBER(10,0)) AS \"c0\"",
    ] {
        denied(&over(THERE, rest));
    }
    denied(&over(&THERE.replace("\"T\" AS", "\"U\" AS"), ""));
    denied(&over(&THERE.replace(" = ", " <> "), ""));
    denied("SELECT \"t1\".\"A\" AS \"c0\" FROM \"D\".\"S\".\"T\" AS \"t1\"");
    denied("DELETE FROM \"D\".\"S\".\"T\"");
}

/// FLATTEN is of a column, and asked for nothing but what was printed.
#[test]
fn flatten_is_what_was_printed() {
    let mut printed = printed_there();
    printed.table_functions.insert("FLATTEN".to_owned());
    let verified = |printed: &Printed, rest: &str| {
        let text = over(THERE, rest);
        verify(Dialect::Snowflake, &text, printed, 1).map_err(|error| error.kind())
    };
    let plain = ", LATERAL FLATTEN(INPUT => \"t2\".\"c0\") AS \"t3\"";
    let outer = ", LATERAL FLATTEN(INPUT => \"t2\".\"c0\", OUTER => TRUE) AS \"t3\"";
    assert_eq!(verified(&printed, plain), Ok(()));
    assert_eq!(verified(&printed, outer), Err(ErrorKind::Internal));
    assert_eq!(verified(&printed_there(), plain), Err(ErrorKind::Internal));
    printed.words.insert("OUTER");
    assert_eq!(verified(&printed, outer), Ok(()));
    let all = ", LATERAL FLATTEN(INPUT => \"t2\".\"c0\", PATH => 'a.b[0]', OUTER => TRUE, RECURSIVE => TRUE, \
               MODE => 'ARRAY') AS \"t3\"";
    let mut every = printed_there();
    every.table_functions.insert("FLATTEN".to_owned());
    every.words.extend(["OUTER", "RECURSIVE"]);
    every.literals.insert("ARRAY".to_owned());
    assert_eq!(verified(&every, all), Err(ErrorKind::Internal));
    every.paths.insert("a.b[0]".to_owned());
    assert_eq!(verified(&every, all), Ok(()));
    for call in [
        "FLATTEN(INPUT => \"t2\".\"c0\", PATH => 'a.b[1]')",
        "FLATTEN(INPUT => \"t2\".\"c0\", PATH => 'ARRAY')",
        "FLATTEN(INPUT => \"t2\".\"c0\", PATH => 5)",
        "FLATTEN(INPUT => \"t2\".\"c0\", PATH => CAST(:1 AS VARCHAR))",
        "FLATTEN(INPUT => \"t2\".\"c0\", PATH => 'a.b[0]', PATH => 'a.b[0]')",
        "FLATTEN(PATH => 'a.b[0]', INPUT => \"t2\".\"c0\")",
        "FLATTEN(PATH => 'a.b[0]')",
        "FLATTEN(INPUT => 'a.b[0]')",
        "FLATTEN(INPUT => \"t2\".\"c0\", MODE => 'BOTH')",
        "FLATTEN(INPUT => \"t2\".\"c0\", MODE => 'a.b[0]')",
        "FLATTEN(INPUT => \"t2\".\"c0\", MODE => TRUE)",
        "FLATTEN(INPUT => \"t2\".\"c0\", RECURSIVE => FALSE)",
        "FLATTEN(INPUT => \"t2\".\"c0\", RECURSIVE => 'ARRAY')",
        "FLATTEN(INPUT => \"t2\".\"c0\", DEPTH => TRUE)",
        "FLATTEN(INPUT => \"t2\".\"c0\", \"OUTER\" => TRUE)",
        "FLATTEN(INPUT => \"t2\".\"c0\", OUTER = TRUE)",
    ] {
        let rest = format!(", LATERAL {call} AS \"t3\"");
        assert_eq!(verified(&every, &rest), Err(ErrorKind::Internal), "{call}");
    }
    for call in [
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\")",
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\") AS \"t9\"",
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\") AS t3",
        "LATERAL FLATTEN(\"t2\".\"c0\") AS \"t3\"",
        "LATERAL FLATTEN(INPUT => LOWER(\"t2\".\"c0\")) AS \"t3\"",
        "LATERAL FLATTEN(INPUT => CAST('5' AS VARIANT)) AS \"t3\"",
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\", PATH => '5') AS \"t3\"",
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\", RECURSIVE => TRUE) AS \"t3\"",
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\", OUTER => FALSE) AS \"t3\"",
        "LATERAL FLATTEN(OUTER => TRUE) AS \"t3\"",
        "LATERAL FLATTEN(INPUT => \"t2\".\"c0\", OUTER => TRUE, OUTER => TRUE) AS \"t3\"",
        "LATERAL \"FLATTEN\"(INPUT => \"t2\".\"c0\") AS \"t3\"",
        "LATERAL S.FLATTEN(INPUT => \"t2\".\"c0\") AS \"t3\"",
        "LATERAL SPLIT_TO_TABLE(INPUT => \"t2\".\"c0\") AS \"t3\"",
        "FLATTEN(INPUT => \"t2\".\"c0\") AS \"t3\"",
        "TABLE(FLATTEN(INPUT => \"t2\".\"c0\")) AS \"t3\"",
    ] {
        let rest = format!(", {call}");
        assert_eq!(verified(&printed, &rest), Err(ErrorKind::Internal), "{call}");
    }
}
