//! Tests of the module beside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use datafusion::prelude::{SessionConfig, SessionContext};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::UdfSource;

use super::BOUNDED;
use crate::embedded::functions::Functions;
use crate::error::public;

/// An engine whose functions are those that users get, with a table of 8192 rows.
fn engine() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let context = SessionContext::new_with_config(config);
    let functions = Functions::new();
    for (engine, _, _) in BOUNDED {
        let raw = functions.scalar(engine).unwrap_or_else(|| panic!("there is no {engine}"));
        let udf = functions.bounded(raw.name()).unwrap();
        context.register_udf(udf.as_ref().clone().with_aliases([*engine]));
    }
    for name in ["tg_join", "tg_like", "tg_regex"] {
        context.register_udf(functions.scalar(name).unwrap().as_ref().clone());
    }
    context
}

/// The first value of a query over `t(id)`, in which `id` is 1 to 8192.
async fn value(context: &SessionContext, expression: &str) -> Result<String, Error> {
    let sql = format!(
        "SELECT {expression} AS v FROM (SELECT unnest(generate_series(1, 8192)) AS id) t ORDER BY 1"
    );
    let frame = context.sql(&sql).await.map_err(public)?;
    let batches = frame.collect().await.map_err(public)?;
    let column = batches.first().unwrap().column(0);
    Ok(arrow::util::display::array_value_to_string(column, 0).unwrap())
}

/// Each would make gigabytes, or search for hours, if it ran.
const REFUSED: &[(&str, &str)] = &[
    ("length(lpad('x', 1000000000))", "result of function \"lpad\" is too long"),
    ("length(lpad('x', 9223372036854775807))", "result of function \"lpad\" is too long"),
    ("length(rpad('x', 100000, 'ä'))", "result of function \"rpad\" is too long"),
    ("length(lpad('x', id * 1000000))", "result of function \"lpad\" is too long"),
    ("length(lpad('x', 60000 + id))", "result of function \"lpad\" is too long"),
    (
        "array_length(string_to_array(lpad('', 50000000, ','), ','), 1)",
        "result of function \"lpad\" is too long",
    ),
    (
        "length(replace(lpad('', 20000, 'a'), 'a', lpad('', 60000, 'b')))",
        "result of function \"replace\" is too long",
    ),
    (
        "length(replace(lpad('', 40000, 'a'), '', 'b'))",
        "result of function \"replace\" is too long",
    ),
    (
        "length(overlay(lpad('', 40000, 'a'), lpad('', 40000, 'b'), 3))",
        "result of function \"overlay\" is too long",
    ),
    (
        "length(concat(lpad('', 40000, 'a'), lpad('', 40000, 'b')))",
        "result of function \"concat\" is too long",
    ),
    (
        "length(concat_ws(lpad('', 30000), 'a', 'b', 'c', id))",
        "result of function \"concat_ws\" is too long",
    ),
    (
        "length(tg_join(lpad('', 40000, 'a'), lpad('', 40000, 'b')))",
        "result of function \"||\" is too long",
    ),
    (
        "length(tg_join(lpad('', 30000, 'a'), lpad('b', 20000 + id)))",
        "result of function \"lpad\" is too long",
    ),
    (
        "length(tg_join(lpad('', 30000, 'a'), CAST(id AS text)))",
        "result of function \"||\" is too long",
    ),
    (
        "length(array_to_string(string_to_array(lpad('', 10000, ','), ','), lpad('', 10000, 'x')))",
        "result of function \"array_to_string\" is too long",
    ),
    (
        "cardinality(array_concat(array_concat(generate_series(1, 1000), generate_series(1, 1000)), \
         array_concat(generate_series(1, 1000), generate_series(1, 1000))))",
        "result of function \"array_cat\" is too long",
    ),
    (
        "array_replace_all(string_to_array(lpad('', 10000, ','), ','), '', lpad('', 10000, 'x'))",
        "result of function \"array_replace\" is too long",
    ),
    (
        "length(format(lpad('', 60000, '%1$10000s'), 'x'))",
        "result of function \"format\" is too long",
    ),
    (
        "length(format(lpad('', 60000, '%1$s'), lpad('', 60000)))",
        "result of function \"format\" is too long",
    ),
    (
        "to_char(1.5, concat('9.', lpad('', 5000, '9')))",
        "the pattern for \"to_char\" is too long or too complex",
    ),
    ("to_date('x', lpad('', 5000, 'Y'))", "the pattern for \"to_date\" is too long or too complex"),
    (
        "length(regexp_replace(lpad('', 60000, 'a'), 'a', 'bbb', 'g'))",
        "result of function \"regexp_replace\" is too long",
    ),
    (
        "length(regexp_replace(lpad('', 60000, 'a'), '(.*)', '\\1\\1\\1'))",
        "result of function \"regexp_replace\" is too long",
    ),
    (
        "regexp_count(concat(lpad('', 65000, 'A'), lpad('', 1000, 'A')), '.*[^A-Z]|[A-Z]')",
        "a text for function \"regexp_count\" is too long",
    ),
    (
        "regexp_count('x', '(a{1000}){1000}')",
        "the pattern for \"regexp_count\" is too long or too complex",
    ),
    (
        "regexp_match('x', '((a{100}){100}){100}')",
        "the pattern for \"regexp_match\" is too long or too complex",
    ),
    (
        "regexp_like('x', concat('(\\w{100}){', id, '}'))",
        "the pattern for \"regexp_like\" is too long or too complex",
    ),
    ("regexp_instr('x', '(')", "invalid regular expression for \"regexp_instr\""),
    ("'x' ~ tg_regex('(\\w{100}){100}')", "the pattern for \"~\" is too long or too complex"),
    (
        "'x' LIKE tg_like(lpad('', 5000, '%a'))",
        "the pattern for \"LIKE\" is too long or too complex",
    ),
];

#[tokio::test]
async fn what_would_be_too_long_is_refused_before_it_is_made() {
    let context = engine();
    for (expression, message) in REFUSED {
        let error = match value(&context, expression).await {
            Err(error) => error,
            Ok(value) => panic!("{expression}: {} characters", value.len()),
        };
        assert_eq!(error.message(), *message, "{expression}: {:?}", error.cause());
        if !message.starts_with("invalid") {
            assert_eq!(error.kind(), ErrorKind::ProgramLimit, "{expression}");
            assert!(error.hint().is_some(), "{expression}");
        }
    }
}

#[tokio::test]
async fn what_is_short_enough_is_made() {
    let context = engine();
    for (expression, expected) in [
        ("lpad('x', 5, 'ab')", "ababx"),
        ("lpad('xyz', 2)", "xy"),
        ("lpad('x', -5)", ""),
        ("lpad('x', -9223372036854775808)", ""),
        ("array_position(make_array(1, 2), 2, -9223372036854775808)", "2"),
        ("array_position(make_array(1, 2), 2, 9223372036854775807)", ""),
        ("array_position(make_array(1, id), id, id - 5)", "1"),
        ("length(lpad('x', 60000))", "60000"),
        ("length(lpad(lpad('x', 60000), 10, 'ä'))", "10"),
        ("length(lpad('x', id))", "1"),
        ("replace('abcabc', 'b', 'xyz')", "axyzcaxyzc"),
        ("length(replace(lpad('', 60000, 'ab'), 'b', ''))", "30000"),
        ("concat('a', NULL, id)", "a1"),
        ("concat_ws('-', 'a', NULL, id)", "a-1"),
        ("tg_join('a', CAST(NULL AS text))", ""),
        ("tg_join('a', CAST(id AS text))", "a1"),
        ("array_to_string(make_array(1, 2, NULL), ',', '?')", "1,2,?"),
        ("array_concat(make_array(1), make_array(2))", "[1, 2]"),
        ("length(format('%s-%s', lpad('', 10000), id))", "10002"),
        ("regexp_count('abcabc', 'b')", "2"),
        ("regexp_count(lpad('', 2000, 'A'), '.*[^A-Z]|[A-Z]')", "2000"),
        ("length(regexp_replace(lpad('', 60000, 'ab'), 'b', 'c', 'g'))", "60000"),
        ("length(regexp_replace(lpad('', 60000, 'b'), 'a', 'cccccccc', 'g'))", "60000"),
        ("regexp_replace('a-b', '(\\w)-(\\w)', '\\2+\\1')", "b+a"),
        ("regexp_like('ABC', 'b', 'i')", "true"),
        ("regexp_match('foobar', '(o+)(b)')", "[oo, b]"),
        ("regexp_like('a@b.c', '^[\\w.+-]+@[\\w-]+\\.[\\w.-]+$')", "true"),
        ("regexp_instr('abc', 'c')", "3"),
        ("'abc' ~ tg_regex('B')", "false"),
        ("'abc' ~* tg_regex('B')", "true"),
        ("'abc' LIKE tg_like('a%')", "true"),
        ("CAST(NULL AS text) LIKE tg_like(CAST(NULL AS text))", ""),
        // Constants are repeated for few rows at a time only.
        ("length(concat(substr(lpad('', 60000, 'a'), 1, 10), substr('ab', id)))", "10"),
        ("length(substr(lpad('', 60000, 'a'), id))", "51809"),
        ("strpos(lpad('', 60000, 'a'), CAST(id AS text))", "0"),
    ] {
        match value(&context, expression).await {
            Ok(value) => assert_eq!(value, expected, "{expression}"),
            Err(error) => panic!("{expression}: {error}: {:?}", error.cause()),
        }
    }
}
