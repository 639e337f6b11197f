//! What `parse` makes of texts: one line in, one line out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use crate::names::output_name;
use crate::statement::{Body, parse};

/// A short description of each statement, or the error.
fn summary(sql: &str) -> String {
    let statements = match parse(sql) {
        Ok(statements) => statements,
        Err(error) => return format!("{} {}", error.kind().sqlstate(), error.message()),
    };
    let parts: Vec<String> = statements
        .iter()
        .map(|statement| match statement.body() {
            Body::Query(_) => format!("query<{}>", statement.sql()),
            Body::Explain(_) => "explain".to_owned(),
            Body::ExplainAccess(_) => "explain access".to_owned(),
            Body::Command(command) => format!("{command:?}"),
            Body::Delivered { delivery, query } => format!("{delivery:?} of <{}>", query.sql()),
            Body::Prepare { name, .. } => format!("prepare {name}"),
            Body::Execute { name, values } => format!("execute {name} {values:?}"),
        })
        .collect();
    parts.join("; ")
}

#[track_caller]
fn check(sql: &str, expected: &str) {
    assert_eq!(summary(sql), expected, "for: {sql}");
}

#[test]
fn splits_and_keeps_each_text() {
    check("", "");
    check(" ; ;; ", "");
    check("SELECT 1; select 'a;b' -- c;d\n;", "query<SELECT 1>; query<select 'a;b'>");
    check("SELECT 'é', 2;\nSELECT 3", "query<SELECT 'é', 2>; query<SELECT 3>");
    check("TABLE t", "query<TABLE t>");
    check("EXPLAIN SELECT 1; explain -- a\n access SELECT 1", "explain; explain access");
    check("(SELECT 1) UNION (SELECT 2)", "query<(SELECT 1) UNION (SELECT 2)>");
}

#[test]
fn refuses_what_writes_at_any_depth_of_the_top() {
    for sql in [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE t",
        "GRANT SELECT ON t TO PUBLIC",
        "TRUNCATE t",
        "ALTER TABLE t ADD COLUMN a int",
    ] {
        assert!(summary(sql).starts_with("25006 "), "{sql}: {}", summary(sql));
    }
    for sql in ["CALL p()", "NOTIFY c", "LISTEN c", "DO $$ $$", "USE x"] {
        let state = summary(sql);
        assert!(state.starts_with("0A000 ") || state.starts_with("42601 "), "{sql}: {state}");
    }
}

#[test]
fn reads_session_commands() {
    check("SET x.y = 'a', b", "Set { name: \"x.y\", value: Some(\"a, b\"), local: false }");
    check("set local TimeZone to default", "Set { name: \"timezone\", value: None, local: true }");
    let zone =
        |text: &str| format!("Set {{ name: \"timezone\", value: Some(\"{text}\"), local: false }}");
    check("SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE", &zone("UTC"));
    check("SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE", &zone("Etc/GMT-2"));
    check("SET TIME ZONE INTERVAL '-11'", &zone("Etc/GMT+11"));
    for text in ["+05:30", "-13:00", "15", "+", "", "x", "+2:0", "99999999999"] {
        let found = summary(&format!("SET TIME ZONE INTERVAL '{text}' HOUR TO MINUTE"));
        assert!(found.starts_with("0A000 "), "{text}: {found}");
    }
    check("SET TIME ZONE 'UTC'", "Set { name: \"timezone\", value: Some(\"UTC\"), local: false }");
    check(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "Begin { start: false, isolation: Some(\"repeatable read\") }",
    );
    check("BEGIN; COMMIT AND NO CHAIN", "Begin { start: false, isolation: None }; Commit");
    check("ROLLBACK TO SAVEPOINT \"A\"", "RollbackTo(\"A\")");
    let session = "Characteristics { session: true, isolation: None }";
    check("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", session);
    check("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", session);
    check("SET TRANSACTION READ WRITE", "25006 cannot set transaction read-write mode");
    check("SHOW transaction isolation level", "Show(\"transaction_isolation\")");
    check("CLOSE ALL; UNLISTEN *; RESET ALL", "Close(None); Unlisten; Reset(None)");
    check("BEGIN READ WRITE", "25006 cannot set transaction read-write mode");
    check("SET ROLE admin", "42501 SET ROLE is not permitted");
    check("SET SESSION AUTHORIZATION x", "42501 SET SESSION AUTHORIZATION is not permitted");
    check("RESET ROLE", "42501 RESET ROLE is not permitted");
    check("SET x", "42601 syntax error at end of input");
    check(
        "PREPARE p AS SELECT 1; EXECUTE p(1, 'a', -2, NULL)",
        "prepare p; execute p [Some(\"1\"), Some(\"a\"), Some(\"-2\"), None]",
    );
}

#[test]
fn reads_identifiers_with_unicode_escapes() {
    for (escaped, plain) in [
        (
            r#"SELECT U&"\0061b" FROM u&"\0063rm".U&"c\0075stomers""#,
            r#"SELECT "ab" FROM "crm"."customers""#,
        ),
        (r#"SELECT U&"d!0061!!ta" UESCAPE '!' AS x"#, r#"SELECT "da!ta" AS x"#),
        (r#"SELECT U&"\+01F600", U&"\d83d\de00""#, "SELECT \"\u{1f600}\", \"\u{1f600}\""),
        (r#"SELECT U&"a\\b", U&"q""r""#, r#"SELECT "a\b", "q""r""#),
        // Not a keyword, and not folded.
        (r#"SELECT U&"FROM" FROM U&"T""#, r#"SELECT "FROM" FROM "T""#),
    ] {
        let texts = [escaped, plain].map(|sql| {
            let parsed = parse(sql).unwrap();
            let Body::Query(query) = parsed[0].body() else { panic!("a query") };
            query.to_string()
        });
        assert_eq!(texts[0], texts[1], "for: {escaped}");
    }
    for (sql, message) in [
        (r#"SELECT U&"\00""#, "invalid Unicode escape"),
        (r#"SELECT U&"\zzzz""#, "invalid Unicode escape"),
        (r#"SELECT U&"\0000""#, "invalid Unicode escape value"),
        (r#"SELECT U&"\+110000""#, "invalid Unicode escape value"),
        (r#"SELECT U&"\d83d""#, "invalid Unicode surrogate pair"),
        (r#"SELECT U&"\d83dx""#, "invalid Unicode surrogate pair"),
        (r#"SELECT U&"\de00""#, "invalid Unicode surrogate pair"),
        (r#"SELECT U&"a" UESCAPE '+'"#, "invalid Unicode escape character"),
        (r#"SELECT U&"a" UESCAPE 'ab'"#, "invalid Unicode escape character"),
        (r#"SELECT U&"a" UESCAPE x"#, "UESCAPE must be followed by a simple string literal"),
    ] {
        check(sql, &format!("42601 {message}"));
    }
    // Two operands, and not an identifier.
    assert!(summary("SELECT u & \"a\" FROM t").starts_with("query<"));
}

#[test]
fn names_that_are_made_up_are_nobody_elses() {
    let refused = "0A000 the character \"\u{2e31}\" in a name is not supported";
    for sql in [
        "SELECT 1 AS \"a\u{2e31}1\"",
        r#"SELECT U&"a\2E311" FROM t"#,
        r#"SELECT 1 FROM t AS U&"d!2e311" UESCAPE '!'"#,
        "SELECT 1 FROM t AS x (\"\u{2e31}\")",
        "SELECT 1 OPERATOR(\"\u{2e31}divide\") 2",
        "WITH \"r\u{2e31}1\" AS (SELECT 1) SELECT 2",
        "DECLARE \"c\u{2e31}\" CURSOR FOR SELECT 1",
        "EXPLAIN SELECT \"\u{2e31}dup\u{2e31}2\"",
    ] {
        check(sql, refused);
    }
    // A text may be a name.
    let refused = "0A000 the character \"\u{2e31}\" between quotes is not supported";
    for sql in [
        "SELECT 1 AS 'a\u{2e31}1'",
        "SELECT 1 'a\u{2e31}1'",
        "SELECT 1 FROM t AS 'a\u{2e31}1'",
        "SELECT 1 FROM t AS x ('a\u{2e31}1')",
        "SELECT 'a\u{2e31}1'",
    ] {
        check(sql, refused);
    }
    // What else a text is, it isn't; and Catalan words have another character.
    for sql in ["SELECT $$a\u{2e31}1$$ FROM t", "SELECT \"col\u{b7}lecci\u{f3}\" FROM t"] {
        assert!(summary(sql).starts_with("query<"), "{sql}");
    }
    for sql in
        ["SELECT 1 AS E'a\\u2e311'", "SELECT 1 AS $$a\u{2e31}1$$", "SELECT 1 AS U&'a\\2e311'"]
    {
        assert!(summary(sql).starts_with("42601 "), "{sql}");
    }
}

#[test]
fn bounds_length_and_depth() {
    let long = format!("SELECT '{}'", "x".repeat(crate::statement::MAX_SQL_BYTES));
    assert!(summary(&long).starts_with("54000 "));
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(summary(&deep).starts_with("54000 "), "{}", summary(&deep));
    let unions = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(65));
    assert!(summary(&unions).starts_with("54000 "));
    let chain = format!("SELECT 1{}", " + 1".repeat(1_001));
    assert!(summary(&chain).starts_with("54000 "));
}

#[test]
fn syntax_errors_have_a_position() {
    let error = parse("SELECT é FROM\n t WHERE )").unwrap_err();
    assert_eq!(error.kind().sqlstate(), "42601");
    assert!(error.position().is_some());
    assert!(!error.message().contains("Line"));
}

#[test]
fn names_outputs_as_postgresql_does() {
    for (sql, name) in [
        ("a", "a"),
        ("t.\"B\"", "B"),
        ("count(*)", "count"),
        ("pg_catalog.lower(a)", "lower"),
        ("1 + 1", "?column?"),
        ("'x'", "?column?"),
        ("'x'::text", "text"),
        ("a::int", "a"),
        ("CAST(1 + 1 AS bigint)", "int8"),
        ("CASE WHEN a THEN 1 END", "case"),
        ("CASE WHEN a THEN 1 ELSE b END", "b"),
        ("EXISTS (SELECT 1)", "exists"),
        ("(SELECT max(x) FROM t)", "max"),
        ("ARRAY[1]", "array"),
        ("date '2025-01-01'", "date"),
        ("NOT a", "?column?"),
        ("coalesce(a, b)", "coalesce"),
        ("extract(year FROM a)", "extract"),
        ("trim(a)", "btrim"),
        ("current_user", "current_user"),
    ] {
        let parsed = parse(&format!("SELECT {sql}")).unwrap();
        let Body::Query(query) = parsed[0].body() else { panic!("a query") };
        let datafusion_sql::sqlparser::ast::SetExpr::Select(select) = query.body.as_ref() else {
            panic!("a select")
        };
        let datafusion_sql::sqlparser::ast::SelectItem::UnnamedExpr(expr) = &select.projection[0]
        else {
            panic!("an unnamed item")
        };
        assert_eq!(output_name(expr), name, "for: {sql}");
    }
}
