//! What Snowflake's tokens read as: one text in, one statement or error out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use crate::dialect::SqlDialect;
use crate::statement::{Body, parse_in};

fn read(sql: &str) -> String {
    match parse_in(SqlDialect::Snowflake, sql) {
        Ok(statements) => {
            let parts = statements.iter().map(|statement| match statement.body() {
                Body::Query(query) => query.to_string(),
                other => format!("{other:?}"),
            });
            parts.collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("{} {}", error.kind().sqlstate(), error.message()),
    }
}

#[test]
fn literals_say_what_snowflake_reads() {
    for (sql, expected) in [
        (r"SELECT 'a\'b', 'c''d', 'e\\'", r"SELECT 'a''b', 'c''d', 'e\'"),
        (r"SELECT 'a\\', ' ; --'; SELECT 2", r"SELECT 'a\', ' ; --'; SELECT 2"),
        (r"SELECT 'a\'; DROP TABLE t; --'", r"SELECT 'a''; DROP TABLE t; --'"),
        ("SELECT 'a\\nb\\tc'", "SELECT 'a\nb\tc'"),
        ("SELECT $$a'b\\n$$", "SELECT 'a''b\\n'"),
        ("SELECT $$a; b$$; SELECT 2", "SELECT 'a; b'; SELECT 2"),
        ("SELECT 1 // it's; SELECT 2\n; SELECT 3", "SELECT 1; SELECT 3"),
        ("SELECT 1 /* a; ' */; SELECT 2 -- '", "SELECT 1; SELECT 2"),
        ("SELECT ?, ?", "SELECT $1, $2"),
        ("SELECT $2, $1", "SELECT $2, $1"),
    ] {
        assert_eq!(read(sql), expected, "for: {sql}");
    }
}

#[test]
fn identifiers_in_capitals_are_the_plain_ones() {
    for (sql, expected) in [
        (
            r#"SELECT "AMOUNT", "Amount", "amount", amount"#,
            r#"SELECT amount, "Amount", "amount", amount"#,
        ),
        (r#"SELECT "FROM", "ORDER" FROM "T""#, r#"SELECT "from", order FROM t"#),
        (r#"SELECT "A""B", "É", "1""#, r#"SELECT a"b, "É", "1""#),
        (r#"SELECT "CURRENT_USER""#, r#"SELECT "current_user""#),
    ] {
        assert_eq!(read(sql), expected, "for: {sql}");
    }
}

#[test]
fn keys_of_paths_are_never_folded() {
    for (sql, expected) in [
        (r#"SELECT v:Name.Last, v:"NAME"."L""#, r#"SELECT v:Name.Last, v:"NAME"."L""#),
        (r#"SELECT "V":"a""b"::string"#, r#"SELECT v:"a""b"::STRING"#),
        (r#"SELECT v['K'].Sub."SUB", "T"."C""#, r#"SELECT v['K'].Sub."SUB", t.c"#),
        ("SELECT v : /* x */ Name . Last", "SELECT v:Name.Last"),
        (r#"SELECT v:a AS "AB", "CD" FROM "T""#, r#"SELECT v:a AS ab, cd FROM t"#),
        (r"SELECT v['it\'s']['a''b']", "SELECT v['it''s']['a''b']"),
        (r#"SELECT v:"""#, "42601 zero-length delimited identifier"),
        ("SELECT v:`a`", "42601 this kind of quotes is not read in the Snowflake dialect"),
    ] {
        assert_eq!(read(sql), expected, "for: {sql}");
    }
}

#[test]
fn what_reads_in_two_ways_is_refused() {
    for (sql, code) in [
        (r"SELECT 'a\x41'", "42601"),
        (r"SELECT 'a\u0041'", "42601"),
        (r"SELECT 'a\101'", "42601"),
        (r"SELECT 'a\0'", "42601"),
        (r"SELECT 'a\%'", "42601"),
        (r"SELECT 'a\", "42601"),
        (r"SELECT 'a\'", "42601"),
        ("SELECT $a$b$a$", "42601"),
        ("SELECT /* a /* b */ 1", "42601"),
        ("SELECT 1 -- a\r+ 1", "42601"),
        ("SELECT `a`", "42601"),
        ("SELECT \"\"", "42601"),
        ("SELECT ?, $1", "42601"),
        ("SELECT $a", "0A000"),
        ("SELECT ?1", "0A000"),
        ("SELECT f(x -> x)", "0A000"),
        ("SELECT {'a': 1}", "0A000"),
        ("SET x = 'a\\x'", "42601"),
        ("CREATE TABLE t (a int)", "25006"),
        ("INSERT INTO t VALUES (1)", "25006"),
        ("EXECUTE IMMEDIATE 'SELECT 1'", "0A000"),
    ] {
        assert!(read(sql).starts_with(code), "{sql}: {}", read(sql));
    }
}

/// In the other dialect the same texts are others.
#[test]
fn texts_belong_to_a_dialect() {
    let sql = r"SELECT 'a\'; SELECT 'b\'";
    let plain = parse_in(SqlDialect::PostgreSql, sql).unwrap();
    assert_eq!(plain.len(), 2);
    assert_eq!(read(sql), "42601 syntax error: unterminated string literal");
    for statement in &plain {
        assert_eq!(statement.dialect(), SqlDialect::PostgreSql);
    }
    let both = SqlDialect::NAMES.iter().map(|name| SqlDialect::from_name(name).unwrap());
    assert_eq!(both.map(SqlDialect::name).collect::<Vec<_>>(), SqlDialect::NAMES);
}

/// What the parser would recurse over without a limit of its own.
#[test]
fn what_needs_too_much_stack_is_not_parsed() {
    let long = 100_000;
    for (sql, code) in [
        (format!("SELECT 1 FROM t MATCH_RECOGNIZE(PATTERN({}", "(".repeat(20_000)), "0A000"),
        ("SELECT 1 FROM t MATCH_RECOGNIZE(PATTERN(a))".to_owned(), "0A000"),
        (format!("SELECT 1 FROM t {}", "JOIN t ".repeat(8_000)), "54000"),
        (format!("SELECT {}", "(".repeat(20_000)), "54000"),
        (format!("SELECT {}", "[".repeat(20_000)), "54000"),
        (format!("SELECT a{}", ", a".repeat(20_000)), "54000"),
        (format!("SELECT '{}'", "a".repeat(long)), "54000"),
    ] {
        let said = read(&sql);
        let start: String = sql.chars().take(60).collect();
        assert!(said.starts_with(code), "{start}: {said}");
    }
}
